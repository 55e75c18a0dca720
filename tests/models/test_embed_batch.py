"""One encoder pass gives what encoding everything apart would give."""

from dataclasses import replace

import pytest
import torch

from rebind.models import embed_batch
from rebind.models.embedding import concatenate_texts, encoder_inputs
from rebind.types import Batch

CONCEPTS = ["a red circle", "an old brick building", "a dog"]
NEGATIVES = ["a blue circle and a red star", "two cats", "no umbrella"]
EVERYTHING = frozenset({"concepts", "image_tokens", "negative_captions", "negative_images"})


@pytest.fixture
def batch(encoder, pictures, captions):
    return Batch(
        keys=("a", "b", "c", "d"),
        images=encoder.images(pictures),
        captions=encoder.texts(captions),
        concepts=encoder.texts(CONCEPTS),
        concept_identity=torch.tensor([12, -5, 7]),
        concept_index=torch.tensor([2, 0, 1, 0, 2]),
        concept_owner=torch.tensor([0, 0, 1, 2, 3]),
        negative_captions=encoder.texts(NEGATIVES),
        negative_owner=torch.tensor([0, 0, 2]),
        negative_images=encoder.images(pictures[1:3]),
        negative_image_caption=torch.tensor([0, 2]),
    )


@torch.no_grad()
def test_everything_is_encoded_as_if_on_its_own(encoder, batch, pictures, captions):
    embeddings = embed_batch(encoder, batch, EVERYTHING)

    def alone(strings):
        return torch.cat([encoder.encode_text(encoder.texts([string])) for string in strings])

    for found, strings in (
        (embeddings.text, captions),
        (embeddings.concepts, CONCEPTS),
        (embeddings.negative_text, NEGATIVES),
    ):
        torch.testing.assert_close(found, alone(strings), atol=1e-6, rtol=0)
    image, tokens, _ = encoder.encode_image(encoder.images(pictures), with_tokens=True)
    torch.testing.assert_close(embeddings.image, image, atol=1e-6, rtol=0)
    torch.testing.assert_close(embeddings.image_tokens, tokens, atol=1e-6, rtol=0)
    torch.testing.assert_close(embeddings.negative_image, image[1:3], atol=1e-6, rtol=0)
    for name in ("concept_identity", "concept_index", "concept_owner", "negative_owner"):
        assert torch.equal(getattr(embeddings, name), getattr(batch, name))
    assert embeddings.negative_image_text.tolist() == [0, 2]


@torch.no_grad()
def test_concepts_of_another_length_go_through_the_tower_on_their_own(encoder, batch):
    short = encoder.texts.shortened(10)
    assert all(len(short([text])["input_ids"][0]) <= 10 for text in CONCEPTS)
    embeddings = embed_batch(encoder, replace(batch, concepts=short(CONCEPTS)), frozenset({"concepts"}))
    alone = torch.cat([encoder.encode_text(short([text])) for text in CONCEPTS])
    torch.testing.assert_close(embeddings.concepts, alone, atol=1e-6, rtol=0)


@torch.no_grad()
def test_only_what_is_needed_is_encoded(encoder, batch):
    bare = Batch(keys=batch.keys, images=batch.images, captions=batch.captions)
    embeddings = embed_batch(encoder, bare, frozenset())
    assert embeddings.image_tokens is None
    assert embeddings.concepts is None
    assert embeddings.negative_text is None
    torch.testing.assert_close(embeddings.image, embed_batch(encoder, batch, EVERYTHING).image)


def test_each_tower_runs_once(encoder, batch):
    runs = []
    hooks = [
        tower.register_forward_hook(lambda tower, *_: runs.append(type(tower).__name__))
        for tower in (encoder.model.vision_model, encoder.model.text_model)
    ]
    embed_batch(encoder, batch, EVERYTHING)
    for hook in hooks:
        hook.remove()
    assert len(runs) == len(set(runs)) == 2


def test_a_batch_without_samples_reaches_every_parameter(encoder):
    """Other processes wait for the gradients of one that has none."""
    none = torch.zeros(0, dtype=torch.int64)
    empty = Batch((), {}, {}, None, none, none, none, None, none, None, none)
    embeddings = embed_batch(encoder, empty, EVERYTHING)
    assert [len(rows) for rows in (embeddings.image, embeddings.text, embeddings.concepts)] == [0, 0, 0]
    total = sum(rows.sum() for rows in (embeddings.image, embeddings.text)) + embeddings.logit_scale
    gradients = torch.autograd.grad(total + embeddings.logit_bias, list(encoder.parameters()))
    assert all(gradient.shape == value.shape for gradient, value in zip(gradients, encoder.parameters(), strict=True))


@pytest.mark.parametrize("need", ["concepts", "negative_captions", "negative_images"])
def test_a_batch_without_what_is_needed_is_an_error(encoder, batch, need):
    bare = Batch(keys=batch.keys, images=batch.images, captions=batch.captions)
    with pytest.raises(ValueError, match=f"needs {need}, but the batch was collated without them"):
        embed_batch(encoder, bare, frozenset({need}))


@pytest.mark.parametrize("count", [1, 2, 3, 9])
def test_chunks_hold_every_row_once(encoder, batch, count):
    whole = encoder_inputs(encoder, batch, EVERYTHING)
    chunks = whole.chunks(count)
    assert len(chunks) == count
    for name, value in whole.images.items():
        assert torch.equal(torch.cat([chunk.images[name] for chunk in chunks]), value)
    for name, value in whole.texts["texts"].items():
        assert torch.equal(torch.cat([chunk.texts["texts"][name] for chunk in chunks]), value)


def test_texts_of_different_lengths_are_padded_on_the_right():
    short = {"input_ids": torch.tensor([[5, 6]]), "attention_mask": torch.tensor([[1, 1]])}
    long = {"input_ids": torch.tensor([[7, 8, 9]]), "attention_mask": torch.tensor([[1, 1, 1]])}
    joined = concatenate_texts([short, long], pad_token_id=4)
    assert joined["input_ids"].tolist() == [[5, 6, 4], [7, 8, 9]]
    assert joined["attention_mask"].tolist() == [[1, 1, 0], [1, 1, 1]]
