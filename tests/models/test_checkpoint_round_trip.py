"""What is saved loads here and with transformers alone, and gives the same embeddings."""

import pytest
import torch
import torch.nn.functional as F
from transformers import AutoImageProcessor, AutoModel, AutoProcessor, AutoTokenizer

from rebind.models import DualEncoder


@pytest.fixture(scope="module")
def folder(encoder, tmp_path_factory):
    path = tmp_path_factory.mktemp(encoder.family) / "model"
    encoder.save(path)
    return path


@torch.no_grad()
def embed(encoder, pictures, captions):
    image, _, _ = encoder.encode_image(encoder.images(pictures))
    return image, encoder.encode_text(encoder.texts(captions))


def test_loaded_here(encoder, folder, pictures, captions):
    loaded = DualEncoder.from_pretrained(folder)
    assert (loaded.family, loaded.width, loaded.context_length) == (
        encoder.family,
        encoder.width,
        encoder.context_length,
    )
    for before, after in zip(embed(encoder, pictures, captions), embed(loaded.eval(), pictures, captions), strict=True):
        torch.testing.assert_close(after, before, atol=1e-6, rtol=0)


@torch.no_grad()
def test_loaded_with_transformers_alone(encoder, folder, pictures, captions):
    model, processor = AutoModel.from_pretrained(folder), AutoProcessor.from_pretrained(folder)
    padding = "longest" if encoder.family == "clip" else "max_length"
    inputs = processor(text=captions, images=pictures, padding=padding, truncation=True, return_tensors="pt")
    output = model(**inputs)
    image, text = embed(encoder, pictures, captions)
    torch.testing.assert_close(F.normalize(output.image_embeds, dim=-1), image, atol=1e-6, rtol=0)
    torch.testing.assert_close(F.normalize(output.text_embeds, dim=-1), text, atol=1e-6, rtol=0)
    logits = encoder.logit_scale * text @ image.T + encoder.logit_bias
    torch.testing.assert_close(output.logits_per_text, logits, atol=1e-5, rtol=1e-5)


def test_parts_load_on_their_own(encoder, folder, pictures, captions):
    padding = "longest" if encoder.family == "clip" else "max_length"
    tokens = AutoTokenizer.from_pretrained(folder)(captions, padding=padding, truncation=True, return_tensors="pt")
    assert dict(tokens).keys() == encoder.texts(captions).keys()
    for name, ids in encoder.texts(captions).items():
        assert torch.equal(tokens[name], ids)
    pixels = AutoImageProcessor.from_pretrained(folder)(pictures, return_tensors="pt")["pixel_values"]
    ours = encoder.images.normalise(encoder.images(pictures))["pixel_values"]
    torch.testing.assert_close(ours, pixels, atol=1e-6, rtol=0)


def test_saving_over_an_old_checkpoint_and_twice(encoder, folder, tmp_path, captions):
    target = tmp_path / "model"
    DualEncoder.from_pretrained(folder).save(target)
    again = DualEncoder.from_pretrained(target)
    again.save(target)  # its own source
    texts = DualEncoder.from_pretrained(target).texts(captions)
    assert torch.equal(texts["input_ids"], encoder.texts(captions)["input_ids"])
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_only_safetensors_are_written(folder):
    assert {path.suffix for path in folder.iterdir()} <= {".json", ".safetensors", ".model", ".txt"}
