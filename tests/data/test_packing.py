import io
import json
import os
from pathlib import Path

import datasets
import pytest
import webdataset
from PIL import Image

from killing import contents, kill_at_random
from rebind.data import open_source
from rebind.data.annotation_files import negative_picture_key
from rebind.data.annotations import with_concepts, with_negatives, with_rewrites
from rebind.data.images import decode_image
from rebind.data.packing import pack
from rebind.data.streaming import stream_samples
from rebind.types import Negative, UserError


def encode(colour, form="JPEG", size=(8, 6)):
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, form)
    return file.getvalue()


def write_annotation(folder, name, values):
    (folder / "annotations").mkdir(exist_ok=True)
    lines = [json.dumps({"key": key, name: value}) + "\n" for key, value in values.items()]
    (folder / "annotations" / f"{name}.jsonl").write_text("".join(lines))


@pytest.fixture
def kitchen(tmp_path):
    """Seven images in folders, of many formats, with every annotation; the fifth cannot be decoded."""
    folder = tmp_path / "kitchen"
    (folder / "a").mkdir(parents=True)
    forms = ("JPEG", "PNG", "WEBP", "GIF", "JPEG", "BMP", "TIFF")
    keys = [f"a/{number}.{form.lower()}" for number, form in enumerate(forms)]
    for number, (key, form) in enumerate(zip(keys, forms, strict=True)):
        data = encode((30 * number, 0, 200), form, (60, 30))
        (folder / key).write_bytes(data if number != 4 else data[: len(data) // 2])
    rows = [{"image": key, "caption": f"sheet {key}", "captions": [f"page “{key}”"]} for key in keys]
    (folder / "captions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    write_annotation(folder, "concepts", {key: [f"concept {key}"] for key in keys[1:]})
    write_annotation(folder, "rewrites", {keys[2]: ["rewritten"]})
    negatives = {key: [{"caption": f"no {key}", "family": "swap_att"}, {"caption": f"not {key}"}] for key in keys[:4]}
    write_annotation(folder, "negatives", negatives)
    pictures = folder / "annotations" / "negative_images"
    pictures.mkdir()
    lines = []
    for key, broken in ((keys[1], False), (keys[3], True)):
        name = negative_picture_key(key, f"not {key}")
        (pictures / f"{name}.png").write_bytes(encode("lime", "PNG")[: 20 if broken else None])
        lines.append(json.dumps({"key": name, "image": f"{name}.png", "caption": f"not {key}"}) + "\n")
    (pictures / "captions.jsonl").write_text("".join(lines))
    return folder


def annotated(folder):
    return with_negatives(with_concepts(with_rewrites(open_source(folder))), with_images=True)


def test_packed_shards_hold_what_the_source_and_its_annotations_do(kitchen, tmp_path):
    report = pack(kitchen, tmp_path / "out", samples_per_shard=3)
    assert sorted(os.listdir(tmp_path / "out")) == ["pack.json", *(f"shard-{n:05d}.tar" for n in range(3))]
    assert json.loads((tmp_path / "out" / "pack.json").read_text()) == report
    assert report["samples"] == 6
    assert sum(report["broken"].values()) == 2
    assert [one["key"] for one in report["examples"]] == ["a/3.gif, negative 2", "a/4.jpeg"]

    packed, original = open_source(tmp_path / "out"), annotated(kitchen)
    rows = [row for row, key in enumerate(original.keys) if key != "a/4.jpeg"]
    assert packed.broken == ()
    assert list(packed.keys) == [original.keys[row] for row in rows]
    assert packed.has_concepts
    assert packed.has_negatives
    for index, row in enumerate(rows):
        assert packed.captions(index) == original.captions(row)
        assert packed.concepts(index) == original.concepts(row)
        found = original.negatives(row, with_images=False)
        assert packed.negatives(index, with_images=False) == found
        assert decode_image(packed.image(index)).tobytes() == decode_image(original.image(row)).tobytes()
    assert packed.captions(2)[-1] == "rewritten"
    assert packed.image(0) == (kitchen / "a/0.jpeg").read_bytes()
    pictures = [packed.negative_image(row, 1) for row in range(4)]
    assert [picture is not None for picture in pictures] == [False, True, False, False]
    assert pictures[1] == encode("lime", "PNG")
    assert packed.negatives(1)[1] == Negative("not a/1.png", "", encode("lime", "PNG"))


def test_webdataset_reads_packed_shards(kitchen, tmp_path):
    pack(kitchen, tmp_path / "out", samples_per_shard=100)
    samples = list(webdataset.WebDataset(str(tmp_path / "out" / "shard-00000.tar"), shardshuffle=False))
    assert [sample["__key__"] for sample in samples] == [f"+{number:09d}" for number in (0, 1, 2, 3, 5, 6)]
    assert json.loads(samples[1]["json"])["negatives"][1] == {
        "caption": "not a/1.png",
        "family": "",
        "image": "negative-1.png",
    }
    assert [sorted(set(sample) & {"jpg", "png", "webp"}) for sample in samples] == [
        [e] for e in ["jpg", "png", "webp", "png", "png", "png"]
    ]


def test_without_annotations(kitchen, tmp_path):
    pack(kitchen, tmp_path / "out", with_annotations=False)
    packed = open_source(tmp_path / "out")
    assert not packed.has_concepts
    assert not packed.has_negatives
    assert packed.captions(2) == open_source(kitchen).captions(2)


def test_large_pictures_are_scaled_down(kitchen, tmp_path):
    pack(kitchen, tmp_path / "out", max_side=40)
    packed = open_source(tmp_path / "out")
    assert {decode_image(packed.image(row)).size for row in range(6)} == {(40, 20)}
    assert packed.image(1).startswith(b"\xff\xd8")
    assert packed.negative_image(1, 1) == encode("lime", "PNG")


def test_packing_what_was_packed_changes_nothing(kitchen, tmp_path):
    pack(kitchen, tmp_path / "once", samples_per_shard=2)
    pack(tmp_path / "once", tmp_path / "twice", samples_per_shard=4)
    once, twice = open_source(tmp_path / "once"), open_source(tmp_path / "twice")
    assert [once[row] for row in range(len(once))] == [twice[row] for row in range(len(twice))]


def test_safe_keys_are_stems(photos, tmp_path, write_rows):
    rows = [{"image": f"{name}.png", "key": key, "caption": name} for name, key in (("red", "r-1"), ("blue", "b.1"))]
    write_rows(photos / "captions.jsonl", rows)
    pack(photos, tmp_path / "out")
    samples = list(webdataset.WebDataset(str(tmp_path / "out" / "shard-00000.tar"), shardshuffle=False))
    assert [sample["__key__"] for sample in samples] == ["r-1", "+000000001"]
    assert list(open_source(tmp_path / "out").keys) == ["r-1", "b.1"]


def test_the_same_command_goes_on_and_others_are_refused(kitchen, tmp_path):
    out, seen = tmp_path / "out", []
    pack(kitchen, out, samples_per_shard=3, on_shard=seen.append)
    assert seen == [3, 5, 6]
    before = contents(out)
    (out / "shard-00001.tar").unlink()
    (out / ".shard-00002.tar.17.partial").write_text("left by a process that was killed")
    pack(kitchen, out, samples_per_shard=3, on_shard=seen.append)
    assert seen == [3, 5, 6, 6]
    assert contents(out) == before

    with pytest.raises(UserError, match="was packed with samples_per_shard: 3, and now it is 2"):
        pack(kitchen, out, samples_per_shard=2)
    with pytest.raises(UserError, match="max_side must be at least 1, not 0"):
        pack(kitchen, out, max_side=0)
    with pytest.raises(UserError, match="holds files that were not packed here"):
        pack(kitchen, kitchen / "a")
    assert contents(out) == before


def test_a_shard_whose_annotations_changed_is_written_anew(kitchen, tmp_path):
    out = tmp_path / "out"
    pack(kitchen, out, samples_per_shard=3)
    file = kitchen / "annotations" / "concepts.jsonl"
    file.write_text(file.read_text().replace("concept a/5.bmp", "something else"))
    seen = []
    pack(kitchen, out, samples_per_shard=3, on_shard=seen.append)
    assert len(seen) == 1
    packed = open_source(out)
    assert packed.concepts(list(packed.keys).index("a/5.bmp")) == ("something else",)


def test_a_shard_whose_negatives_got_pictures_is_written_anew(kitchen, tmp_path):
    pictures, aside = kitchen / "annotations" / "negative_images", tmp_path / "aside"
    pictures.rename(aside)
    pack(kitchen, tmp_path / "out", samples_per_shard=3)
    aside.rename(pictures)
    seen = []
    pack(kitchen, tmp_path / "out", samples_per_shard=3, on_shard=seen.append)
    assert len(seen) == 2  # the pictures are of samples 1 and 3
    assert open_source(tmp_path / "out").negative_image(1, 1) == encode("lime", "PNG")
    pack(kitchen, tmp_path / "out", samples_per_shard=3, on_shard=seen.append)
    assert len(seen) == 2
    (pictures / "settings.json").write_text('{"model": "another"}')
    (pictures / "report.json").write_text("{}")
    pack(kitchen, tmp_path / "out", samples_per_shard=3, on_shard=seen.append)
    assert len(seen) == 5


def test_what_grew_or_shrank_is_packed_anew_where_it_did(photos, tmp_path, write_rows):
    rows = [{"image": f"{name}.png", "key": f"{n}", "caption": name} for n, name in enumerate(["red", "lime"] * 5)]
    out, seen = tmp_path / "out", []
    write_rows(photos / "captions.jsonl", rows[:5])
    pack(photos, out, samples_per_shard=2)
    for count, written in ((10, 3), (10, 0), (3, 1), (5, 2)):
        write_rows(photos / "captions.jsonl", rows[:count])
        seen.clear()
        report = pack(photos, out, samples_per_shard=2, on_shard=seen.append)
        assert (report["samples"], report["source_samples"], len(seen)) == (count, count, written)
        assert list(open_source(out).keys) == [str(n) for n in range(count)]
        pack(photos, tmp_path / f"fresh {count}", samples_per_shard=2)
        assert contents(tmp_path / f"fresh {count}") == contents(out)


class Killed(BaseException):
    """As abrupt as a signal, where it is raised."""


def test_stopped_before_the_first_report_it_goes_on(kitchen, tmp_path, monkeypatch):
    """The moment is that between the first shard and the report that names it."""
    out = tmp_path / "out"
    pack(kitchen, tmp_path / "whole", samples_per_shard=3)
    replace = Path.replace

    def stop(path, target):
        if target.name == "pack.json" and list(out.glob("*.tar")):
            raise Killed
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", stop)
    with pytest.raises(Killed):
        pack(kitchen, out, samples_per_shard=3)
    monkeypatch.undo()
    assert sorted(os.listdir(out)) == ["pack.json", "shard-00000.tar"]
    with pytest.raises(UserError, match="was packed with samples_per_shard: 3, and now it is 2"):
        pack(kitchen, out, samples_per_shard=2)
    pack(kitchen, out, samples_per_shard=3)
    assert contents(out) == contents(tmp_path / "whole")


def test_stopped_while_it_removes_shards_it_says_so_and_goes_on(photos, tmp_path, write_rows, monkeypatch):
    rows = [{"image": f"{name}.png", "key": f"{n}", "caption": name} for n, name in enumerate(["red", "lime"] * 5)]
    out = tmp_path / "out"
    write_rows(photos / "captions.jsonl", rows)
    pack(photos, out, samples_per_shard=2)
    write_rows(photos / "captions.jsonl", rows[:3])
    unlink, removed = Path.unlink, []

    def stop(path, missing_ok=False):
        if path.suffix == ".tar":
            if removed:
                raise Killed
            removed.append(path)
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", stop)
    with pytest.raises(Killed):
        pack(photos, out, samples_per_shard=2)
    monkeypatch.undo()
    report = json.loads((out / "pack.json").read_text())
    assert (report["finished"], len(report["shards"])) == (False, 2)
    assert len(list(out.glob("*.tar"))) == 4
    pack(photos, out, samples_per_shard=2)
    pack(photos, tmp_path / "fresh", samples_per_shard=2)
    assert contents(out) == contents(tmp_path / "fresh")


def test_nothing_is_removed_from_a_folder_that_was_not_packed_here(photos, tmp_path, write_rows):
    write_rows(photos / "captions.jsonl", [{"image": "red.png", "caption": "red"}])
    out = tmp_path / "out"
    out.mkdir()
    (out / ".thesis.partial").write_text("half of it")
    (out / ".shard-00000.tar.host.17.partial").write_text("left by a process that was killed")
    with pytest.raises(UserError, match="holds files that were not packed here"):
        pack(photos, out)
    assert len(list(out.iterdir())) == 2
    (out / ".thesis.partial").unlink()
    (out / "pack.json").write_text('{"of": "another program"}')
    with pytest.raises(UserError, match="holds files that were not packed here"):
        pack(photos, out)
    (out / "pack.json").unlink()
    pack(photos, out)
    assert sorted(os.listdir(out)) == ["pack.json", "shard-00000.tar"]


def test_what_the_source_lacks_is_in_the_report(tmp_path):
    with webdataset.TarWriter(str(tmp_path / "a.tar")) as writer:
        writer.write({"__key__": "0", "jpg": encode("red"), "txt": "red"})
        writer.write({"__key__": "1", "txt": "nothing"})
        writer.write({"__key__": "2", "json": {"status": "failed_to_download", "error_message": "timed out"}})
    report = pack(tmp_path / "a.tar", tmp_path / "out")
    assert report["broken"] == {"it has no image (jpg, jpeg, png, webp)": 1}
    assert report["skipped"] == {"timed out": 1}
    assert report["samples"] == 1


@pytest.fixture
def dataset(tmp_path):
    """Twenty-three rows of the library, one without a caption; and files that describe them, as a stream and not."""
    rows = [
        {"image": {"bytes": encode((9 * n, 0, 0), size=(64, 48)), "path": None}, "text": f"sheet {n}"}
        for n in range(23)
    ]
    rows[6]["text"] = ""
    datasets.Dataset.from_list(rows).cast_column("image", datasets.Image()).save_to_disk(tmp_path / "saved")
    (tmp_path / "stream.yaml").write_text("huggingface: saved\nstreaming: true\n")
    (tmp_path / "random.yaml").write_text("huggingface: saved\n")
    return tmp_path


def test_a_stream_is_packed_and_goes_on(dataset):
    out, seen = dataset / "out", []
    report = pack(dataset / "stream.yaml", out, samples_per_shard=5, on_shard=seen.append)
    assert seen == [5, 9, 14, 19, 22]
    assert report["broken"] == {"`text` is empty": 1}
    packed, original = open_source(out), open_source(dataset / "random.yaml")
    assert list(packed.keys) == list(original.keys)
    assert [s.image for s in packed] == [s.image for s in original]
    before = contents(out)
    pack(dataset / "stream.yaml", out, samples_per_shard=5, on_shard=seen.append)
    assert len(seen) == 5
    (out / "shard-00003.tar").unlink()
    pack(dataset / "stream.yaml", out, samples_per_shard=5, on_shard=seen.append)
    assert len(seen) == 7
    assert contents(out) == before


def test_what_failed_before_its_first_shard_has_claimed_nothing(dataset):
    (dataset / "late.yaml").write_text("huggingface: saved\nstreaming: true\ncaption: words\n")
    with pytest.raises(UserError):
        pack(dataset / "late.yaml", dataset / "out", samples_per_shard=5)
    (dataset / "late.yaml").write_text("huggingface: saved\nstreaming: true\n")
    assert pack(dataset / "late.yaml", dataset / "out", samples_per_shard=7)["samples"] == 22


def test_samples_of_a_broken_source_are_streamed(kitchen):
    (kitchen / "a" / "1.png").unlink()
    os.symlink("/etc/hostname", kitchen / "a" / "1.png")
    kinds = [type(sample).__name__ for sample in stream_samples(kitchen)]
    assert kinds == ["Sample", "BrokenSample", *["Sample"] * 5]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["random.yaml", "stream.yaml"])
def test_killed_at_random_moments_and_continued_gives_the_same_bytes(dataset, name):
    script = Path(__file__).with_name("pack_slowly.py")
    pack(dataset / name, dataset / "whole", samples_per_shard=5, max_side=40)
    words = [script, dataset / name, dataset / "out"]
    assert kill_at_random(words, dataset / "out", kills=4, longest=0.02) > 0
    pack(dataset / name, dataset / "out", samples_per_shard=5, max_side=40)
    assert contents(dataset / "out") == contents(dataset / "whole")
