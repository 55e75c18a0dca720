import subprocess
import sys

import pytest
import torch

from rebind.data.broken import BrokenNegative
from rebind.data.collation import Collator
from rebind.data.dataset import ReadyNegative, ReadySample
from rebind.types import BrokenSample


def tokenize(texts):
    assert texts, "a tokeniser is never called without texts"
    return {"input_ids": torch.tensor([[len(text), ord(text[0])] for text in texts])}


def picture(shade):
    return {"pixel_values": torch.full((3, 2, 2), shade, dtype=torch.uint8)}


def ready(key, concepts=(), shade=0, negatives=(), broken=()):
    return ReadySample(key, picture(shade), f"caption {key}", concepts, negatives, broken)


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
    batch = Collator(tokenize, {"concepts"}, lambda texts: seen.extend(texts) or tokenize(texts))(samples)
    assert seen == ["red cup", "table", "sky"]
    assert batch.concepts["input_ids"].shape == (3, 2)
    strings = [seen[row] for row in batch.concept_index.tolist()]
    assert strings == ["red cup", "table", "table", "sky", "red cup", "table"]
    assert [batch.keys[row] for row in batch.concept_owner.tolist()] == ["a", "a", "b", "c", "c", "c"]
    assert batch.negative_captions is batch.negative_owner is batch.negative_images is None


def test_concepts_may_be_shorter_than_captions():
    def tokenize_concepts(texts):
        return {"input_ids": tokenize(texts)["input_ids"][:, :1]}

    batch = Collator(tokenize, {"concepts", "negative_captions"}, tokenize_concepts)(
        [ready("a", ("cup",), negatives=(ReadyNegative("no cup"),))]
    )
    assert batch.concepts["input_ids"].shape == (1, 1)
    assert batch.captions["input_ids"].shape == batch.negative_captions["input_ids"].shape == (1, 2)
    same = Collator(tokenize, {"concepts"})([ready("a", ("cup",))])
    assert same.concepts["input_ids"].shape == (1, 2)
    assert same.concept_identity.tolist() == batch.concept_identity.tolist()


def test_a_concept_has_the_same_identity_in_any_process():
    words = ("rote Tasse", "blå kop", "cup", "table", "sky")
    program = "import sys; from hashlib import blake2b; from struct import unpack\n"
    program += "print(*(unpack('<q', blake2b(w.encode(), digest_size=8).digest())[0] for w in sys.argv[1:]))"
    said = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=True).stdout
    batch = Collator(tokenize, {"concepts"})([ready("a", words[:3]), ready("b", words[1:])])
    assert batch.concept_identity.dtype == torch.int64
    assert batch.concept_identity.tolist() == [int(number) for number in said.split()]
    assert min(batch.concept_identity.tolist()) < 0 < max(batch.concept_identity.tolist())


CUT = BrokenNegative("c, negative 1", "cut short")
OPPOSED = [
    ready("a", negatives=(ReadyNegative("blue cup", picture(7)), ReadyNegative("no cup"))),
    ready("b"),
    GONE,
    ready("c", negatives=(ReadyNegative("dog"), ReadyNegative("blue cup", picture(8))), broken=(CUT,)),
]


@pytest.mark.parametrize("needs", [{"negative_images"}, {"negative_captions", "negative_images", "image_tokens"}])
def test_hard_negatives_lie_in_the_order_of_their_images(needs):
    seen = []
    batch = Collator(lambda texts: seen.extend(texts) or tokenize(texts), needs)(OPPOSED)
    assert sorted(seen) == sorted([f"caption {key}" for key in "abc"] + ["blue cup", "no cup", "dog", "blue cup"])
    assert batch.negative_captions["input_ids"].tolist() == [[8, 98], [6, 110], [3, 100], [8, 98]]
    assert batch.negative_owner.tolist() == [0, 0, 2, 2]
    assert batch.negative_image_caption.tolist() == [0, 3]
    assert batch.negative_images["pixel_values"][:, 0, 0, 0].tolist() == [7, 8]
    assert batch.negative_images["pixel_values"].dtype == torch.uint8
    assert batch.keys == ("a", "b", "c")
    assert batch.broken == (GONE, CUT)
    assert batch.concepts is None


def test_captions_of_negatives_alone():
    batch = Collator(tokenize, {"negative_captions"})(OPPOSED)
    assert batch.negative_owner.tolist() == [0, 0, 2, 2]
    assert batch.negative_images is batch.negative_image_caption is None


@pytest.mark.parametrize("items", [[GONE, GONE], [ready("b"), ready("d", negatives=())]], ids=["broken", "unopposed"])
def test_negatives_that_nobody_has(items):
    batch = Collator(tokenize, {"negative_images"})(items)
    assert batch.negative_captions is batch.negative_images is None
    for empty in (batch.negative_owner, batch.negative_image_caption):
        assert (empty.shape, empty.dtype) == ((0,), torch.int64)


def test_a_batch_with_nothing_left():
    batch = Collator(tokenize, {"concepts"})([GONE, GONE])
    assert batch.keys == ()
    assert batch.images == batch.captions == {}
    assert batch.concepts is batch.negative_owner is None
    for empty in (batch.concept_identity, batch.concept_index, batch.concept_owner):
        assert (empty.shape, empty.dtype) == ((0,), torch.int64)
    assert batch.broken == (GONE, GONE)


def test_concepts_must_have_been_joined():
    with pytest.raises(ValueError, match="'b' has no concepts"):
        Collator(tokenize, {"concepts"})([ready("a", ("cup",)), ready("b")])
