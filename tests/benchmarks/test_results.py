import copy
import json
import shutil
from dataclasses import dataclass, field, replace
from hashlib import sha256

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from tiny_world import paint, write_foils

from rebind.benchmarks import build_benchmark, evaluate, evaluate_model
from rebind.benchmarks.contract import mean_score
from rebind.benchmarks.foils import SUGARCREPE
from rebind.benchmarks.items import item_digest, items_of, read_items, row_name, write_items
from rebind.benchmarks.results import EvaluatedModel, Evaluation, environment, read_results, write_results
from rebind.metrics import Outcomes
from rebind.types import Score, UserError


def content(path):
    return json.loads(path.read_text())


def evaluation(benchmark, correct=(1, 0, 1), split="all", digest="d", clusters=None):
    correct = np.array(correct)
    score = mean_score(benchmark, split, "accuracy", Outcomes(correct, correct == 0), clusters, 0.5)
    return Evaluation([score], (), {benchmark: {"items": digest}})


MODEL = EvaluatedModel("m", "siglip", 3, {"label": "M"}, {"weights": "ab", "resolution": 224, "size": (1, 2)})


def test_the_items_of_every_score_lie_beside_the_results(encoder, world, tmp_path):
    encoder.save(tmp_path / "model")
    evaluate_model(tmp_path / "model", [build_benchmark("world", data=world)], tmp_path / "out")
    scores, _ = evaluate(encoder, [build_benchmark("world", data=world)])
    arrays = load_file(tmp_path / "out/items.safetensors")
    items = read_items(tmp_path / "out")
    assert set(items) == {row_name(score) for score in scores}
    assert len({row.digest for row in items.values()}) == 1
    for score in scores:
        correct = arrays[f"{row_name(score)}/correct"]
        assert correct.mean(dtype=np.float64) == pytest.approx(score.value)
        assert len(correct) == score.n
        assert (f"{row_name(score)}/clusters" in arrays) == (score.clusters is not None)
    assert arrays["world/swap_att/accuracy/correct"].dtype == np.uint8
    assert arrays["world/macro/accuracy/correct"].dtype == np.float32
    clusters = arrays["world/replace_obj/accuracy/clusters"]
    assert len(np.unique(clusters)) == 12  # two of its 14 items share an image with another
    assert (clusters[-2:] == clusters[:2]).all()


def test_results_say_how_the_numbers_were_made(encoder, world, tmp_path):
    encoder.save(tmp_path / "model")
    out = evaluate_model(tmp_path / "model", [build_benchmark("world", data=world)], tmp_path / "out")
    results = content(out)
    assert results["encoder"] == json.loads(json.dumps(encoder.describe()))
    assert {"padding", "activation", "context_length", "dtype", "weights", "image"} <= set(results["encoder"])
    assert results["bootstrap"] == {"level": 0.95, "method": "percentile", "resamples": 2000, "seed": 0}
    assert len(results["benchmarks"]["world"]["items"]) == 32
    assert {"torch", "transformers", "tokenizers", "pillow", "numpy", "rebind"} <= set(results["environment"])
    assert results["notes"] == []
    assert all({"chance", "blind", "low", "high", "ties", "n"} <= set(row) for row in results["scores"])
    assert read_results(tmp_path / "out")[1].scores == [Score(**row) for row in results["scores"]]


