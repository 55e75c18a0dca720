import io
import os

import pytest
import webdataset
from PIL import Image

from rebind.data import open_source
from rebind.data.images import decode_image
from rebind.data.writing import write_folder_source, write_shards
from rebind.types import UserError


def samples(count=7):
    for number in range(count):
        file = io.BytesIO()
        Image.new("RGB", (8, 8), (number * 30, 0, 255)).save(file, "JPEG" if number % 2 else "PNG")
        yield f"s{number:03d}", file.getvalue(), f"sheet {number}, “quoted”"


WRITERS = {"folder": write_folder_source, "shards": lambda out, rows: write_shards(out, rows, 3)}


@pytest.mark.parametrize("writer", WRITERS)
def test_what_was_written_is_read(tmp_path, writer):
    out = tmp_path / "new" / "data"
    WRITERS[writer](out, samples())
    source = open_source(out)
    assert [(s.key, s.captions) for s in source] == [(key, (caption,)) for key, _, caption in samples()]
    for sample, (_, image, _) in zip(source, samples(), strict=True):
        assert (sample.image if isinstance(sample.image, bytes) else sample.image.read_bytes()) == image
        assert decode_image(sample.image).size == (8, 8)
    assert os.listdir(out.parent) == ["data"]


def test_webdataset_reads_our_shards(tmp_path):
    write_shards(tmp_path / "data", samples(), 3)
    names = sorted(os.listdir(tmp_path / "data"))
    assert names == [f"shard-{n:05d}.tar" for n in range(3)]
    theirs = list(webdataset.WebDataset([str(tmp_path / "data" / name) for name in names], shardshuffle=False))
    assert [(s["__key__"], s.get("png") or s["jpg"], s["txt"].decode()) for s in theirs] == list(samples())


def test_equal_samples_give_equal_bytes(tmp_path):
    for name in ("a", "b"):
        write_shards(tmp_path / name, samples(), 4)
    for file in os.listdir(tmp_path / "a"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


@pytest.mark.parametrize("writer", WRITERS)
def test_a_folder_appears_whole_or_not_at_all(tmp_path, writer):
    def failing():
        yield from samples(2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        WRITERS[writer](tmp_path / "data", failing())
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("writer", WRITERS)
def test_what_exists_is_not_overwritten(tmp_path, writer):
    (tmp_path / "notes.txt").write_text("dear diary")
    for out in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(UserError, match=r"exists already; choose another folder or remove it"):
            WRITERS[writer](out, samples())
    (tmp_path / "empty").mkdir()
    WRITERS[writer](tmp_path / "empty", samples())
    assert len(open_source(tmp_path / "empty")) == 7
    assert (tmp_path / "notes.txt").read_text() == "dear diary"


@pytest.mark.parametrize("key", ["../up", "a/b", "a.b", ""])
@pytest.mark.parametrize("writer", WRITERS)
def test_keys_that_cannot_name_a_file(tmp_path, writer, key):
    with pytest.raises(ValueError, match="cannot name a file"):
        WRITERS[writer](tmp_path / "data", [(key, b"", "a")])
