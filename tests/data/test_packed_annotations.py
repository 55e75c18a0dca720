"""A folder with every annotation, and the same packed: training and `rebind foils` must not tell them apart."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from rebind.data import open_source
from rebind.data.annotation_files import NEGATIVE_IMAGES, negative_picture_key, write_annotation
from rebind.data.annotations import with_concepts, with_negatives, with_rewrites
from rebind.data.collation import Collator
from rebind.data.dataset import CaptionedImages
from rebind.data.neighbours import NeighbourShuffle, read_neighbours
from rebind.data.packing import pack
from rebind.data.writing import write_shards
from rebind.foils import FoilSettings, annotated_negatives, build_foils
from rebind.types import UserError
from reopening import open_again_and_again

COUNT = 24
NEEDS = {"concepts", "negative_captions", "negative_images"}
COLOURS = ("red", "green", "blue", "white")


def png(shade):
    file = io.BytesIO()
    Image.new("RGB", (8, 6), (shade, 0, 99)).save(file, "PNG")
    return file.getvalue()


def negatives_of(number, key):
    """Two of the first caption and one of the second; the pictures of some are named, or found by their captions."""
    colour, other = COLOURS[number % 4], COLOURS[(number + 1) % 4]
    swapped = {"caption": f"a {other} cup {number}", "family": "replace_att", "edits": [[2, 2 + len(other)]], "of": 0}
    named = {"caption": f"a {colour} dog {number}", "family": "replace_obj", "image": f"named-{number}"}
    second = {"caption": f"{other} cups", "family": "swap_att", "edits": [[0, len(other)]], "of": 1}
    return [swapped, named, second][: number % 4]


@pytest.fixture
def kitchen(tmp_path):
    folder = tmp_path / "kitchen"
    folder.mkdir()
    keys = [f"a/{number}.png" for number in range(COUNT)]
    (folder / "a").mkdir()
    rows, pictures = [], []
    for number, key in enumerate(keys):
        (folder / key).write_bytes(png(number))
        colour = COLOURS[number % 4]
        rows.append({"image": key, "caption": f"a {colour} cup {number}", "captions": [f"cups, {colour}"]})
        for each in negatives_of(number, key):
            name = each.get("image", negative_picture_key(key, each["caption"]))
            if "image" in each or number % 3:
                pictures.append((name, png(100 + number), each["caption"]))
    (folder / "captions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = open_source(folder)
    write_annotation(source, "concepts", [(key, [key, "cup"]) for key in keys[2:]], {})
    write_annotation(source, "rewrites", [(key, [f"{key} rewritten"]) for key in keys[:9]], {})
    write_annotation(source, "negatives", [(key, negatives_of(n, key)) for n, key in enumerate(keys[:-2])], {})
    ring = [(key, [keys[(n + step) % COUNT] for step in (1, 5, -1)[: n % 4]]) for n, key in enumerate(keys) if n != 7]
    write_annotation(source, "neighbours", ring, {})
    write_shards(source.annotations / NEGATIVE_IMAGES, pictures, samples_per_shard=10)
    return folder


def annotated(path):
    """What `rebind train` opens for an objective that needs everything."""
    source = open_source(path)
    if (path / "annotations" / "rewrites.jsonl").is_file():
        source = with_rewrites(source)
    return with_negatives(with_concepts(source), with_images=True)


def content(image):
    return image.read_bytes() if isinstance(image, Path) else image


def test_packed_samples_are_those_of_the_folder(kitchen, tmp_path):
    pack(kitchen, tmp_path / "out", samples_per_shard=7)
    open_again_and_again(tmp_path / "out")
    folder, packed = annotated(kitchen), annotated(tmp_path / "out")
    assert list(packed.keys) == list(folder.keys)
    for row in range(COUNT):
        one, other = folder[row], packed[row]
        assert (other.key, other.captions, other.concepts) == (one.key, one.captions, one.concepts)
        assert content(other.image) == content(one.image)
        assert other.negatives == one.negatives
        assert packed.originals(row) == folder.originals(row)
    assert {each.of for row in range(COUNT) for each in packed.negatives(row)} == {0, 1}
    assert packed.negatives(3)[2].edits == ((0, 3),)
    assert packed.originals(3)[1:] == ["a white cup 3", "cups, white"]
    assert np.array_equal(read_neighbours(packed), read_neighbours(folder))
    assert read_neighbours(packed).shape == (COUNT, 3)


def test_an_epoch_of_packed_batches_is_that_of_the_folder(kitchen, tmp_path):
    pack(kitchen, tmp_path / "out", samples_per_shard=7)

    def preprocess(images):
        return {"pixel_values": torch.stack([torch.tensor(np.array(image)).permute(2, 0, 1) for image in images])}

    def tokenize(texts):
        return {"input_ids": torch.tensor([[sum(text.encode()), len(text)] for text in texts])}

    def batches(path):
        source = annotated(path)
        data = CaptionedImages(source, preprocess, seed=3, needs=NEEDS, negatives_per_image=2)
        data.order = NeighbourShuffle(read_neighbours(source), 6, seed=3)
        data.set_epoch(2)
        order, collate = list(data.order), Collator(tokenize, NEEDS)
        return [collate([data[place] for place in order[start : start + 6]]) for start in range(0, COUNT, 6)]

    pairs = list(zip(batches(kitchen), batches(tmp_path / "out"), strict=True))
    assert any(one.negative_images is not None for one, _ in pairs)
    for one, other in pairs:
        assert one.keys == other.keys
        assert one.broken == other.broken == ()
        for name in set(vars(one)) - {"keys", "broken"}:
            torch.testing.assert_close(getattr(other, name), getattr(one, name), rtol=0, atol=0)


def test_foils_of_packed_negatives_are_those_of_the_folder(kitchen, tmp_path):
    (kitchen / "annotations" / "rewrites.jsonl").unlink()  # a packed one is a caption like others
    pack(kitchen, tmp_path / "out", samples_per_shard=7)
    settings = FoilSettings(share=1, refine=False)
    folder, packed = open_source(kitchen), open_source(tmp_path / "out")
    one, other = (build_foils(source, annotated_negatives(source), settings) for source in (folder, packed))
    assert other == one
    assert len(other.foils) > COUNT / 2
    assert any(foil.edits and foil.original.startswith("cups, ") for foil in other.foils)


def test_neighbours_that_are_broken_are_left_out(kitchen, tmp_path):
    (kitchen / "a" / "4.png").write_bytes(b"broken")
    pack(kitchen, tmp_path / "out", samples_per_shard=7)
    folder, packed = open_source(kitchen), open_source(tmp_path / "out")
    keys = [key for key in folder.keys if key != "a/4.png"]
    assert list(packed.keys) == keys
    of_folder = dict(zip(folder.keys, read_neighbours(folder).tolist(), strict=True))
    for key, row in zip(keys, read_neighbours(packed).tolist(), strict=True):
        expected = [folder.keys[other] for other in of_folder[key] if other >= 0]
        assert [keys[other] for other in row if other >= 0] == [other for other in expected if other != "a/4.png"]


def test_what_a_negative_was_made_of_is_packed_anew_when_it_changes(kitchen, tmp_path):
    pack(kitchen, tmp_path / "out", samples_per_shard=7)
    negatives = kitchen / "annotations" / "negatives.jsonl"
    negatives.write_text(negatives.read_text().replace('"edits": [[0, 3]]', '"edits": [[0, 2]]'))
    written = []
    pack(kitchen, tmp_path / "out", samples_per_shard=7, on_shard=written.append)
    assert len(written) > 0
    assert open_source(tmp_path / "out").negatives(3)[2].edits == ((0, 2),)


def test_neighbours_that_are_gone_from_the_source_are_packed_no_longer(kitchen, tmp_path):
    out, annotations = tmp_path / "out", kitchen / "annotations"
    pack(kitchen, out, samples_per_shard=7)
    for file in annotations.glob("neighbours.*"):
        file.unlink()
    lines = (kitchen / "captions.jsonl").read_text().splitlines(keepends=True)
    (kitchen / "captions.jsonl").write_text("".join(lines[:-5]))
    pack(kitchen, out, samples_per_shard=7)
    assert not list((out / "annotations").iterdir())
    write_annotation(open_source(out), "neighbours", [("a/1.png", ["a/2.png"])], {"model": "somebody's own"})
    pack(kitchen, out, samples_per_shard=7)
    assert read_neighbours(open_source(out))[1].tolist() == [2]


def test_packed_without_annotations_there_are_no_neighbours(kitchen, tmp_path):
    pack(kitchen, tmp_path / "out", with_annotations=False)
    assert not (tmp_path / "out" / "annotations").exists()


def test_wrong_neighbours_are_named_before_anything_is_packed(kitchen, tmp_path):
    write_annotation(open_source(kitchen), "neighbours", [("a/1.png", ["gone"])], {})
    with pytest.raises(UserError, match="the neighbour 'gone' is no key of"):
        pack(kitchen, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ({"of": -1}, "`of` must be the number of one of the captions, from 0, not -1"),
        ({"of": "second"}, "`of` must be the number of one of the captions, from 0, not 'second'"),
    ],
)
def test_wrong_fields_of_negatives_are_named(kitchen, field, message):
    write_annotation(open_source(kitchen), "negatives", [("a/1.png", [{"caption": "x", **field}])], {})
    with pytest.raises(UserError, match=rf"negatives\.jsonl, key 'a/1\.png': {message}"):
        with_negatives(open_source(kitchen))


@pytest.mark.parametrize(
    ("caption", "edits", "expected"),
    [
        ("a blue cup ", [[2, 11]], ["blue cup"]),
        ("  a blue cup", [[0, 3], [4, 8], [12, 12]], ["a", "blue", ""]),
        ("a blue cup", [[0, 99]], []),
        ("a blue cup", [[2, 6.0]], []),
        ("a blue cup", [[True, 2]], []),
        ("a blue cup", [1], []),
        ("a blue cup", [{"start": 2, "end": 6}], []),
        ("a blue cup", {"start": 2}, []),
        ("a blue cup", "blue", []),
    ],
)
def test_edits_are_those_of_the_stripped_caption_or_dropped(kitchen, tmp_path, caption, edits, expected):
    negatives = [("a/1.png", [{"caption": caption, "family": "replace_att", "edits": edits}])]
    write_annotation(open_source(kitchen), "negatives", negatives, {})
    for file in (kitchen / "annotations" / NEGATIVE_IMAGES).iterdir():
        file.unlink()
    (kitchen / "annotations" / NEGATIVE_IMAGES).rmdir()
    pack(kitchen, tmp_path / "out")
    for source in (with_negatives(open_source(kitchen)), open_source(tmp_path / "out")):
        (found,) = source.negatives(1)
        assert [found.caption[start:end] for start, end in found.edits] == expected
        assert found.caption == "a blue cup"