def test_the_annotation_files_of_every_benchmark_are_in_the_results(encoder, world, tmp_path):
    encoder.save(tmp_path / "model")
    (world / "test/.hidden").mkdir()
    (world / "test/.hidden/notes.txt").write_text("not read")
    row = {"split": "test", "filename": "000001.png", "sentences": [{"raw": "a red ring"}]}
    coco = tmp_path / "dataset_coco.json"
    coco.write_text(json.dumps({"dataset": "coco", "images": [row, {**row, "filename": "000002.png"}]}))
    for i in range(60):
        for part, name in (("image", f"{i}.jpg"), ("caption", f"{i}.txt")):
            (tmp_path / "urban" / part).mkdir(parents=True, exist_ok=True)
            (tmp_path / "urban" / part / name).write_bytes(
                f"ring {i}".encode() if part == "caption" else (world / "test/scenes/images/000001.png").read_bytes()
            )
    (world / "train").mkdir()
    (world / "train/captions.jsonl").write_text("not read")
    (tmp_path / "mine.csv").write_text("image,caption,foil\n000001.png,a ring,a box\n")
    names = {"image": "image", "caption": "caption", "foils": "foil"}
    places = {"annotations": "mine.csv", "images": str((world / "test/scenes/images").relative_to(tmp_path))}
    (tmp_path / "list.yaml").write_text(json.dumps(names | places))
    benchmarks = [
        build_benchmark("foils", annotations=world / "test/foils", images=world / "test"),
        build_benchmark("zero_shot", data=world / "test/zero_shot"),
        build_benchmark("coco", annotations=coco, images=world / "test/scenes/images"),
        build_benchmark("urban1k", data=tmp_path / "urban"),
        build_benchmark("world", data=world),
        build_benchmark("foil_list", data=tmp_path / "list.yaml"),
    ]
    entries = content(evaluate_model(tmp_path / "model", benchmarks, tmp_path / "out"))["benchmarks"]

    def digests(folder, *names):
        return {name: sha256((folder / name).read_bytes()).hexdigest() for name in names}

    assert entries["foils"]["files"] == digests(
        world / "test/foils", "held_out.json", "replace_obj.json", "swap_att.json"
    )
    assert entries["zero_shot"]["files"] == digests(world / "test/zero_shot", "classes.json", "labels.jsonl")
    assert entries["coco"]["files"] == digests(tmp_path, "dataset_coco.json")
    assert entries["foil_list"]["files"] == digests(tmp_path, "list.yaml", "mine.csv")
    assert {"scenes/captions.jsonl", "foils/swap_att.json", "retention/labels.jsonl"} < entries["world"]["files"].keys()
    assert not any("train" in name for name in entries["world"]["files"])
    names = sorted(f"caption/{i}.txt" for i in range(60))
    lines = "".join(f"{digest}  {name}\n" for name, digest in digests(tmp_path / "urban", *names).items())
    assert entries["urban1k"]["files"] == {"urban/ (60 files)": sha256(lines.encode()).hexdigest()}
    moved = build_benchmark("foils", annotations=world / "test/foils", images=world / "test")
    shutil.copytree(world / "test/foils", tmp_path / "elsewhere")
    again = build_benchmark("foils", annotations=tmp_path / "elsewhere", images=world / "test")
    readable = np.ones(len(moved.images), dtype=bool)
    assert item_digest(moved, readable) == item_digest(again, readable)


def test_what_else_may_move_a_number_is_in_the_environment(monkeypatch):
    import spacy

    assert environment()["spacy"] == spacy.__version__
    monkeypatch.setattr("sys.path", [])
    assert "spacy" not in environment()


def test_a_number_of_items_that_is_not_the_official_one_is_noted(encoder, tmp_path):
    encoder.save(tmp_path / "model")
    for category in SUGARCREPE:
        write_foils(tmp_path / f"sugarcrepe/{category}.json", [(f"{i}.png", f"{i} rings", "a box") for i in range(4)])
    for i in range(4):
        paint(tmp_path / f"coco/val2017/{i}.png", i)
    benchmark = build_benchmark("sugarcrepe", tmp_path)
    results = content(evaluate_model(tmp_path / "model", [benchmark], tmp_path / "out"))
    assert results["notes"] == ["sugarcrepe: 28 items, the official files have 7,511"]
    whole = evaluation("sugarcrepe", split="all")
    whole = replace(whole, scores=[replace(whole.scores[0], n=7511)])
    assert content(write_results(tmp_path / "other", MODEL, whole))["notes"] == []


