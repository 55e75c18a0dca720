"""SugarCrepe and SugarCrepe++ on small files in the official format, by the official rules."""

import json

import pytest
from official_rules import OneAtATime, sugarcrepe, sugarcrepe_pp
from tiny_world import paint, write_foils

from rebind.benchmarks import build_benchmark, evaluate
from rebind.benchmarks.sugarcrepe_pp import CATEGORIES
from tiny_models import build_encoders

WORDS = ["red", "blue", "green", "cat", "dog", "box"]


@pytest.fixture
def root(tmp_path):
    """The layout of the docs: ROOT/sugarcrepe, ROOT/sugarcrepe_pp, ROOT/coco/val2017."""
    for i in range(5):
        paint(tmp_path / f"coco/val2017/{i:012}.jpg", i)
    (tmp_path / "sugarcrepe_pp").mkdir()
    for place, category in enumerate((*CATEGORIES, "add_obj", "add_att")):
        rows = []
        for i in range(6):
            one, two = WORDS[(i + place) % 6], WORDS[(2 * i + place + 1) % 6]
            foil = f"a {two} next to a {one}" if i else f"a {one} next to a {two}"  # the first item ties
            rows.append((f"{i % 5:012}.jpg", f"a {one} next to a {two}", foil))
        write_foils(tmp_path / f"sugarcrepe/{category}.json", rows)
        if category in CATEGORIES:
            fields = ("filename", "caption", "negative_caption", "caption2")
            triples = [dict(zip(fields, (*row, f"beside a {row[1]}"), strict=True)) for row in rows]
            (tmp_path / f"sugarcrepe_pp/{category}.json").write_text(json.dumps(triples))
    return tmp_path


@pytest.mark.parametrize("family", ["clip", "siglip"])
def test_every_category_equals_the_official_rule(family, root, tmp_path_factory):
    encoder = build_encoders(tmp_path_factory.mktemp("scratch"))[family].double().eval()
    model, images = OneAtATime(encoder), root / "coco/val2017"
    names = ("sugarcrepe", "sugarcrepe++", "sugarcrepe++_text")
    scores, _ = evaluate(encoder, [build_benchmark(name, data_root=root) for name in names])
    found = {(row.benchmark, row.split, row.metric): (row.n, row.value, row.ties) for row in scores}
    expected = {}
    for path in (root / "sugarcrepe").iterdir():
        n, right, ties = sugarcrepe(path, images, model)
        expected["sugarcrepe", path.stem, "accuracy"] = (n, right / n, ties)
    for path in (root / "sugarcrepe_pp").iterdir():
        for metric, (n, right, ties) in sugarcrepe_pp(path, images, model).items():
            expected["sugarcrepe++", path.stem, metric] = (n, right / n, ties)
        n, right, ties = sugarcrepe_pp(path, None, model)["text_only"]
        expected["sugarcrepe++_text", path.stem, "text_only"] = (n, right / n, ties)
    assert {name: row for name, row in found.items() if name[1] not in ("macro", "micro")} == expected
    assert expected["sugarcrepe", "swap_att", "accuracy"][2] >= 1


def test_chance(root, tmp_path_factory):
    encoder = build_encoders(tmp_path_factory.mktemp("scratch"))["clip"].eval()
    benchmarks = [build_benchmark(name, data_root=root) for name in ("sugarcrepe", "sugarcrepe++")]
    chances = {row.metric: row.chance for row in evaluate(encoder, benchmarks)[0]}
    assert chances == {
        "accuracy": 1 / 2,
        "image_text": 1 / 3,
        "first_caption": 1 / 2,
        "second_caption": 1 / 2,
        "text_only": 1 / 3,
    }


def test_the_text_task_alone_needs_no_image(root, tmp_path_factory):
    encoder = build_encoders(tmp_path_factory.mktemp("scratch"))["siglip"].eval()
    alone, broken = evaluate(encoder, [build_benchmark("sugarcrepe++_text", data_root=root)])
    assert broken == ()
    beside, _ = evaluate(encoder, [build_benchmark("sugarcrepe++", data_root=root)])
    texts = {row.split: (row.value, row.ties) for row in beside if row.metric == "text_only"}
    assert {row.split: (row.value, row.ties) for row in alone} == texts
