"""`rebind neighbours` on a stranger's folder of photos."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from command_line import CommandLine
from photos import write_photos, write_siglip
from rebind.data import open_source
from rebind.data.neighbours import read_neighbours
from rebind.models import DualEncoder


@pytest.fixture
def rebind(monkeypatch, capfd):
    return CommandLine(monkeypatch, capfd)


@pytest.fixture(scope="module")
def siglip(tmp_path_factory):
    return write_siglip(tmp_path_factory.mktemp("checkpoint") / "siglip")


@pytest.mark.parametrize("by", ["image", "text"])
def test_neighbours_are_those_of_plain_embeddings(rebind, tmp_path, siglip, by):
    photos = write_photos(tmp_path / "photos", 24)
    said = rebind.succeeds("neighbours", photos, "--model", siglip, "--count", 3, "--by", by)
    file = photos / "annotations" / "neighbours.jsonl"
    assert f"The neighbours of 24 samples are in {file}." in said
    source, encoder = open_source(photos), DualEncoder.from_pretrained(siglip)
    with torch.inference_mode():
        if by == "image":
            vectors = encoder.encode_image(encoder.images([Image.open(photos / key) for key in source.keys]))[0]
        else:
            vectors = encoder.encode_text(encoder.texts([source.captions(row)[0] for row in range(24)]))
    cosine = (vectors @ vectors.T).fill_diagonal_(-2).numpy()
    found = read_neighbours(source)
    assert found.shape == (24, 3)
    best = -np.sort(-cosine, axis=1)[:, :3]
    np.testing.assert_allclose(np.take_along_axis(cosine, found, axis=1), best, atol=2e-6)
    settings = json.loads((photos / "annotations" / "neighbours.settings.json").read_text())
    assert {name: settings[name] for name in ("by", "neighbours", "count")} == {"by": by, "neighbours": 3, "count": 24}
    assert settings["model"] == str(siglip)


def test_a_broken_photo_has_no_neighbours(rebind, tmp_path, siglip):
    photos = write_photos(tmp_path / "photos", 24)
    (photos / "IMG_0005.jpg").write_bytes(b"no picture")
    said = rebind.succeeds("neighbours", photos, "--model", siglip)
    assert "The neighbours of 23 samples are in" in said
    assert "1 samples are broken and have none (IMG_0005.jpg: not a JPEG" in said
    found = read_neighbours(open_source(photos))
    assert found[5].tolist() == [-1] * 8
    assert 5 not in found
    (photos / "IMG_0006.jpg").unlink()
    (photos / "IMG_0007.jpg").unlink()
    refusal = rebind.refuses("neighbours", photos, "--model", siglip)
    assert "3 of 24 samples seen are broken, more than the tolerated 10%" in refusal


def test_what_cannot_be_compared(rebind, tmp_path, siglip):
    photos = write_photos(tmp_path / "photos", 3)
    assert "give image or text" in rebind.refuses("neighbours", photos, "--model", siglip, "--by", "sound")
    assert "does not exist" in rebind.refuses("neighbours", tmp_path / "none", "--model", siglip)
    assert "nowhere" in rebind.refuses("neighbours", photos, "--model", tmp_path / "nowhere")