def test_an_official_benchmark_has_the_official_categories(world, tmp_path):
    for category in SUGARCREPE[1:]:
        write_foils(tmp_path / f"{category}.json", [("1.png", "a ring", "a box")])
    shutil.copy(tmp_path / "add_att.json", tmp_path / "report.json")
    with pytest.raises(UserError, match=r"must hold swap_att, .*: report.json is unknown, swap_att.json is missing"):
        build_benchmark("sugarcrepe", annotations=tmp_path, images=world)
    assert len(build_benchmark("foils", annotations=tmp_path, images=world).items) == 7


def test_another_benchmark_is_added_and_the_same_one_replaced(encoder, world, tmp_path):
    encoder.save(tmp_path / "model")
    foils = build_benchmark("foils", annotations=world / "test/foils", images=world / "test")
    classes = build_benchmark("zero_shot", data=world / "test/zero_shot")
    for benchmark in (foils, classes, foils):
        path = evaluate_model(tmp_path / "model", [benchmark], tmp_path / "apart")
    together = evaluate_model(tmp_path / "model", [classes, foils], tmp_path / "together")
    apart, once = content(path), content(together)
    assert apart["scores"] == once["scores"]
    assert apart["benchmarks"] == once["benchmarks"]
    assert apart["notes"] == []
    one, other = (load_file(folder / "items.safetensors") for folder in (tmp_path / "apart", tmp_path / "together"))
    assert one.keys() == other.keys()
    assert all(np.array_equal(one[name], other[name]) for name in one)
    assert read_items(tmp_path / "apart").keys() == {row_name(Score(**row)) for row in once["scores"]}


def test_rows_that_a_benchmark_no_longer_gives_go(tmp_path):
    write_results(tmp_path, MODEL, evaluation("a", split="macro"))
    write_results(tmp_path, MODEL, evaluation("b"))
    path = write_results(tmp_path, MODEL, evaluation("a", split="other"))
    assert [(row["benchmark"], row["split"]) for row in content(path)["scores"]] == [("b", "all"), ("a", "other")]
    assert set(read_items(tmp_path)) == {"b/all/accuracy", "a/other/accuracy"}


def test_another_model_replaces_all_and_says_so(tmp_path):
    write_results(tmp_path, MODEL, evaluation("a"))
    path = write_results(tmp_path, replace(MODEL, settings={"label": "new"}, name="n"), evaluation("b"))
    assert [row["benchmark"] for row in content(path)["scores"]] == ["a", "b"]  # the same weights under another name
    assert (content(path)["model"], content(path)["notes"]) == ("n", [])

    other = replace(MODEL, encoder={**MODEL.encoder, "weights": "cd"})
    path = write_results(tmp_path, other, evaluation("c"))
    assert [row["benchmark"] for row in content(path)["scores"]] == ["c"]
    assert set(read_items(tmp_path)) == {"c/all/accuracy"}
    assert content(path)["notes"] == [
        f"older results were replaced, not added to: those in {tmp_path} came from a model that differs in weights (n)"
    ]
    assert content(write_results(tmp_path, other, evaluation("d")))["notes"] == []


@pytest.mark.parametrize("name", ["results.json", "items.safetensors"])
def test_damaged_results_are_replaced_and_an_hour_of_work_is_not_lost(tmp_path, name):
    write_results(tmp_path, MODEL, evaluation("a"))
    (tmp_path / name).write_bytes(b"[1]")
    path = write_results(tmp_path, MODEL, evaluation("b"))
    assert [row["benchmark"] for row in content(path)["scores"]] == ["b"]
    [note] = content(path)["notes"]
    assert note.startswith(f"older results were replaced, not added to: {tmp_path / name}")


def test_broken_images_of_what_stays_are_kept(encoder, world, tmp_path):
    encoder.save(tmp_path / "model")
    lost = world / "test/scenes/images/000001.png"
    lost.write_bytes(b"nothing")
    evaluate_model(tmp_path / "model", [build_benchmark("world", data=world)], tmp_path / "out")
    classes = build_benchmark("zero_shot", data=world / "test/zero_shot")
    path = evaluate_model(tmp_path / "model", [classes], tmp_path / "out")
    assert [each["image"] for each in content(path)["broken_images"]] == [str(lost)]
    assert len(content(path)["notes"]) == 1


