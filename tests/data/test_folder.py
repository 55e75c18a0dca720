import csv
import json
import pickle
import subprocess
import sys

import datasets
import pyarrow
import pytest
from pyarrow import parquet

from rebind.data import open_source
from rebind.data.broken import BrokenImageError
from rebind.data.images import decode_image
from rebind.types import UserError

ROWS = [
    {"image": "red.png", "caption": "a red sheet, plain"},
    {"image": "lime.png", "caption": 'a "lime" sheet'},
    {"image": "blue.png", "caption": "ein blaues Blatt für dich"},
]


def write_csv(file, rows):
    with file.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_parquet(file, rows):
    parquet.write_table(pyarrow.Table.from_pylist(rows), file)


def write_jsonl(file, rows):
    file.write_text("\n\n".join(json.dumps(row) for row in rows))


WRITERS = {".csv": write_csv, ".parquet": write_parquet, ".jsonl": write_jsonl}


@pytest.mark.parametrize("suffix", WRITERS)
def test_every_captions_file_gives_the_same_samples(photos, suffix):
    file = photos / f"captions{suffix}"
    WRITERS[suffix](file, ROWS)
    for path in (photos, str(photos), file):
        source = open_source(path)
        assert list(source.keys) == ["red.png", "lime.png", "blue.png"]
        assert [sample.captions for sample in source] == [(row["caption"],) for row in ROWS]
        assert decode_image(source[1].image).getpixel((0, 0)) == (0, 255, 0)
        assert source.root == photos
        assert source.annotations == photos / "annotations"
    assert open_source(photos).name == "photos"


@pytest.mark.parametrize("suffix", WRITERS)
def test_several_captions_and_keys(photos, suffix):
    others = ["a red sheet", "red paper"]
    row = {"key": "7", "image": "red.png", "caption": "a red sheet", "captions": others}
    if suffix == ".csv":
        row["captions"] = json.dumps(others)
    WRITERS[suffix](photos / f"captions{suffix}", [row])
    source = open_source(photos)
    assert source[0].key == "7"
    assert source.captions(0) == ("a red sheet", "red paper")


def test_captions_alone_and_number_keys(photos, write_rows):
    write_rows(photos / "captions.jsonl", [{"key": 12, "image": "red.png", "captions": ["one", "two"]}])
    assert open_source(photos)[0].captions == ("one", "two")
    assert list(open_source(photos).keys) == ["12"]


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("column", ["text", "caption"])
def test_image_folder_of_hugging_face(photos, tmp_path, suffix, column):
    WRITERS[suffix](photos / f"metadata{suffix}", [{"file_name": r["image"], column: r["caption"]} for r in ROWS])
    source = open_source(photos)
    theirs = datasets.load_dataset(
        "imagefolder", data_dir=str(photos), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert {sample.captions[0] for sample in source} == set(theirs[column])
    assert list(source.keys) == [row["image"] for row in ROWS]


def test_a_file_of_another_name_keeps_its_annotations_apart(photos, write_rows):
    train = open_source(write_rows(photos / "train.jsonl", ROWS[:2]))
    test = open_source(write_rows(photos / "test.jsonl", ROWS[2:]))
    assert (len(train), len(test)) == (2, 1)
    assert train.root == test.root == photos
    assert train.annotations != test.annotations


def test_sources_travel_to_workers(photos, write_rows):
    write_rows(photos / "captions.jsonl", ROWS)
    source = open_source(photos)
    assert list(pickle.loads(pickle.dumps(source))) == list(source)


def test_opening_imports_no_torch(photos, write_rows):
    write_rows(photos / "captions.jsonl", ROWS)
    code = "import sys; from rebind.data import open_source; import rebind.data.annotations, rebind.data.writing; "
    code += f"print(open_source({str(photos)!r})[0].key, 'torch' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == ["red.png", "False"]


GOOD = json.dumps(ROWS[0])
BAD_ROWS = {
    '{"picture": "red.png", "caption": "a"}': "line 2: no column `image` (or `file_name`), only `picture`, `caption`",
    '{"image": "red.png"}': "line 2: no column `caption` (or `captions`, or `text`), only `image`",
    '{"image": "blue.png", "caption": "  "}': "line 2: `caption` is empty",
    '{"image": "blue.png", "caption": null}': "line 2: neither `caption` nor `captions` is given",
    '{"image": "blue.png", "caption": 5}': "line 2: `caption` must be a text, not int",
    '{"image": "blue.png", "captions": "a"}': "line 2: `captions` must be a list of texts, not str",
    '{"image": "blue.png", "captions": []}': "line 2: `captions` is an empty list",
    '{"image": "blue.png", "captions": ["a", ""]}': "line 2: `captions` is empty",
    '{"image": "blue.png", "caption": "\\ud800"}': "line 2: `caption` holds characters that are not valid Unicode",
    '{"image": "", "caption": "a"}': "line 2: `image` is empty",
    '{"image": "/etc/a.png", "caption": "a"}': "line 2: `image` must be a path within the folder",
    '{"image": "../a.png", "caption": "a"}': "line 2: `image` must be a path within the folder",
    '{"image": "b/../../a.png", "caption": "a"}': "line 2: `image` must be a path within the folder",
    '{"file_name": "../a.png", "text": "a"}': "line 2: `file_name` must be a path within the folder",
    '{"image": "a\\u0000.png", "caption": "a"}': "line 2: `image` must be a path within the folder",
    '{"image": "red.png", "caption": "a"}': "line 2: the key 'red.png' was already used in {file}, line 1",
    '{"image": "red.png", "caption": "a", "key": true}': "line 2: `key` must be a text, not bool",
    '{"image": "red.png", "caption': "line 2: invalid JSON",
    "[" * 100_000: "line 2: invalid JSON",
    '["red.png", "a"]': "line 2: expected a JSON object, found list",
}


@pytest.mark.parametrize("line", BAD_ROWS, ids=lambda line: line[:50])
def test_a_bad_row_is_named(photos, line):
    file = photos / "captions.jsonl"
    file.write_text(f"{GOOD}\n{line}\n")
    with pytest.raises(UserError) as caught:
        open_source(photos)
    assert str(caught.value).startswith(f"{file}, {BAD_ROWS[line].format(file=file)}")
    assert "\n" not in str(caught.value)


def test_paths_that_only_look_like_escapes_are_fine(photos, write_rows):
    write_rows(
        photos / "captions.jsonl", [{"image": n, "caption": "a"} for n in ("..red.png", "b/../red.png", "b..png")]
    )
    assert len(open_source(photos)) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,caption\nred.png,a dog, a cat\n", "captions.csv, line 2: more fields than the header names"),
        ("image,caption\nred.png\n", "captions.csv, line 2: neither `caption` nor `captions` is given"),
        ("image,captions\nred.png,a dog\n", "captions.csv, line 2: `captions` must be a JSON list of texts"),
        ('image,caption\nred.png,"a dog\n', "captions.csv, line 2: invalid CSV from here on"),
        (
            "image;caption\nred.png;a dog\n",
            "captions.csv, line 2: no column `image` (or `file_name`), only `image;caption`",
        ),
        ("image,caption\n", "captions.csv has no rows"),
        ("", "captions.csv has no rows"),
    ],
)
def test_a_bad_csv_is_named(photos, text, message):
    (photos / "captions.csv").write_text(text)
    with pytest.raises(UserError) as caught:
        open_source(photos)
    assert message in str(caught.value)


