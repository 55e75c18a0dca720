import json
from pathlib import Path

import pytest

from rebind.concepts import build_extractor

CAPTIONS = Path(__file__).parents[3] / "shared" / "data" / "coco_captions" / "captions_val2017.json"
DETERMINERS = {"a", "an", "the", "some", "any", "this", "these", "those", "my", "your", "his", "her", "its", "their"}
PRONOUNS = {
    "i",
    "you",
    "he",
    "she",
    "it",
    "we",
    "they",
    "him",
    "them",
    "us",
    "this",
    "that",
    "one",
    "someone",
    "others",
}
RELATIONAL = {"top", "front", "middle", "left", "right", "background", "lot", "lots"}
FUNCTION_WORDS = {"and", "or", "of", "in", "on", "with", "is", "are"}


@pytest.mark.annotations
def test_every_real_caption_yields_sensible_concepts():
    extract = build_extractor()
    captions = [row["caption"] for row in json.loads(CAPTIONS.read_text(encoding="utf-8"))["annotations"]]
    assert len(captions) == 25_014
    own_concept = total = 0
    for caption in captions:
        concepts = extract(caption)
        total += len(concepts)
        if concepts == [caption.strip()]:
            own_concept += 1
            continue
        assert concepts
        for concept in concepts:
            words = concept.split()
            assert words, caption
            assert concept == concept.lower(), caption
            assert words[0] not in DETERMINERS, caption
            assert not set(words) <= PRONOUNS, caption
            assert concept not in RELATIONAL, caption
            assert words[-1] not in FUNCTION_WORDS, caption
    assert own_concept < 0.02 * len(captions)
    assert 2.5 < total / len(captions) < 3.5
