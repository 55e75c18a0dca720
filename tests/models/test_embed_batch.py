"""One encoder pass gives what encoding everything apart would give."""

import pytest
import torch

from rebind.models import embed_batch
from rebind.models.embedding import concatenate_texts
from rebind.types import Batch

CONCEPTS = ["a red circle", "an old brick building", "a dog"]


@pytest.fixture
def batch(encoder, pictures, captions):
    return Batch(
        keys=("a", "b", "c", "d"),
        images=encoder.images(pictures),
        captions=encoder.texts(captions),
        concepts=encoder.texts(CONCEPTS),
        concept_index=torch.tensor([2, 0, 1, 0, 2]),
        concept_owner=torch.tensor([0, 0, 1, 2, 3]),
    )


@torch.no_grad()
def test_concepts_are_encoded_as_if_on_their_own(encoder, batch, captions):
    embeddings = embed_batch(encoder, batch, frozenset({"concepts"}))
    strings = [CONCEPTS[index] for index in batch.concept_index]
    alone = torch.cat([encoder.encode_text(encoder.texts([string])) for string in strings])
    torch.testing.assert_close(embeddings.concepts, alone, atol=1e-6, rtol=0)
    torch.testing.assert_close(embeddings.text, encoder.encode_text(encoder.texts(captions)), atol=1e-6, rtol=0)
    assert torch.equal(embeddings.concept_identity, batch.concept_index)
    assert torch.equal(embeddings.concept_owner, batch.concept_owner)
    assert embeddings.image_tokens.shape[:1] == embeddings.image.shape[:1]


@torch.no_grad()
def test_only_what_is_needed_is_encoded(encoder, batch):
    embeddings = embed_batch(encoder, batch, frozenset())
    assert embeddings.image_tokens is None
    assert embeddings.concepts is None
    torch.testing.assert_close(embeddings.image, embed_batch(encoder, batch, frozenset({"concepts"})).image)


def test_each_tower_runs_once(encoder, batch):
    runs = []
    hooks = [
        tower.register_forward_hook(lambda tower, *_: runs.append(type(tower).__name__))
        for tower in (encoder.model.vision_model, encoder.model.text_model)
    ]
    embed_batch(encoder, batch, frozenset({"concepts"}))
    for hook in hooks:
        hook.remove()
    assert len(runs) == len(set(runs)) == 2


def test_batch_without_concepts_is_an_error(encoder, batch):
    bare = Batch(keys=batch.keys, images=batch.images, captions=batch.captions)
    with pytest.raises(ValueError, match="without them"):
        embed_batch(encoder, bare, frozenset({"concepts"}))


def test_texts_of_different_lengths_are_padded_on_the_right():
    short = {"input_ids": torch.tensor([[5, 6]]), "attention_mask": torch.tensor([[1, 1]])}
    long = {"input_ids": torch.tensor([[7, 8, 9]]), "attention_mask": torch.tensor([[1, 1, 1]])}
    joined = concatenate_texts([short, long], pad_token_id=4)
    assert joined["input_ids"].tolist() == [[5, 6, 4], [7, 8, 9]]
    assert joined["attention_mask"].tolist() == [[1, 1, 0], [1, 1, 1]]
