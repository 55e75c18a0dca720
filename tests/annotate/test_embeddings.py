import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from killing import contents, kill_at_random, run_to_the_end
from photos import write_photos, write_siglip
from rebind.annotate.embeddings import EmbedStage, RowBlocks, embed_in_parts, encoder_digest
from rebind.data import open_source
from rebind.engine import Workforce, run_stage
from rebind.models import DualEncoder
from rebind.types import UserError

KILLS = 3  # each takes seconds: the program imports torch and transformers
PROGRAM = Path(__file__).with_name("mine_in_parts.py")


@pytest.fixture(scope="module")
def siglip(tmp_path_factory):
    return write_siglip(tmp_path_factory.mktemp("checkpoint") / "siglip")


@pytest.fixture
def photos(tmp_path):
    return write_photos(tmp_path / "photos", 24)


def plain(siglip, source, by):
    encoder = DualEncoder.from_pretrained(siglip)
    with torch.inference_mode():
        if by == "image":
            return encoder.encode_image(encoder.images([Image.open(source.image(row)) for row in range(24)]))[0].numpy()
        return encoder.encode_text(encoder.texts([source.captions(row)[0] for row in range(24)])).numpy()


@pytest.mark.parametrize("by", ["image", "text"])
def test_embeddings_are_those_of_the_model(siglip, photos, by):
    source = open_source(photos)
    embedded = embed_in_parts(source, str(siglip), by, Workforce(jobs=1))
    assert embedded.rows.tolist() == list(range(24))
    assert embedded.vectors.dtype == np.float32
    np.testing.assert_allclose(embedded.vectors, plain(siglip, source, by), atol=2e-6)
    assert embedded.broken == ()
    assert embedded.folder.parent == source.annotations
    assert [path.name for path in embedded.folder.glob("*") if path.name.startswith("part-")] == ["part-00000.jsonl"]


def test_broken_images_are_named_and_have_no_row(siglip, photos):
    (photos / "IMG_0005.jpg").write_bytes(b"no picture")
    source = open_source(photos)
    embedded = embed_in_parts(source, str(siglip), workforce=Workforce(jobs=1))
    assert embedded.rows.tolist() == [row for row in range(24) if row != 5]
    assert [(sample.key, sample.reason.split(",")[0]) for sample in embedded.broken] == [("IMG_0005.jpg", "not a JPEG")]
    whole = np.delete(np.arange(24), 5)
    left = [row for row in range(24) if row != 5]
    encoder = DualEncoder.from_pretrained(siglip)
    with torch.inference_mode():
        alone = encoder.encode_image(encoder.images([Image.open(source.image(row)) for row in left]))[0].numpy()
    np.testing.assert_allclose(embedded.vectors, alone, atol=2e-6)
    assert np.array_equal(embedded.rows, whole)


def test_what_was_embedded_is_not_embedded_again(siglip, photos):
    source = open_source(photos)
    stage = EmbedStage(source, str(siglip), "digest", "image", part_size=8)
    folder = source.annotations / "embeddings"
    run_stage(stage, RowBlocks(source, "image", 8), folder, Workforce(jobs=1))
    before = contents(folder)
    shutil.move(photos / "IMG_0001.jpg", photos / "away")  # its part is there: nobody looks
    (folder / "part-00002.jsonl").unlink()
    run_stage(stage, RowBlocks(source, "image", 8), folder, Workforce(jobs=1))
    assert contents(folder) == before


def test_another_model_or_other_samples_never_mix(siglip, photos, tmp_path):
    source = open_source(photos)
    embedded = embed_in_parts(source, str(siglip), workforce=Workforce(jobs=1))
    other = shutil.copytree(siglip, tmp_path / "other")
    model = DualEncoder.from_pretrained(siglip)
    assert encoder_digest(DualEncoder.from_pretrained(other)) == encoder_digest(model), "wherever it lies"
    with torch.no_grad():
        model.model.logit_scale += 1
    assert encoder_digest(model) != encoder_digest(DualEncoder.from_pretrained(siglip))
    model.save(other)
    assert embed_in_parts(source, str(other), workforce=Workforce(jobs=1)).folder != embedded.folder
    assert embed_in_parts(source, str(siglip), "text", Workforce(jobs=1)).folder != embedded.folder
    rows = (photos / "captions.csv").read_text().splitlines()
    (photos / "captions.csv").write_text("\n".join([rows[0], *rows[2:]]) + "\n")
    fewer = embed_in_parts(open_source(photos), str(siglip), workforce=Workforce(jobs=1))
    assert fewer.folder == embedded.folder
    assert np.array_equal(fewer.rows, np.arange(23))
    np.testing.assert_allclose(fewer.vectors, embedded.vectors[1:], atol=2e-6)


def test_settings_hold_what_the_embeddings_depend_on(siglip, photos):
    source = open_source(photos)
    embedded = embed_in_parts(source, str(siglip), workforce=Workforce(jobs=1))
    settings = json.loads((embedded.folder / "settings.json").read_text())
    assert settings == {
        "weights": encoder_digest(DualEncoder.from_pretrained(siglip)),
        "by": "image",
        "part_size": EmbedStage.part_size,
    }


def test_what_cannot_be_embedded(siglip, photos, tmp_path):
    source = open_source(photos)
    with pytest.raises(UserError, match="give image or text"):
        embed_in_parts(source, str(siglip), "sound")
    with pytest.raises(UserError, match="nowhere"):
        embed_in_parts(source, str(tmp_path / "nowhere"))


@pytest.mark.slow
def test_killed_and_continued_it_finds_the_same_neighbours(siglip, tmp_path):
    undisturbed, disturbed = write_photos(tmp_path / "one", 24), write_photos(tmp_path / "two", 24)
    run_to_the_end([PROGRAM, undisturbed, siglip, tmp_path / "one.npy"])
    words = [PROGRAM, disturbed, siglip, tmp_path / "two.npy"]
    assert kill_at_random(words, disturbed / "annotations", kills=KILLS, longest=0.1) > 0
    run_to_the_end(words)
    assert (tmp_path / "one.npy").read_bytes() == (tmp_path / "two.npy").read_bytes()
    assert contents(undisturbed / "annotations") == contents(disturbed / "annotations")
