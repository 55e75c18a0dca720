"""The default extractor against concepts written down by hand, on captions that no rule was made from."""

from pathlib import Path

import pytest

from rebind.concepts import build_extractor
from rebind.concepts.evaluation import evaluate_concepts
from rebind.concepts.gold import read_gold

LABELS = Path(__file__).parent / "coco_labels.jsonl"  # ids of the captions' annotations; the captions are COCO's
CAPTIONS = Path(__file__).parents[3] / "shared" / "data" / "coco_captions" / "captions_val2017.json"


@pytest.mark.annotations
def test_default_extractor_agrees_with_a_person():
    agreement = evaluate_concepts(read_gold(LABELS, CAPTIONS), build_extractor().read_many)
    assert agreement.captions == 150
    assert agreement.f1.value >= 0.93
