import pytest
import torch

from rebind.data.collation import Collator
from rebind.data.dataset import ReadySample
from rebind.types import BrokenSample


def tokenize(texts):
    assert texts, "a tokeniser is never called without texts"
    return {"input_ids": torch.tensor([[len(text), ord(text[0])] for text in texts])}


def ready(key, concepts=(), shade=0):
    return ReadySample(
        key, {"pixel_values": torch.full((3, 2, 2), shade, dtype=torch.uint8)}, f"caption {key}", concepts
    )


GONE = BrokenSample("gone", "no file")


def test_a_batch_without_concepts():
    batch = Collator(tokenize)([ready("a", shade=1), GONE, ready("bb", shade=2)])
    assert batch.keys == ("a", "bb")
    assert batch.broken == (GONE,)
    assert batch.images["pixel_values"].shape == (2, 3, 2, 2)
    assert batch.images["pixel_values"].dtype == torch.uint8
    assert batch.images["pixel_values"][:, 0, 0, 0].tolist() == [1, 2]
    assert batch.captions["input_ids"].tolist() == [[9, 99], [10, 99]]
    assert batch.concepts is None
    assert batch.concept_index is None


def test_each_distinct_concept_is_encoded_once():
    samples = [ready("a", ("red cup", "table")), ready("b", ("table",)), GONE, ready("c", ("sky", "red cup", "table"))]
    seen = []
    batch = Collator(lambda texts: seen.append(texts) or tokenize(texts), frozenset({"concepts"}))(samples)
    assert seen[1] == ["red cup", "table", "sky"]
    assert batch.concepts["input_ids"].shape == (3, 2)
    strings = [seen[1][row] for row in batch.concept_index.tolist()]
    assert strings == ["red cup", "table", "table", "sky", "red cup", "table"]
    assert [batch.keys[row] for row in batch.concept_owner.tolist()] == ["a", "a", "b", "c", "c", "c"]


def test_a_batch_with_nothing_left():
    batch = Collator(tokenize, {"concepts"})([GONE, GONE])
    assert batch.keys == ()
    assert batch.images == batch.captions == {}
    assert batch.concepts is batch.concept_index is batch.concept_owner is None
    assert batch.broken == (GONE, GONE)


def test_concepts_must_have_been_joined():
    with pytest.raises(ValueError, match="'b' has no concepts"):
        Collator(tokenize, {"concepts"})([ready("a", ("cup",)), ready("b")])
