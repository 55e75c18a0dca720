import json
import math

import numpy as np
import pytest
from tiny_world import write_lines

from rebind.benchmarks.retrieval import RetrievalBenchmark
from rebind.benchmarks.retrieval_sets import KINDS, SHAREGPT4V_IMAGES
from rebind.types import UserError


def karpathy(splits, sentences=5, dataset="coco"):
    """The official form, fields that nobody reads included."""
    rows = [
        {
            "filepath": "val2014",
            "sentids": [10 * i + j for j in range(sentences)],
            "filename": f"COCO_val2014_{i:012d}.jpg",
            "imgid": i,
            "split": split,
            "sentences": [
                {"tokens": ["a"], "raw": f"Caption {j} of {i} .", "imgid": i, "sentid": j} for j in range(sentences)
            ],
            "cocoid": i,
        }
        for i, split in enumerate(splits)
    ]
    return {"images": rows, "dataset": dataset}


@pytest.fixture
def coco(tmp_path):
    def read(content, name="coco"):
        (tmp_path / "dataset.json").write_text(content if isinstance(content, str) else json.dumps(content))
        return KINDS[name].build(annotations=tmp_path / "dataset.json", images=tmp_path / "val2014")

    return read


def test_karpathys_test_split_has_the_first_five_captions_as_they_stand(coco, tmp_path):
    benchmark = coco(karpathy(["train", "test", "restval", "val", "test"], sentences=7))
    assert benchmark.images == tuple(tmp_path / f"val2014/COCO_val2014_{i:012d}.jpg" for i in (1, 4))
    assert benchmark.captions == tuple(tuple(f"Caption {j} of {i} ." for j in range(5)) for i in (1, 4))
    assert benchmark.name == "coco"
    assert len(coco(karpathy(["test"] * 3, dataset="flickr30k"), "flickr30k").texts) == 15


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"images": [', r"dataset.json is not valid JSON"),
        ("[]", r'must be a JSON object with a list "images", as dataset_coco.json is'),
        (karpathy(["test"] * 2, dataset="flickr30k"), r'is the file of "flickr30k"; expected dataset_coco.json'),
        (karpathy(["train", "val"]), r'gives 0 test images, and retrieval needs two .* whose split is "test"'),
        (karpathy(["test"] * 2, sentences=0), r'image 0: "sentences" must be a list of one {"raw"} or more'),
        ({"images": [{"split": "test", "sentences": [{"raw": "a"}]}]}, r'image 0: the field "filename" must be a text'),
        ({"images": [{"filename": "a.jpg"}]}, r'image 0: the field "split" must be a text'),
        (
            {"images": [{"split": "test", "filename": "../a.jpg", "sentences": [{"raw": "a"}]}]},
            r'image 0: the image "../a.jpg" must lie inside .*val2014',
        ),
        (
            {"images": [{"split": "test", "filename": "a.jpg", "sentences": [{"raw": " "}]}]},
            r'image 0: the field "raw" must be a text that is not empty',
        ),
    ],
)
def test_what_is_wrong_in_karpathys_file_is_said(coco, content, message):
    with pytest.raises(UserError, match=message):
        coco(content)


def test_urban1k_takes_the_first_line_of_each_text_for_the_image_of_its_number(tmp_path):
    for part in ("caption", "image"):
        (tmp_path / part).mkdir()
    for i in (1, 10, 2):
        (tmp_path / f"caption/{i}.txt").write_text(f"A street, number {i}.\nMore.\n")
    benchmark = KINDS["urban1k"].build(data=tmp_path)
    pairs = dict(zip(benchmark.images, benchmark.captions, strict=True))
    assert pairs == {tmp_path / f"image/{i}.jpg": (f"A street, number {i}.",) for i in (1, 2, 10)}
    (tmp_path / "caption/2.txt").write_text("\n")
    with pytest.raises(UserError, match=r"2.txt is empty; expected a caption in its first line"):
        KINDS["urban1k"].build(data=tmp_path)
    with pytest.raises(UserError, match=r"caption is no folder; expected Urban-1k with its folders caption and image"):
        KINDS["urban1k"].build(data=tmp_path / "image")


def test_docci_reads_its_test_split(tmp_path):
    rows = [
        {
            "split": split,
            "type": "full",
            "example_id": f"{split}_{i:05d}",
            "image_file": f"{split}_{i:05d}.jpg",
            "description": f"A long description, {i}.",
        }
        for i, split in enumerate(["train", "test", "qual_test", "test", "qual_dev"])
    ]
    file = tmp_path / "docci_descriptions.jsonlines"
    write_lines(file, rows)
    benchmark = KINDS["docci"].build(annotations=file, images=tmp_path)
    assert benchmark.images == (tmp_path / "test_00001.jpg", tmp_path / "test_00003.jpg")
    assert benchmark.captions == (("A long description, 1.",), ("A long description, 3.",))
    write_lines(file, rows[:1])
    with pytest.raises(UserError, match=r'jsonlines gives 0 test images.*each is a row whose split is "test"'):
        KINDS["docci"].build(annotations=file, images=tmp_path)


def test_iiw_takes_the_human_description(tmp_path):
    rows = [{"IIW": f"By hand {i}.", "IIW-P5B": "By machine.", "image/key": f"aar_test_0460{i}"} for i in range(2)]
    write_lines(tmp_path / "data.jsonl", rows)
    benchmark = KINDS["iiw"].build(annotations=tmp_path / "data.jsonl", images=tmp_path)
    assert benchmark.images == (tmp_path / "aar_test_04600.jpg", tmp_path / "aar_test_04601.jpg")
    assert benchmark.texts == ["By hand 0.", "By hand 1."]
    write_lines(tmp_path / "data.jsonl", [*rows, {"IIW": "By hand."}])
    with pytest.raises(UserError, match=r'data.jsonl, row 3: the field "image/key" must be a text'):
        KINDS["iiw"].build(annotations=tmp_path / "data.jsonl", images=tmp_path)


