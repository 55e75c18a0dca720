import io
import json
import os
import shutil
import subprocess
import sys
import warnings

import pytest
from PIL import Image

from rebind.data import open_source, shard_cache
from rebind.data.packing import pack
from rebind.types import UserError
from reopening import open_again_and_again, outcome, settle
from tars import write_tar


def png(colour="red"):
    file = io.BytesIO()
    Image.new("RGB", (8, 6), colour).save(file, "PNG")
    return file.getvalue()


def write_samples(path, *numbers):
    members = [(f"{n}.{kind}", content) for n in numbers for kind, content in (("png", png()), ("txt", f"sheet {n}"))]
    return write_tar(path, members)


@pytest.fixture
def cache(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("REBIND_CACHE", str(folder))
    return folder


def kept(cache):
    return sorted(path for path in cache.rglob("*") if path.is_file())


@pytest.fixture
def odd(tmp_path):
    """Shards with everything that may be in some: what is wrong, what was not downloaded, negatives of two kinds."""
    folder = tmp_path / "odd"
    folder.mkdir()
    failed = {"status": "failed_to_download", "error_message": "timed out", "url": "http://b"}
    write_tar(
        folder / "a.tar",
        [
            ("1.png", png()),
            ("1.json", json.dumps({"caption": "one", "captions": ["eins"], "key": 1, "url": "http://a"})),
            ("2.json", json.dumps(failed)),
            ("3.png", png()),
            ("3.json", "{"),
            ("4.txt", "no image"),
            ("5.png", png()),
            ("\udcff.png", png()),
            ("\udcff.txt", "a name that is no Unicode"),
        ],
    )
    (folder / "a_stats.json").write_text(json.dumps({"status_dict": {"success": 1, "HTTP 404": 3}}))
    triplet = [("image", png()), ("caption", "a cup"), ("neg_image", png("lime")), ("neg_caption", "no cup")]
    write_tar(folder / "b.tar", [(f"t.{kind}", content) for kind, content in triplet])
    negatives = [
        {"caption": "six men", "family": "replace_num", "of": 1, "edits": [[0, 3]], "image": "negative-0.png"},
        {"caption": "five", "image": "negative-7.png"},
    ]
    packed = {"key": "ü", "captions": ["five men", "men"], "concepts": ["men"], "negatives": negatives[:1]}
    members = [("p.png", png()), ("p.txt", "five men"), ("p.negative-0.png", png()), ("p.json", json.dumps(packed))]
    wrong = [
        {"negatives": negatives[1:]},
        *({"negatives": [{"caption": "x", **field}]} for field in ({"of": -1}, {"of": "0"}, {"family": 3})),
    ]
    for number, fields in enumerate(wrong):
        members += [(f"wrong{number}.png", png()), (f"wrong{number}.json", json.dumps({"caption": "a", **fields}))]
    passed_over = [{"caption": "x", "edits": edits} for edits in ([[0, 2]], [[1, 0]], [3], [{"start": 0}], "all")]
    edited = {"key": "edited", "caption": "y", "negatives": passed_over}
    members += [("edited.png", png()), ("edited.json", json.dumps(edited))]
    write_tar(folder / "c.tar", members)
    write_tar(folder / "d.tar", [("nothing.json", "{}")])
    return folder


def test_odd_shards_are_the_same_with_and_without_an_index(odd):
    source = open_again_and_again(odd)
    assert list(source.keys) == ["1", r"\udcff", "t", "ü", "edited"]
    assert source.captions(0) == ("one", "eins")
    assert source.skipped == {"HTTP 404": 3, "timed out": 1}
    assert list(source.urls()) == ["http://a", None, None, None, None]
    assert [[each.caption for each in source.negatives(row)] for row in range(2, 4)] == [["no cup"], ["six men"]]
    (negative,) = source.negatives(3)
    assert (negative.family, negative.image, negative.of, negative.edits) == ("replace_num", png(), 1, ((0, 3),))
    assert source.originals(3) == ["men"]
    reasons = {sample.key: sample.reason for sample in source.broken}
    assert list(reasons)[:3] == ["a.tar:3", "a.tar:4", "a.tar:5"]
    said = [reasons[f"c.tar:wrong{number}"] for number in range(4)]
    assert said[0] == "the picture 'negative-7.png' of a negative is not among its members"
    assert said[1:3] == [f"`of` must be the number of one of the captions, from 0, not {of}" for of in ("-1", "'0'")]
    assert said[3] == "`family` must be a text, not int"
    assert [(each.caption, each.edits) for each in source.negatives(4)] == [("x", ())] * 5


def test_keys_of_two_shards_and_archives_that_are_cut(odd, cache):
    write_tar(odd / "e.tar", [("other.png", png()), ("other.txt", "a"), ("p.png", png()), ("p.json", '{"key": "t"}')])
    write_tar(odd / "f.tar", [("again.png", png()), ("again.json", '{"key": "t", "caption": "a cup"}')])
    with pytest.raises(UserError, match=r"f\.tar: the key 't' \(sample 'again'\) was already used in .*b\.tar"):
        open_again_and_again(odd)
    for name in ("e", "f"):
        (odd / f"{name}.tar").write_bytes((odd / "c.tar").read_bytes()[:3000])
    settle(odd)
    for _ in range(2):
        with pytest.raises(UserError, match=r"e\.tar is cut short or damaged"):
            open_source(odd)
    assert len(kept(cache)) == 4
    for name in ("e", "f"):
        write_samples(odd / f"{name}.tar", name)
    settle(odd)
    assert list(open_source(odd).keys) == ["1", r"\udcff", "t", "ü", "edited", "e", "f"]


def test_with_an_index_no_archive_is_read(tmp_path, cache):
    path = write_samples(tmp_path / "a.tar", 1, 2)
    settle(path)
    state = path.stat()
    open_source(path)
    path.write_bytes(bytes(state.st_size))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    source = open_source(path)
    assert [source.captions(row) for row in range(2)] == [("sheet 1",), ("sheet 2",)]


def test_a_shard_that_changed_is_indexed_anew(tmp_path, cache):
    path = tmp_path / "a.tar"
    for numbers in ((1,), (2,), (3, 4)):
        write_samples(path, *numbers)
        os.utime(path, (numbers[0], numbers[0]))
        for _ in range(2):
            assert list(open_source(path).keys) == [str(number) for number in numbers]
    assert len(kept(cache)) == 3
    for file in kept(cache)[:2]:
        os.utime(file, (0, 0))  # of long ago: it goes when another is written
    write_samples(path, 5)
    settle(path)
    assert list(open_source(path).keys) == ["5"]
    assert len(kept(cache)) == 2
    shutil.copytree(tmp_path, tmp_path.with_name("copy"))
    assert list(open_source(tmp_path.with_name("copy") / "a.tar").keys) == ["5"]
    assert len(kept(cache)) == 3


def test_what_was_written_a_moment_ago_is_not_kept(tmp_path, cache):
    assert len(open_source(write_samples(tmp_path / "a.tar", 1))) == 1
    assert kept(cache) == []


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[:-30], lambda data: b"?" * len(data)])
def test_a_damaged_index_is_made_anew(tmp_path, cache, damage):
    path = write_samples(tmp_path / "a.tar", 1, 2)
    settle(path)
    _, said = outcome(path)
    (file,) = kept(cache)
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    assert outcome(path)[1] == said
    assert kept(cache) == [file]
    assert file.read_bytes() == whole


