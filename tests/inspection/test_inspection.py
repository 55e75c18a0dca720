import html
import io
import json
import re
from html.parser import HTMLParser

import datasets
import numpy as np
import pytest
import webdataset
from PIL import Image, ImageFilter

from rebind.data import open_source
from rebind.inspection import inspect, write_inspection_page
from rebind.inspection.looks import Look, look_at, near_pictures
from rebind.inspection.texts import Spread
from rebind.types import UserError


def photo(seed, size=(64, 48)):
    """A smooth picture unlike those of other seeds."""
    noise = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)


def encode(picture, form="PNG", **options):
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


NASTY = '<script>alert("1")</script> & <b>'


@pytest.fixture
def album(tmp_path):
    """Twelve pictures: two equal, two alike, one cut short, one missing; captions of known lengths."""
    folder = tmp_path / "album"
    folder.mkdir()
    pictures = {f"{number:02d}.png": encode(photo(number, (64 + number, 48))) for number in range(8)}
    pictures |= {"equal.png": pictures["03.png"], "alike.jpg": encode(photo(5, (40, 30)), "JPEG", quality=60)}
    pictures["cut.png"] = pictures["01.png"][:300]
    for name, data in pictures.items():
        (folder / name).write_bytes(data)
    names = [*pictures, "gone.png"]
    rows = [{"image": name, "caption": " ".join(["word"] * (number + 1))} for number, name in enumerate(names)]
    rows[2]["captions"] = [NASTY, "über"]
    rows[7]["captions"] = ["word"]
    (folder / "captions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_an_inspection_counts_what_is_there(album):
    found = inspect(album)
    assert (found.samples, found.total, found.looked_at) == (12, 12, 12)
    assert found.broken == {}
    assert sum(found.undecodable.values()) == 2
    assert found.undecodable["… does not exist or is not a file"] == 1
    assert [one.key for one in found.examples] == ["cut.png", "gone.png"]
    assert found.texts.count == 15
    lengths = sorted([*range(1, 13), 3, 1, 1])
    assert found.texts.words == Spread(1, lengths[7], 12, 12)
    assert found.texts.per_sample == Spread(1, 1, 3, 3)
    assert sum(count for *_, count in found.texts.histogram) == 15
    for low, high, count in found.texts.histogram:
        assert count == sum(low <= length <= high for length in lengths)
    assert found.texts.repeated == 1
    assert found.texts.examples == (("word", 2),)
    assert found.texts.not_ascii == 1
    assert found.widths.low, found.widths.high == (40, 71)
    assert found.heights == Spread(30, 48, 48, 48)
    assert found.same == (("03.png", "equal.png"),)
    assert found.near == (("05.png", "alike.jpg"),)
    assert found.repeated == 1
    assert len(found.pictures) == 10
    facts = dict(found.facts)
    assert facts["samples"] == "12"
    assert facts["pictures that do not decode"] == "2 (16.7%)"


def test_a_limit_and_a_sample_of_pictures(album):
    found = inspect(album, pictures=2, limit=6, decode=3)
    assert (found.samples, found.total, found.looked_at, len(found.pictures)) == (6, 12, 3, 2)
    assert dict(found.facts)["samples"] == "6 of 12"
    assert found == inspect(album, pictures=2, limit=6, decode=3)
    assert {picture.key for picture in found.pictures} < {f"{number:02d}.png" for number in range(6)}
    assert inspect(album, decode=None).looked_at == 12
    assert inspect(album, decode=0).widths == Spread(0, 0, 0, 0)


def test_what_a_shard_lacks_is_told_by_reason(tmp_path):
    with webdataset.TarWriter(str(tmp_path / "a.tar")) as writer:
        writer.write(
            {"__key__": "0", "png": encode(photo(0)), "txt": "red", "json": {"negatives": [{"caption": "blue"}]}}
        )
        writer.write({"__key__": "1", "txt": "nothing"})
        writer.write({"__key__": "2", "json": {"status": "failed_to_download", "error_message": "timed out"}})
    found = inspect(tmp_path / "a.tar")
    assert found.broken == {"it has no image (jpg, jpeg, png, webp)": 1}
    assert found.skipped == {"timed out": 1}
    assert found.own == ("negatives",)
    page = write_inspection_page(found, tmp_path / "page.html").read_text()
    assert "timed out" in page


def test_a_stream_is_inspected_up_to_its_limit(tmp_path):
    rows = [
        {"image": {"bytes": encode(photo(n)), "path": None}, "text": f"sheet {n}" if n != 2 else ""} for n in range(9)
    ]
    datasets.Dataset.from_list(rows).cast_column("image", datasets.Image()).save_to_disk(tmp_path / "saved")
    (tmp_path / "stream.yaml").write_text("huggingface: saved\nstreaming: true\n")
    with pytest.raises(UserError, match=r"is a stream, and may have no end; .* with --limit"):
        inspect(tmp_path / "stream.yaml")
    found = inspect(tmp_path / "stream.yaml", limit=6, decode=4)
    assert (found.samples, found.total, found.looked_at) == (5, None, 4)
    assert found.broken == {"`text` is empty": 1}
    assert dict(found.facts)["samples"] == "5 (the first)"
    assert inspect(tmp_path / "stream.yaml", limit=100).samples == 8


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.links, self.sources = [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        values = dict(attributes)
        self.sources += [values["src"]] if "src" in values else []
        self.links += [values["href"]] if "href" in values else []


def test_the_page_needs_nothing_else_and_executes_nothing(album, tmp_path):
    out = write_inspection_page(inspect(album), tmp_path / "new" / "page.html")
    text = out.read_text()
    page = Page()
    page.feed(text)
    assert "script" not in page.tags
    assert html.escape(NASTY, quote=False) in text.replace("&#34;", '"')
    assert page.links == []
    assert len(page.sources) == 10
    assert all(source.startswith("data:image/jpeg;base64,") for source in page.sources)
    assert not re.search(r"https?://|url\(|@import", text)
    assert len(text) < 100_000


def test_look_alikes_survive_scaling_and_compression_and_others_do_not(tmp_path):
    rows, folder = [], tmp_path / "many"
    folder.mkdir()
    for seed in range(60):
        picture = photo(seed, (200, 150))
        picture.save(folder / f"{seed}.png")
        changed = picture.resize((120, 90)).filter(ImageFilter.GaussianBlur(0.5))
        changed.save(folder / f"{seed}.jpg", quality=70)
        rows += [{"image": f"{seed}.{form}", "caption": "x"} for form in ("png", "jpg")]
    (folder / "captions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    looks = list(look_at(open_source(folder), range(120)))
    groups = near_pictures(looks)
    pairs = {(2 * seed, 2 * seed + 1) for seed in range(60)}
    assert {tuple(group) for group in groups} <= pairs
    assert len(groups) > 50


def test_plain_pictures_of_other_colours_are_no_look_alikes():
    looks = [
        Look(row, content=bytes([row]), colour=colour)
        for row, colour in enumerate([(255, 0, 0), (0, 0, 255), (250, 5, 3)])
    ]
    assert near_pictures(looks) == [[0, 2]]
    assert near_pictures([]) == []