def sharegpt4v_rows(count):
    question = {"from": "human", "value": "Describe.\n<image>"}
    return [
        {
            "id": f"sa_{i}",
            "image": f"sam/images/sa_{i}.jpg",
            "conversations": [question, {"from": "gpt", "value": f'[{i}],\n"ü"'}],
        }
        for i in range(count)
    ]


@pytest.mark.parametrize("indent", [None, 2])
def test_sharegpt4v_reads_its_first_thousand_rows_and_no_more(tmp_path, monkeypatch, indent):
    monkeypatch.setattr("rebind.benchmarks.retrieval_sets._CHARACTERS_AT_ONCE", 997)
    file = tmp_path / "share.json"
    file.write_text(json.dumps(sharegpt4v_rows(1200), indent=indent)[:-300], encoding="utf-8")  # its end is not seen
    benchmark = KINDS["sharegpt4v"].build(annotations=file, images=tmp_path)
    assert len(benchmark.images) == SHAREGPT4V_IMAGES == 1000
    assert benchmark.images[999] == tmp_path / "sam/images/sa_999.jpg"
    assert benchmark.texts[7] == '[7], "ü"'


@pytest.mark.parametrize(
    "content",
    ["", "{}", '{"a": [1', json.dumps(sharegpt4v_rows(999)), json.dumps(sharegpt4v_rows(1000))[:-400], "[1, 2,"],
)
def test_a_sharegpt4v_file_that_is_cut_short_or_another(tmp_path, content):
    (tmp_path / "share.json").write_text(content)
    with pytest.raises(UserError, match=r"share.json must hold a JSON list of 1000 rows or more; it is cut short"):
        KINDS["sharegpt4v"].build(annotations=tmp_path / "share.json", images=tmp_path)


def test_dci_joins_short_and_extra_captions_of_all_splits(tmp_path):
    (tmp_path / "annotations").mkdir()
    extra = {"a.json": "More of it.", "b.json": "", "c.json": None}
    for i, (name, text) in enumerate(extra.items()):
        row = {"short_caption": f"Short {i}.", "extra_caption": text, "image": f"sa_{i}.jpg", "mask_data": {}}
        (tmp_path / "annotations" / name).write_text(json.dumps(row))
    (tmp_path / "splits.json").write_text(json.dumps({"train": ["a.json"], "test": ["c.json", "b.json"]}))
    benchmark = KINDS["dci"].build(data=tmp_path)
    assert benchmark.images == tuple(tmp_path / f"photos/sa_{i}.jpg" for i in (0, 2, 1))
    assert benchmark.texts == ["Short 0.\nMore of it.", "Short 2.", "Short 1."]
    (tmp_path / "annotations/b.json").unlink()
    with pytest.raises(UserError, match=r"cannot read .*b.json: No such file"):
        KINDS["dci"].build(data=tmp_path)


def test_every_kind_says_what_it_is_and_where_its_files_lie():
    for name, kind in KINDS.items():
        assert kind.measures
        assert kind.source
        assert set(kind.layout) == set(kind.files), name


def comb_chance(k, own, candidates):
    return 1 - math.comb(candidates - own, k) / math.comb(candidates, k)


def test_mean_recall_and_chance_with_unequal_numbers_of_captions_and_a_lost_image():
    rng = np.random.default_rng(3)
    counts = [1, 5, 2, 7, 3, 1, 4, 2, 6, 2, 1, 3]
    captions = [tuple(f"{i}-{j}" for j in range(count)) for i, count in enumerate(counts)]
    benchmark = RetrievalBenchmark("coco", [f"{i}.jpg" for i in range(12)], captions)
    images, texts = rng.normal(size=(12, 4)), rng.normal(size=(sum(counts), 4))
    images[2] = np.nan
    rows = {score.metric: score for score in benchmark.score(images, texts)}
    both = rows["image_to_text_recall@5"], rows["text_to_image_recall@5"]
    kept = [count for i, count in enumerate(counts) if i != 2]
    mean = rows["mean_recall@5"]
    assert mean.value == pytest.approx((both[0].value + both[1].value) / 2)
    assert 0 < both[0].value != both[1].value < 1
    assert mean.n == 11
    assert mean.correct.mean() == pytest.approx(mean.value)
    assert mean.low < mean.value < mean.high
    for k in (1, 5, 10):
        assert rows[f"text_to_image_recall@{k}"].chance == pytest.approx(k / 11)
        by_image = np.mean([comb_chance(k, own, sum(kept)) for own in kept])
        assert rows[f"image_to_text_recall@{k}"].chance == pytest.approx(by_image)
    assert mean.chance == pytest.approx((both[0].chance + both[1].chance) / 2)
    assert rows["coverage"].value == pytest.approx(11 / 12)


def test_chance_is_what_a_random_model_gets():
    rng = np.random.default_rng(4)
    benchmark = RetrievalBenchmark("docci", [f"{i}.jpg" for i in range(20)], [(f"{i}", f"{i}b") for i in range(20)])
    values: dict[str, list[float]] = {}
    for _ in range(60):
        for row in benchmark.score(rng.normal(size=(20, 64)), rng.normal(size=(40, 64))):
            values.setdefault(row.metric, []).append(row.value - row.chance)
    assert all(abs(np.mean(each)) < 0.03 for each in values.values())
