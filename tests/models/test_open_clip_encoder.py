"""open_clip cannot be imported beside every torch: a stand-in with its three functions shows what it is asked for."""

import sys
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from torch import nn

from rebind.models import load_encoder
from rebind.types import UserError


class QuickGELU(nn.Module):
    pass


class Towers(nn.Module):
    def __init__(self):
        super().__init__()
        self.visual = nn.Linear(12, 6)
        self.visual.preprocess_cfg = {"size": 2, "interpolation": "bicubic"}
        self.text = nn.Embedding(50, 6)
        self.activation = QuickGELU()

    def encode_image(self, pixels):
        return self.visual(pixels.flatten(1))

    def encode_text(self, ids):
        return self.text(ids).sum(dim=1)


@pytest.fixture
def asked(monkeypatch):
    calls = []

    def create(architecture, weights, **options):
        if architecture == "No-Such":
            raise RuntimeError("Model config for 'No-Such' not found in built-ins.\nAvailable: …")
        calls.append((architecture, weights, options))
        return Towers(), lambda picture: torch.full((3, 2, 2), picture.getpixel((0, 0))[0] / 255)

    stand_in = SimpleNamespace(
        create_model_from_pretrained=create,
        get_pretrained_cfg=lambda _, tag: {"quick_gelu": True} if tag == "openai" else {},
        get_tokenizer=lambda _: lambda strings: torch.tensor([[len(each), 1, 0] for each in strings]),
    )
    monkeypatch.setitem(sys.modules, "open_clip", stand_in)
    return calls


@pytest.mark.parametrize(
    ("name", "architecture", "weights", "quick"),
    [
        ("ViT-B-32/openai", "ViT-B-32", "openai", True),
        ("ViT-B/32/laion2b_s34b_b79k", "ViT-B-32", "laion2b_s34b_b79k", False),
        ("hf-hub:laion/a-model", "hf-hub:laion/a-model", None, False),
        ("ViT-B-32@{}", "ViT-B-32", "{}", False),
    ],
)
def test_names_are_what_open_clip_calls_them(asked, tmp_path, name, architecture, weights, quick):
    (tmp_path / "epoch_9.pt").write_bytes(b"")
    file = str(tmp_path / "epoch_9.pt")
    load_encoder(f"open_clip:{name.format(file)}")
    ((found, given, options),) = asked
    assert (found, given) == (architecture, weights and weights.format(file))
    assert options["force_quick_gelu"] == quick
    assert options["weights_only"]


def test_embeddings_are_unit_vectors_and_described(asked):
    encoder = load_encoder("open_clip:ViT-B-32/openai")
    image, _, _ = encoder.encode_image(encoder.images([Image.new("RGB", (2, 2), "red"), Image.new("RGB", (2, 2))]))
    text = encoder.encode_text(encoder.texts(["a", "bc"]))
    for vectors in (image, text):
        torch.testing.assert_close(vectors.norm(dim=1), torch.ones(2))
    assert encoder.width == 6
    assert not encoder.training
    about = encoder.describe()
    assert (about["activation"], about["resolution"], about["context_length"]) == ("quick_gelu", 2, 3)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("No-Such/tag", "open_clip cannot load No-Such/tag: Model config for 'No-Such' not found in built-ins$"),
        ("ViT-B-32", "does not name a model: write open_clip:ViT-B-32/openai"),
        ("ViT-B-32@/no/such.pt", "the checkpoint /no/such.pt does not exist"),
    ],
)
def test_wrong_names_are_one_sentence(asked, name, said):
    with pytest.raises(UserError, match=said):
        load_encoder(f"open_clip:{name}")


def test_without_open_clip_or_torchvision_the_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(UserError, match=r'pip install "rebind\[openclip\]" torchvision'):
        load_encoder("open_clip:ViT-B-32/openai")
