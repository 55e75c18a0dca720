"""ARO through a model: the rectangle is cut out of the picture before the model sees it."""

import json

import pytest
import torch
from official_rules import cosine
from PIL import Image
from tiny_world import paint

from rebind.benchmarks import build_benchmark, evaluate
from tiny_models import build_encoders


@pytest.mark.parametrize("family", ["clip", "siglip"])
def test_rectangles_are_embedded_as_the_official_code_does(tmp_path, tmp_path_factory, family):
    encoder = build_encoders(tmp_path_factory.mktemp("scratch"))[family].double().eval()
    images = tmp_path / "visual_genome/images"
    rows, expected = [], []
    for i in range(12):
        paint(images / f"{i // 3}.jpg", i // 3, size=(90, 70))
        box = {"bbox_x": 5 * (i % 3), "bbox_y": i, "bbox_w": 20 + 7 * (i % 3), "bbox_h": 30}
        pair = [f"a red circle {i}", f"{i} two dogs, running on the beach"]
        # By turns, lest a model that likes one kind of sentence be always right, or never.
        texts = dict(zip(("true_caption", "false_caption"), pair if i % 2 else pair[::-1], strict=True))
        rows.append({"image_path": f"{i // 3}.jpg", "relation_name": "on", **box, **texts})
    (tmp_path / "aro").mkdir()
    (tmp_path / "aro/visual_genome_relation.json").write_text(json.dumps(rows))
    scores, broken = evaluate(encoder, [build_benchmark("aro_vg_relation", data_root=tmp_path)])
    assert broken == ()
    for row in rows:
        left, top = row["bbox_x"], row["bbox_y"]
        with Image.open(images / row["image_path"]) as picture, torch.inference_mode():
            crop = picture.convert("RGB").crop((left, top, left + row["bbox_w"], top + row["bbox_h"]))
            image = encoder.encode_image(encoder.images([crop]))[0][0]
            true, false = (
                encoder.encode_text(encoder.texts([row[name]]))[0] for name in ("true_caption", "false_caption")
            )
        expected.append(cosine(image, true) > cosine(image, false))
    assert scores[0].correct.tolist() == expected
    assert 0 < sum(expected) < 12
