import copy

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_world import paint

from rebind.benchmarks import embedding
from rebind.benchmarks.contract import Crop
from rebind.benchmarks.embedding import embed_images, embed_texts
from rebind.data import images
from rebind.models import DualEncoder
from rebind.types import BrokenSample, UserError
from tiny_models import clip_parts


@pytest.fixture(scope="module")
def clip():
    torch.manual_seed(0)
    model, *rest = clip_parts()
    return DualEncoder(model.eval(), *rest)


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


def test_no_images_and_no_texts_are_no_mistake(encoder):
    assert embed_images(encoder, []).embeddings.shape == (0, encoder.width)
    assert embed_texts(encoder, []).shape == (0, encoder.width)


def test_rectangles_are_cut_from_a_file_that_is_decoded_once(encoder, tmp_path, monkeypatch):
    file = tmp_path / "0.png"
    paint(file, 0, size=(60, 40))
    opened = []
    decode = images.decode_image
    monkeypatch.setattr(images, "decode_image", lambda picture, **how: opened.append(picture) or decode(picture))
    boxes = [(0, 0, 30, 40), (30, 10, 60, 40), (50, 20, 99, 99)]
    wanted = [*(Crop(file, box) for box in boxes), file, Crop(file, boxes[0])]
    embedded = embed_images(encoder, wanted).embeddings
    assert opened == [file]
    with Image.open(file) as picture:
        cut = [picture.convert("RGB").crop(box) for box in boxes]
        cut = [*cut, picture.convert("RGB"), cut[0]]
    with torch.inference_mode():
        assert np.allclose(embedded, encoder.encode_image(encoder.images(cut))[0], atol=1e-6)


def test_clip_texts_are_padded_no_further_than_the_longest_of_their_batch(clip, monkeypatch):
    monkeypatch.setattr(embedding, "TEXTS_AT_ONCE", 2)
    texts = ["a dog", "two dogs, running on the beach", "an umbrella by the old brick building", "a star", "dogs"]
    lengths = clip.texts(texts)["attention_mask"].sum(dim=1)
    seen = []
    hook = clip.model.text_model.register_forward_hook(lambda *call: seen.append(call[-1].last_hidden_state.shape[1]))
    embedded = embed_texts(clip, texts)
    hook.remove()
    assert seen == lengths.sort(descending=True).values[::2].tolist()
    with torch.inference_mode():
        alone = torch.cat([clip.encode_text(clip.texts([text])) for text in texts])
    assert np.allclose(embedded, alone, atol=1e-6)