def test_a_folder_in_place_of_an_index_costs_time_and_no_more(tmp_path, cache):
    path = write_samples(tmp_path / "a.tar", 1, 2)
    settle(path)
    _, said = outcome(path)
    (file,) = kept(cache)
    file.unlink()
    file.mkdir()
    with pytest.warns(UserWarning, match="it is a folder"):
        assert outcome(path)[1] == said


def test_any_byte_of_an_index_counts(tmp_path, cache):
    path = write_samples(tmp_path / "a.tar", 1, 2)
    settle(path)
    _, said = outcome(path)
    (file,) = kept(cache)
    whole = file.read_bytes()
    for place in range(0, len(whole), 97):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert outcome(path)[1] == said
        assert file.read_bytes() == whole


def test_a_folder_that_cannot_be_written_to_is_warned_of_once(tmp_path, cache):
    for name in "abc":
        write_samples(tmp_path / f"{name}.tar", name)
    settle(tmp_path)
    (cache / "shards").write_text("in the way")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert list(open_source(tmp_path).keys) == ["a", "b", "c"]
    (warning,) = caught
    assert "what the shards hold is not kept for the next opening: " in str(warning.message)
    assert (cache / "shards").read_text() == "in the way"


def test_others_help(tmp_path, cache, monkeypatch):
    for number in range(30):
        write_samples(tmp_path / f"{number:02d}.tar", number)
    settle(tmp_path)
    monkeypatch.setattr(shard_cache, "_PATIENCE", 0)
    monkeypatch.setattr(shard_cache, "_cores", lambda: 3)
    assert [int(key) for key in open_source(tmp_path).keys] == list(range(30))
    assert len(kept(cache)) == 30


def test_a_helper_indexes_what_is_free(tmp_path, cache):
    for number in range(3):
        write_samples(tmp_path / f"{number}.tar", number)
    (tmp_path / "3.tar").write_bytes(b"no tar")
    settle(tmp_path)
    shards = [tmp_path / f"{number}.tar" for number in (3, 2, 0, 4)]
    words = [sys.executable, "-c", shard_cache._HELP]
    subprocess.run(words, input=b"\0".join(map(os.fsencode, shards)), check=True, timeout=60)
    assert len(kept(cache)) == 2


def test_what_was_packed_opens_from_its_index(odd, tmp_path, cache):
    pack(odd, tmp_path / "out")
    source, packed = open_source(odd), open_again_and_again(tmp_path / "out")
    assert list(packed) == list(source)
