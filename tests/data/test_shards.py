import io
import json
import os
import pickle
import tarfile

import pytest
import webdataset
from PIL import Image

from rebind.data.broken import BrokenImageError
from rebind.data.images import decode_image
from rebind.types import BrokenSample, UserError
from reopening import open_again_and_again as open_source
from tars import write_tar


def png(colour="red"):
    file = io.BytesIO()
    Image.new("RGB", (8, 6), colour).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def shards(tmp_path):
    """Three shards with ten samples, written by webdataset itself."""
    folder = tmp_path / "shards"
    folder.mkdir()
    with webdataset.ShardWriter(str(folder / "train-%03d.tar"), maxcount=4, verbose=0) as writer:
        for number in range(10):
            image = Image.new("RGB", (8, 6), (number * 20, 0, 0))
            form = ("png", "jpg", "webp", "jpeg")[number % 4]
            sample = {"__key__": f"{number:04d}", form: image_bytes(image, form)}
            if number % 2:
                sample["txt"] = f"sheet number {number}"
            else:
                sample["json"] = {"caption": f"sheet number {number}", "captions": ["other"], "key": f"k{number}"}
            writer.write(sample)
    return folder


def image_bytes(image, form):
    file = io.BytesIO()
    image.save(file, {"jpg": "jpeg"}.get(form, form))
    return file.getvalue()


def test_shards_of_webdataset_are_read_in_any_order(shards):
    source = open_source(shards)
    assert len(os.listdir(shards)) == 3
    assert list(source.keys) == [f"{n:04d}" if n % 2 else f"k{n}" for n in range(10)]
    for number in (9, 0, 5, 2):
        sample = source[number]
        assert sample.captions == (f"sheet number {number}",) + (() if number % 2 else ("other",))
        assert abs(decode_image(sample.image).getpixel((3, 3))[0] - number * 20) <= 4
    assert source.broken == ()
    assert list(pickle.loads(pickle.dumps(source))) == list(source)


def test_the_same_images_as_webdataset_reads(shards):
    theirs = webdataset.WebDataset(str(shards / "train-{000..002}.tar"), shardshuffle=False)
    images = [next(value for name, value in s.items() if name in ("png", "jpg", "jpeg", "webp")) for s in theirs]
    assert [sample.image for sample in open_source(shards)] == images


@pytest.mark.parametrize(
    ("pattern", "count"),
    [("train-{000..001}.tar", 8), ("train-*.tar", 10), ("train-00[02].tar", 6), ("train-001.tar", 4)],
)
def test_patterns(shards, pattern, count):
    source = open_source(shards / pattern)
    assert len(source) == count
    assert source.root == shards
    assert source.annotations.parent == shards / "annotations"


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("train-{000..003}.tar", "train-003.tar, which does not exist"),
        ("test-*.tar", "no file matches the pattern"),
        ("train-{000..001}.zip", "train-000.zip, which is no .tar shard"),
        ("train-{000..001.tar", "cannot be expanded"),
    ],
)
def test_bad_patterns(shards, pattern, message):
    with pytest.raises(UserError) as caught:
        open_source(str(shards / pattern))
    assert message in str(caught.value)


def test_incomplete_samples_are_named_and_left_out(tmp_path):
    path = write_tar(
        tmp_path / "a.tar",
        [
            ("./whole.PNG", png()),
            ("./whole.txt", " a red sheet\n"),
            ("./whole.seg.png", png("blue")),
            ("no_caption.png", png()),
            ("no_image.txt", "a sheet"),
            ("empty.png", png()),
            ("empty.txt", ""),
            ("bad_json.png", png()),
            ("bad_json.json", "{"),
            ("list.png", png()),
            ("list.json", "[1]"),
            ("latin.png", png()),
            ("latin.txt", b"Stra\xdfe"),
            ("README", "nothing"),
            ("notes.md", "nothing"),
        ],
    )
    source = open_source(path)
    assert list(source.keys) == ["whole"]
    assert source[0].captions == ("a red sheet",)
    assert decode_image(source[0].image).getpixel((0, 0)) == (255, 0, 0)
    assert all(isinstance(sample, BrokenSample) for sample in source.broken)
    reasons = {sample.key: sample.reason for sample in source.broken}
    assert list(reasons) == [
        f"a.tar:{stem}" for stem in ["no_caption", "no_image", "empty", "bad_json", "list", "latin"]
    ]
    assert reasons["a.tar:no_caption"].startswith("neither `caption` nor `captions` is given")
    assert reasons["a.tar:no_image"] == "it has no image (jpg, jpeg, png, webp)"
    assert reasons["a.tar:empty"].startswith("`caption` is empty")


