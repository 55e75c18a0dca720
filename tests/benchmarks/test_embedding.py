import copy

import numpy as np
import pytest
import torch
from tiny_world import paint

from rebind.benchmarks import embedding
from rebind.benchmarks.embedding import embed_images, embed_texts
from rebind.types import BrokenSample, UserError


def test_order_repeats_and_block_size_do_not_matter(encoder, tmp_path, monkeypatch):
    files = [tmp_path / f"{i}.png" for i in range(9)]
    for i, file in enumerate(files):
        paint(file, i, size=(32, 32) if i % 2 else (40, 30))
    whole = embed_images(encoder, files).embeddings
    monkeypatch.setattr(embedding, "IMAGES_AT_ONCE", 2)
    repeated = embed_images(encoder, [*files[::-1], files[0], files[4].read_bytes()]).embeddings
    assert np.allclose(repeated[:9], whole[::-1], atol=1e-6)
    assert np.allclose(repeated[9:], whole[[0, 4]], atol=1e-6)
    assert np.allclose(np.linalg.norm(whole, axis=1), 1, atol=1e-6)

    texts = ["a red circle", "a blue star", "a red circle", "a green ring"]
    once = embed_texts(encoder, texts)
    monkeypatch.setattr(embedding, "TEXTS_AT_ONCE", 2)
    assert np.allclose(embed_texts(encoder, texts[::-1])[::-1], once, atol=1e-6)
    with torch.inference_mode():
        assert np.allclose(once[3], encoder.encode_text(encoder.texts(texts[3:]))[0], atol=1e-6)


def test_texts_that_tokenise_alike_are_equal_to_the_last_bit(encoder, monkeypatch):
    monkeypatch.setattr(embedding, "TEXTS_AT_ONCE", 3)
    texts = ["a red foo", "a star", "a ring", "a box", "a red bar", "a  red   baz"]
    embedded = embed_texts(encoder, texts)
    assert np.array_equal(embedded[0], embedded[4])
    assert np.array_equal(embedded[0], embedded[5])
    assert not np.array_equal(embedded[0], embedded[1])


def test_broken_images_are_nan_and_named(encoder, tmp_path):
    files = [tmp_path / f"{i}.png" for i in range(30)]
    for i, file in enumerate(files[:28]):
        paint(file, i)
    known = BrokenSample("lost", "the shard ends early")
    embedded = embed_images(encoder, [*files[:28], known, files[28], files[0]])
    assert np.isnan(embedded.embeddings[[28, 29]]).all()
    assert np.isfinite(embedded.embeddings[[*range(28), 30]]).all()
    assert embedded.broken[0] == known
    assert embedded.broken[1].key == str(files[28])
    assert "does not exist" in embedded.broken[1].reason


def test_embeddings_that_are_not_finite_name_the_model(encoder, tmp_path):
    paint(tmp_path / "0.png", 0)
    sick = copy.deepcopy(encoder)
    with torch.no_grad():
        sick.model.vision_model.post_layernorm.weight.fill_(float("nan"))
        sick.model.text_model.final_layer_norm.bias[0] = float("inf")
    with pytest.raises(UserError, match="runs/7 gives 1 of 1 image embeddings that are not finite"):
        embed_images(sick, [tmp_path / "0.png"], "runs/7")
    with pytest.raises(UserError, match="runs/7 gives 2 of 2 text embeddings that are not finite"):
        embed_texts(sick, ["a red ring", "a star"], "runs/7")
