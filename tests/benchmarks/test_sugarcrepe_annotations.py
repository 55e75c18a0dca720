"""The official SugarCrepe files, with pictures of noise standing in for the photographs: the path, not the accuracy."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_world import paint

from rebind.benchmarks import FoilBenchmark, build_benchmark, evaluate
from rebind.models import build_small_siglip

ANNOTATIONS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "sugarcrepe"
PAIRS = {
    "swap_att": 666,
    "swap_obj": 245,
    "replace_att": 788,
    "replace_obj": 1652,
    "replace_rel": 1406,
    "add_obj": 2062,
    "add_att": 692,
}


@pytest.mark.annotations
def test_official_files_score_as_the_official_rule_says(tmp_path):
    benchmark = build_benchmark("sugarcrepe", annotations=ANNOTATIONS, images=tmp_path)
    counts = {category: sum(item.category == category for item in benchmark.items) for category in PAIRS}
    assert counts == PAIRS
    assert len(benchmark.items) == 7511

    sample = benchmark.items[::40]
    for number, item in enumerate(sample):
        paint(item.image, number, size=(48, 36))
    encoder = build_small_siglip([item.caption for item in sample], width=16, mlp=16, layers=1).eval()
    scores, broken = evaluate(encoder, [FoilBenchmark("sugarcrepe", sample)])
    assert broken == ()
    for category in PAIRS:
        right = ties = total = 0
        for row in json.loads((ANNOTATIONS / f"{category}.json").read_text()).values():
            texts = [row["caption"], row["negative_caption"]]
            if not any((item.category, item.caption, item.foil) == (category, *texts) for item in sample):
                continue
            with torch.inference_mode(), Image.open(tmp_path / row["filename"]) as picture:
                image = encoder.encode_image(encoder.images([picture.convert("RGB")]))[0][0]
                positive, negative = (image @ encoder.encode_text(encoder.texts([text]))[0] for text in texts)
            total += 1
            right += 1 if positive > negative else 0
            ties += int(positive == negative)
        score = next(score for score in scores if score.split == category)
        assert (score.n, score.ties) == (total, ties)
        assert score.value == pytest.approx(right / total)
    values = [score.value for score in scores if score.split in PAIRS]
    macro, micro = (next(score for score in scores if score.split == split) for split in ("macro", "micro"))
    assert macro.value == pytest.approx(np.mean(values))
    assert micro.n == len(sample)
