"""Every item of the official SugarCrepe and SugarCrepe++ files by the official rule; noise for photographs."""

from pathlib import Path

import numpy as np
import pytest
from official_rules import OneAtATime, sugarcrepe, sugarcrepe_pp
from PIL import Image

from rebind.benchmarks import build_benchmark, evaluate
from tiny_models import build_encoders

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
CATEGORIES = {
    "swap_att": 666,
    "swap_obj": 245,
    "replace_att": 788,
    "replace_obj": 1652,
    "replace_rel": 1406,
    "add_obj": 2062,
    "add_att": 692,
}

pytestmark = pytest.mark.annotations


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """A tiny picture of noise under each official name."""
    folder = tmp_path_factory.mktemp("val2017")
    benchmark = build_benchmark("sugarcrepe", annotations=DATA / "sugarcrepe", images=folder)
    for number, path in enumerate(sorted(set(benchmark.images))):
        noise = np.random.default_rng(number).integers(0, 256, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(noise).save(path, "PNG")
    return folder


@pytest.mark.parametrize("family", ["clip", "siglip"])
def test_every_category_equals_the_official_rule(family, photographs, tmp_path):
    encoder = build_encoders(tmp_path)[family].double().eval()
    model = OneAtATime(encoder)
    benchmarks = [
        build_benchmark("sugarcrepe", annotations=DATA / "sugarcrepe", images=photographs),
        build_benchmark("sugarcrepe++", annotations=DATA / "sugarcrepe_pp", images=photographs),
        build_benchmark("sugarcrepe++_text", annotations=DATA / "sugarcrepe_pp"),
    ]
    scores, broken = evaluate(encoder, benchmarks)
    assert broken == ()
    found = {(row.benchmark, row.split, row.metric): (row.n, row.value, row.ties) for row in scores}

    expected = {}
    for category, count in CATEGORIES.items():
        n, right, ties = sugarcrepe(DATA / f"sugarcrepe/{category}.json", photographs, model)
        assert n == count
        expected["sugarcrepe", category, "accuracy"] = (n, right / n, ties)
        if not category.startswith("add"):
            counts = sugarcrepe_pp(DATA / f"sugarcrepe_pp/{category}.json", photographs, model)
            for metric, (n, right, ties) in counts.items():
                assert n == count
                expected["sugarcrepe++", category, metric] = (n, right / n, ties)
            expected["sugarcrepe++_text", category, "text_only"] = expected["sugarcrepe++", category, "text_only"]
    assert {name: row for name, row in found.items() if name[1] not in ("macro", "micro")} == expected
    assert sum(ties for _, _, ties in expected.values()) > 1000  # the short context of the model cuts captions alike
    assert found["sugarcrepe", "micro", "accuracy"][0] == 7511
    assert found["sugarcrepe++", "micro", "image_text"][0] == 4757
    values = [value for (name, _, _), (_, value, _) in expected.items() if name == "sugarcrepe"]
    assert found["sugarcrepe", "macro", "accuracy"][1] == pytest.approx(np.mean(values))