def test_two_benchmarks_of_one_name_are_refused(world):
    classes = build_benchmark("zero_shot", data=world / "test/zero_shot")
    with pytest.raises(UserError, match='2 benchmarks are called "zero_shot"'):
        evaluate(None, [classes, classes])


def test_annotation_files_are_named_with_their_digest(encoder, tmp_path):
    @dataclass(frozen=True)
    class Texts:
        files: tuple
        name: str = "texts"
        images: tuple = ()
        texts: tuple = ("a ring", "a star")

        def score(self, images, texts):
            return list(evaluation(self.name).scores)

    (tmp_path / "pairs.json").write_text("abc")
    encoder.save(tmp_path / "model")
    path = evaluate_model(tmp_path / "model", [Texts((tmp_path / "pairs.json",))], tmp_path / "out")
    abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # of FIPS 180-2
    assert content(path)["benchmarks"]["texts"]["files"] == {"pairs.json": abc}


@dataclass(frozen=True)
class Labelled:
    images: list
    labels: list
    weights: dict = field(default_factory=dict)
    owner: np.ndarray = field(default_factory=lambda: np.arange(2))
    apart: frozenset = frozenset()
    name: str = "labelled"
    texts: tuple = ("a ring", "a star")


def test_the_digest_is_of_the_items_wherever_they_lie(tmp_path):
    for folder in ("here", "there", "smaller"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "0.jpg").write_bytes(b"x" * (5 if folder == "smaller" else 9))
    both = np.array([True])

    def digest(folder="here", readable=both, **changes):
        fields = {"images": [tmp_path / folder / "0.jpg"], "labels": ["ring"]} | changes
        return item_digest(Labelled(**fields), readable)

    same = digest()
    assert digest("there") == same
    others = [
        digest("smaller"),
        digest(readable=~both),
        digest(labels=["star"]),
        digest(labels=["ring", ""]),
        digest(weights={"a": 1.0}),
        digest(weights={"a": None}),
        digest(owner=np.array([1, 0])),
        digest(apart=frozenset("ab")),
        digest(texts=("a ring, a star",)),
        digest(images=[b"x" * 9]),
        digest(name="other"),
    ]
    assert len({same, *others}) == 1 + len(others)
    assert digest(apart=frozenset("ba")) == others[7]


def test_items_come_back_as_they_were(tmp_path):
    scores = [
        *evaluation("a", clusters=np.array(["x.jpg", "y.jpg", "x.jpg"])).scores,
        *evaluation("b", correct=(0.5, 0.25)).scores,
        Score("a", "all", "coverage", 1.0, 3, 0, 1.0, 1.0),
    ]
    write_items(tmp_path, items_of(scores, {"a": "1", "b": "2"}))
    items = read_items(tmp_path)
    assert list(items) == ["a/all/accuracy", "b/all/accuracy"]
    assert items["a/all/accuracy"].clusters.tolist() == [0, 1, 0]
    assert items["b/all/accuracy"].clusters is None
    assert items["b/all/accuracy"].correct.tolist() == [0.5, 0.25]
    assert [row.digest for row in items.values()] == ["1", "2"]


def test_nothing_to_keep_is_written_too(tmp_path):
    write_results(tmp_path, MODEL, Evaluation([Score("a", "all", "coverage", 1.0, 3, 0, 1.0, 1.0)]))
    assert read_items(tmp_path) == {}


def test_trained_further_it_is_another_model(encoder, world, tmp_path):
    classes = build_benchmark("zero_shot", data=world / "test/zero_shot")
    retention = replace(build_benchmark("zero_shot", data=world / "test/retention"), name="retention")
    encoder.save(tmp_path / "model")
    evaluate_model(tmp_path / "model", [classes], tmp_path / "out")
    further = copy.deepcopy(encoder)
    with torch.no_grad():
        further.model.logit_scale += 1
    further.save(tmp_path / "model")
    path = evaluate_model(tmp_path / "model", [retention], tmp_path / "out")
    assert {row["benchmark"] for row in content(path)["scores"]} == {"retention"}
    assert "differs in weights" in content(path)["notes"][0]
