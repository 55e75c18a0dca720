"""open_clip cannot be imported beside every torch: a stand-in with its three functions shows what it is asked for."""

import importlib.metadata
import sys
from importlib.metadata import PackageNotFoundError
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from torch import nn

from rebind.benchmarks.embedding_cache import EmbeddingCache
from rebind.models import load_encoder
from rebind.models.scoring import score_captions
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


def test_what_printing_a_model_does_not_show_changes_its_description(asked):
    encoder = load_encoder("open_clip:ViT-B-32/openai")
    before = encoder.describe()
    assert load_encoder("open_clip:ViT-B-32/openai").describe()["configuration"] == before["configuration"]
    encoder.train()
    assert encoder.describe() == before
    encoder.model.heads = 8
    assert {name for name, value in encoder.describe().items() if value != before[name]} == {"configuration"}


def test_the_vocabulary_of_open_clips_own_tokenizer_changes_the_description(asked):
    encoder = load_encoder("open_clip:ViT-B-32/openai")

    class Tokenizer:
        encoder = {"a": 0}  # noqa: RUF012

        def __call__(self, strings):
            return torch.zeros(len(strings), 3, dtype=torch.long)

    encoder.tokenizer = Tokenizer()
    before = encoder.describe()["tokenizer"]
    encoder.tokenizer.encoder = {"a": 1}
    assert encoder.describe()["tokenizer"] != before


def test_the_cache_knows_the_versions_of_open_clip_and_torchvision(asked, tmp_path, monkeypatch):
    installed = {}

    def version(package):
        if package in installed or package not in ("open_clip_torch", "torchvision", "timm"):
            return installed.get(package, "1.0")
        raise PackageNotFoundError(package)

    monkeypatch.setattr(importlib.metadata, "version", version)
    encoder = load_encoder("open_clip:ViT-B-32/openai")
    spaces = [EmbeddingCache(tmp_path, encoder).texts.folder]
    for package in ("open_clip_torch", "torchvision"):
        installed[package] = "3.0"
        spaces.append(EmbeddingCache(tmp_path, encoder).texts.folder)
    assert len(set(spaces)) == 3


def test_captions_are_scored_without_probabilities(asked):
    scores = score_captions(load_encoder("open_clip:ViT-B-32/openai"), Image.new("RGB", (2, 2), "red"), ["a", "bc"])
    assert scores[0].cosine >= scores[1].cosine
    assert {score.probability for score in scores} == {None}