def test_a_csv_saved_by_a_spreadsheet(photos):
    (photos / "captions.csv").write_bytes('\ufeffimage,caption\r\nred.png,"two\nlines"\r\n'.encode())
    assert open_source(photos)[0].captions == ("two\nlines",)


def test_unreadable_files_are_named(photos):
    file = photos / "captions.csv"
    file.write_bytes("image,caption\nred.png,Stra\xdfe\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"captions\.csv is not UTF-8 text"):
        open_source(file)
    file.rename(photos / "captions.parquet")
    with pytest.raises(UserError, match=r"captions\.parquet is not a readable Parquet file"):
        open_source(photos)


def test_a_parquet_row_is_named(photos):
    write_parquet(photos / "captions.parquet", [*ROWS, {"image": "x.png", "caption": ""}])
    with pytest.raises(UserError, match=r"captions\.parquet, row 4: `caption` is empty"):
        open_source(photos)


def test_what_to_open_must_be_clear(photos, tmp_path, write_rows):
    with pytest.raises(UserError, match=r"nowhere does not exist"):
        open_source(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"photos holds no captions; expected one of captions\.jsonl"):
        open_source(photos)
    with pytest.raises(UserError, match=r"red\.png is no source of captioned images"):
        open_source(photos / "red.png")
    write_rows(photos / "captions.jsonl", ROWS)
    write_rows(photos / "metadata.jsonl", ROWS)
    with pytest.raises(UserError, match=r"several sources \(captions\.jsonl, metadata\.jsonl\)"):
        open_source(photos)


def test_links_out_of_the_folder(photos, tmp_path, write_rows):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "secret.png").write_bytes((photos / "red.png").read_bytes())
    (photos / "more").symlink_to(tmp_path / "elsewhere")
    (photos / "link.png").symlink_to(tmp_path / "secret.png")
    (photos / "inner.png").symlink_to(photos / "red.png")
    (photos / "loop.png").symlink_to(photos / "loop.png")
    write_rows(photos / "captions.jsonl", [{"image": n, "caption": "a"} for n in ("inner.png", "link.png", "loop.png")])
    source = open_source(photos)
    assert decode_image(source[0].image).getpixel((0, 0)) == (255, 0, 0)
    with pytest.raises(BrokenImageError, match=r"link\.png is a link that leads out of the folder"):
        source[1]
    with pytest.raises(BrokenImageError):
        decode_image(source[2].image)
    write_rows(photos / "captions.jsonl", [ROWS[0], {"image": "more/x.png", "caption": "a"}])
    with pytest.raises(UserError, match=r"captions\.jsonl, line 2: the image 'more/x\.png' lies outside"):
        open_source(photos)


def test_a_folder_reached_by_a_link_is_fine(photos, tmp_path, write_rows):
    write_rows(photos / "captions.jsonl", ROWS)
    (tmp_path / "link").symlink_to(photos)
    assert decode_image(open_source(tmp_path / "link")[0].image).size == (8, 6)