def test_members_of_one_sample_need_not_be_neighbours(tmp_path):
    members = [("a/1.png", png()), ("a/2.png", png("blue")), ("a/1.txt", "one"), ("a/2.txt", "two")]
    source = open_source(write_tar(tmp_path / "a.tar", members))
    assert list(source.keys) == ["a/1", "a/2"]
    assert decode_image(source[1].image).getpixel((0, 0)) == (0, 0, 255)
    assert source[1].captions == ("two",)


def test_a_key_used_twice(tmp_path):
    for name in ("a.tar", "b.tar"):
        write_tar(tmp_path / name, [("1.png", png()), ("1.txt", "one")])
    with pytest.raises(UserError, match=r"b\.tar: the key '1' \(sample '1'\) was already used in .*a\.tar"):
        open_source(tmp_path)
    write_tar(tmp_path / "b.tar", [("1.png", png()), ("1.jpg", png()), ("1.txt", "one")])
    with pytest.raises(UserError, match=r"b\.tar: the sample '1' has two image members \('1\.jpg' is the second\)"):
        open_source(tmp_path)


def test_a_tar_without_samples(tmp_path):
    path = write_tar(tmp_path / "a.tar", [])
    with pytest.raises(UserError, match=r"a\.tar holds no sample with an image and a caption"):
        open_source(path)
    write_tar(path, [("1.png", png())])
    with pytest.raises(UserError, match=r"holds no sample .* a\.tar:1: neither `caption`"):
        open_source(path)


@pytest.mark.parametrize("data", [b"", b"hello" * 300, png()])
def test_what_is_no_tar(tmp_path, data):
    (tmp_path / "a.tar").write_bytes(data)
    with pytest.raises(UserError, match=r"a\.tar is not an uncompressed tar archive"):
        open_source(tmp_path / "a.tar")


def test_a_compressed_tar(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("1.png"))
    with pytest.raises(UserError, match=r"a\.tar is not an uncompressed tar archive"):
        open_source(tmp_path)


def test_a_tar_cut_anywhere(tmp_path):
    """Wherever the cut: after the first member's data, the last whole member is named; 512 is a block."""
    members = [("1.png", png()), ("1.txt", "one"), ("2.png", png()), ("2.txt", "two")]
    whole = write_tar(tmp_path / "whole.tar", members).read_bytes()
    ends, names = [], []
    with tarfile.open(tmp_path / "whole.tar") as archive:
        for member in archive:
            ends.append(member.offset_data + (member.size + 511) // 512 * 512)
            names.append(member.name)
    path = tmp_path / "cut.tar"
    for cut in range(512, ends[-1] + 512, 100):
        path.write_bytes(whole[:cut])
        last = [name for name, end in zip(names, ends, strict=True) if end <= cut]
        with pytest.raises(UserError) as caught:
            open_source(path)
        assert f"cut.tar is cut short or damaged: its last whole member is {last[-1] if last else 'none'}" in str(
            caught.value
        )
    path.write_bytes(whole[: ends[-1] + 512])
    assert len(open_source(path)) == 2


def test_a_tar_damaged_in_the_middle(tmp_path):
    path = write_tar(tmp_path / "a.tar", [("1.png", png()), ("1.txt", "one"), ("2.png", png()), ("2.txt", "two")])
    data = bytearray(path.read_bytes())
    with tarfile.open(path) as archive:
        start = archive.getmember("2.png").offset
    data[start : start + 100] = os.urandom(100)
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"damaged: its last whole member is 1\.txt"):
        open_source(path)


def test_a_tar_that_shrinks_or_goes_after_opening(tmp_path):
    path = write_tar(tmp_path / "a.tar", [("1.txt", "one"), ("1.png", png())])
    source = open_source(path)
    path.write_bytes(path.read_bytes()[:1600])
    with pytest.raises(BrokenImageError, match="cut short since it was opened"):
        source[0]
    path.unlink()
    with pytest.raises(BrokenImageError, match=r"cannot read .*a\.tar"):
        source[0]


def test_captions_and_tars_together_are_ambiguous(tmp_path):
    write_tar(tmp_path / "a.tar", [("1.txt", "one"), ("1.png", png())])
    (tmp_path / "captions.jsonl").write_text(json.dumps({"image": "a.png", "caption": "a"}))
    with pytest.raises(UserError, match=r"several sources \(captions\.jsonl, a\.tar\)"):
        open_source(tmp_path)
    assert len(open_source(tmp_path / "a.tar")) == 1
