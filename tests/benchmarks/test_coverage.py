import json

import pytest
from tiny_world import paint, write_foils

from rebind.benchmarks import FoilBenchmark, build_benchmark, evaluate, evaluate_model, read_foils
from rebind.benchmarks.coverage import coverage_notes, coverage_shares
from rebind.types import BrokenSample, Score, UserError


@pytest.fixture
def foils(tmp_path):
    """Two categories of 120 items, one an image, and their folder of pictures; the second's are those of the first."""
    for category in ("add_att", "swap_obj"):
        rows = [(f"{i:03d}.png", f"a red ring and {i} box", f"a blue ring and {i} box") for i in range(120)]
        write_foils(tmp_path / f"annotations/{category}.json", rows)
    for i in range(120):
        paint(tmp_path / f"images/{i:03d}.png", i, size=(16, 16))
    return tmp_path


def benchmark(folder, images="images"):
    return build_benchmark("foils", annotations=folder / "annotations", images=folder / images)


def splits(scores):
    return [score.split for score in scores if score.metric == "accuracy"]


def test_one_image_of_a_hundred_and_twenty_costs_its_items_but_no_headline(encoder, foils):
    (foils / "images/007.png").unlink()
    scores, broken = evaluate(encoder, [benchmark(foils)])
    assert splits(scores) == ["swap_obj", "add_att", "macro", "micro"]
    assert coverage_shares(scores) == {"foils": pytest.approx(119 / 120)}
    assert coverage_notes(scores) == []
    assert [each.key for each in broken] == [str(foils / "images/007.png")]
    assert scores[-1].n == 238


def test_below_99_per_cent_there_is_no_headline_but_a_sentence(encoder, foils):
    for i in (7, 8):
        (foils / f"images/{i:03d}.png").unlink()
    scores, _ = evaluate(encoder, [benchmark(foils)])
    assert splits(scores) == ["swap_obj", "add_att"]
    coverage = [score for score in scores if score.metric == "coverage"]
    assert [(score.split, score.n, round(score.value, 4)) for score in coverage] == [
        ("swap_obj", 120, 0.9833),
        ("add_att", 120, 0.9833),
    ]
    encoder.save(foils / "model")
    results = json.loads(evaluate_model(foils / "model", [benchmark(foils)], foils / "out").read_text())
    [note] = results["notes"]
    assert note.startswith(
        "foils: only 98.3 % of its items have an image that can be read; below 99 % no number is given for the whole"
    )
    assert note == coverage_notes(scores)[0]
    assert "macro" not in {row["split"] for row in results["scores"]}

    for i in (7, 8):  # mended, and evaluated again: nothing of the gap is left
        paint(foils / f"images/{i:03d}.png", i)
    results = json.loads(evaluate_model(foils / "model", [benchmark(foils)], foils / "out").read_text())
    assert (results["notes"], results["broken_images"]) == ([], [])
    assert [row["split"] for row in results["scores"]] == ["swap_obj", "add_att", "macro", "micro"]


def groups(folder):
    rows = [
        {"image_1": f"{i:03d}.png", "image_2": f"{i + 1:03d}.png", "caption_1": f"{i} rings", "caption_2": f"{i} boxes"}
        for i in range(0, 40, 2)
    ]
    (folder / "test.json").write_text(json.dumps(rows))
    return build_benchmark("colorswap", annotations=folder / "test.json", images=folder / "images")


def retrieval(folder):
    rows = [{"split": "test", "filename": f"{i:03d}.png", "sentences": [{"raw": f"{i} rings"}]} for i in range(40)]
    (folder / "dataset_coco.json").write_text(json.dumps({"dataset": "coco", "images": rows}))
    return build_benchmark("coco", annotations=folder / "dataset_coco.json", images=folder / "images")


def classes(folder):
    rows = [{"image": f"images/{i:03d}.png", "label": f"{i % 7}"} for i in range(40)]
    (folder / "labels.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "classes.json").write_text(json.dumps([{"name": f"{i}", "prompts": [f"{i} rings"]} for i in range(7)]))
    return build_benchmark("zero_shot", data=folder)


@pytest.mark.parametrize(("build", "count"), [(groups, 9), (retrieval, 7), (classes, 4)])
def test_a_benchmark_without_categories_has_nothing_but_headlines(encoder, foils, build, count):
    assert len(evaluate(encoder, [build(foils)])[0]) == count
    for i in (3, 5, 8):
        (foils / f"images/{i:03d}.png").unlink()
    scores, broken = evaluate(encoder, [build(foils)])
    assert len(broken) == 3
    assert [score.metric for score in scores] == ["coverage"]
    [note] = coverage_notes(scores)
    assert note.startswith(f"{build(foils).name}: only {100 * scores[0].value:.1f} % of its items")


def test_a_split_of_which_nothing_is_missing_keeps_its_numbers(encoder, world):
    (world / "test/zero_shot/images/0.png").unlink()
    scores, _ = evaluate(encoder, [build_benchmark("world", data=world)])
    assert {score.split for score in scores if score.metric != "coverage"} == {
        "swap_att", "replace_obj", "held_out", "retrieval", "retention"
    }  # fmt: skip


def test_shares_are_of_items_over_all_splits():
    def score(split, metric, value, n):
        return Score("b", split, metric, value, n, 0, value, value)

    rows = [score("x", "accuracy", 0.5, 90), score("x", "coverage", 0.9, 100), score("y", "accuracy", 1.0, 900)]
    rows += [score("macro", "accuracy", 0.75, 990), score("micro", "accuracy", 0.9, 990)]
    assert coverage_shares(rows) == {"b": pytest.approx(0.99)}


def test_half_of_the_images_missing_is_one_sentence_before_any_time_is_spent(foils):
    for i in range(0, 120, 2):
        (foils / f"images/{i:03d}.png").unlink()
    images = foils / "images"
    sentence = (
        rf"^foils: 60 of 120 images are not there, more than 10 %; the first is {images}/000.png: "
        rf"check that {images} is the right folder and complete$"
    )
    with pytest.raises(UserError, match=sentence):
        evaluate(None, [benchmark(foils)])


def test_the_wrong_image_folder_is_one_sentence(foils):
    (foils / "val2014").mkdir()
    with pytest.raises(
        UserError, match=r"120 of 120 images are not there, .* check that .*val2014 is the right folder"
    ):
        evaluate(None, [benchmark(foils, "val2014")])


def test_a_small_benchmark_cannot_hide_behind_a_large_one(encoder, foils):
    write_foils(foils / "few/add_obj.json", [(f"few{i}.png", "a ring", "a box") for i in range(8)])
    for i in range(8):
        paint(foils / f"images/few{i}.png", i)
    (foils / "images/few3.png").write_bytes(b"nothing")
    few = FoilBenchmark("few", read_foils(foils / "few", foils / "images"))
    sentence = r"^few: 1 of its 8 images cannot be read .*more than 10 %; the first is .*few3.png: "
    with pytest.raises(UserError, match=sentence):
        evaluate(encoder, [benchmark(foils), few])


def test_pictures_that_are_no_files_are_not_looked_for(encoder, foils):
    class Source:
        name, texts = "source", ("a ring",)
        images = (*[(foils / f"images/{i:03d}.png").read_bytes() for i in range(9)], BrokenSample("lost", "cut short"))

        def score(self, images, texts):
            return [Score(self.name, "all", "accuracy", 0.5, 9, 0, 0.2, 0.8)]

    scores, broken = evaluate(encoder, [Source()])
    assert (len(scores), broken[0].key) == (1, "lost")
