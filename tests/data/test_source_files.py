import csv
import io
import json
import os
import pickle

import datasets
import pyarrow
import pytest
from datasets import Dataset, DatasetDict
from PIL import Image
from pyarrow import parquet

from rebind.data import open_source
from rebind.data.broken import BrokenImageError
from rebind.data.images import decode_image
from rebind.data.streaming import stream_samples
from rebind.types import BrokenSample, UserError
from tars import write_tar


def png(colour="red", size=(8, 6)):
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


def colour(image):
    return decode_image(image).getpixel((0, 0))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


@pytest.fixture
def describe(tmp_path):
    def write(text, name="it.yaml"):
        file = tmp_path / name
        file.write_text(text)
        return file

    return write


@pytest.fixture
def downloads(tmp_path):
    """Two shards as img2dataset writes them: of ten URLs, six images were had."""
    folder = tmp_path / "cc3m"
    folder.mkdir()
    for shard in range(2):
        members, rows = [], []
        for number in range(5):
            key, ok = f"{shard:05d}{number:04d}", number % 5 < 3
            fields = {
                "caption": f"caption {key}",
                "url": f"https://images.test/{key}.jpg",
                "key": key,
                "status": "success" if ok else "failed_to_download",
                "error_message": None if ok else f"HTTP Error 40{number}: gone",
                "width": 8 if ok else None,
                "height": 6 if ok else None,
                "exif": "{}",
                "sha256": "0" * 64,
            }
            rows.append(fields)
            if ok:
                members += [
                    (f"{key}.jpg", png("red")),
                    (f"{key}.json", json.dumps(fields)),
                    (f"{key}.txt", fields["caption"]),
                ]
        write_tar(folder / f"{shard:05d}.tar", members)
        parquet.write_table(pyarrow.Table.from_pylist(rows), folder / f"{shard:05d}.parquet")
        stats = {"count": 5, "successes": 3, "failed_to_download": 2, "failed_to_resize": 0, "duration": 1.5}
        stats["status_dict"] = {"success": 3, "HTTP Error 403: gone": 1, "HTTP Error 404: gone": 1}
        (folder / f"{shard:05d}_stats.json").write_text(json.dumps(stats))
    return folder


@pytest.mark.parametrize("without", [[], ["00000_stats.json"], ["00000_stats.json", "00001_stats.json"]])
def test_failed_downloads_are_skipped_and_counted_by_reason(downloads, without):
    for name in without:
        (downloads / name).unlink()
    source = open_source(downloads)
    assert len(source) == 6
    assert source.broken == ()
    assert source.skipped == {"HTTP Error 403: gone": 2, "HTTP Error 404: gone": 2}


def test_a_failed_download_whose_json_is_in_the_shard_is_no_broken_sample(tmp_path):
    failed = {"status": "failed_to_resize", "error_message": "Image decoding error", "caption": "b"}
    write_tar(tmp_path / "a.tar", [("0.jpg", png()), ("0.txt", "a"), ("1.json", json.dumps(failed)), ("2.txt", "c")])
    source = open_source(tmp_path / "a.tar")
    assert list(source.keys) == ["0"]
    assert source.skipped == {"Image decoding error": 1}
    assert [one.key for one in source.broken] == ["a.tar:2"]


@pytest.mark.parametrize("text", ["[]", "nonsense", '{"status_dict": [1]}', '{"status_dict": {"x": "y"}}'])
def test_statistics_of_another_kind_are_named(downloads, text):
    (downloads / "00001_stats.json").write_text(text)
    with pytest.raises(UserError, match=r"00001_stats\.json is not a statistics file of img2dataset"):
        open_source(downloads)


DREAMLIP = [
    *["Image Path", "raw_caption", "shortIB_captions", "longIB_captions", "shortSV_captions", "longSV_captions"],
    *["shortLLA_captions", "longLLA_captions"],
]


@pytest.fixture
def dreamlip(downloads):
    """DreamLIP's captions of four of the six images, of one that was not had, and one twice."""
    with (downloads.parent / "cc3m_dreamlip.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(DREAMLIP)
        for key in ("000010001", "000000000", "000000002", "000000003", "000010000", "000000000"):
            url = f"https://images.test/{key}.jpg"
            texts = [f"{name}, of {key}; {len(table.dialect.delimiter)}\n" for name in DREAMLIP[1:]]
            table.writerow([url, *texts])
    return downloads.parent / "cc3m_dreamlip.csv"


def test_captions_of_dreamlip_replace_those_of_the_images_by_url(dreamlip, describe):
    file = describe(
        "source: cc3m/{00000..00001}.tar\ncaptions: {file: cc3m_dreamlip.csv, column: shortLLA_captions, by: url}\n"
    )
    source = open_source(file)
    assert list(source.keys) == ["000000000", "000000002", "000010000", "000010001"]
    assert [source.captions(row) for row in range(4)] == [(f"shortLLA_captions, of {key}; 1",) for key in source.keys]
    assert source.skipped["no caption in cc3m_dreamlip.csv"] == 2
    assert source.skipped["HTTP Error 404: gone"] == 2
    assert source.annotations == file.parent / "annotations" / "it"
    assert colour(source.image(3)) == (255, 0, 0)


def test_several_columns_become_several_captions(dreamlip, describe):
    file = describe(
        "source: cc3m\ncaptions: {file: cc3m_dreamlip.csv, column: [shortSV_captions, raw_caption], by: url}"
    )
    assert open_source(file).captions(0) == ("shortSV_captions, of 000000000; 1", "raw_caption, of 000000000; 1")


def test_captions_are_joined_by_key_from_parquet_and_empty_ones_left_out(downloads, describe):
    rows = [{"key": 10001, "short": "by number"}, {"key": 0, "short": " "}]
    parquet.write_table(pyarrow.Table.from_pylist(rows), downloads.parent / "more.parquet")
    for shard in downloads.glob("*.tar"):
        shard.unlink()
    write_tar(
        downloads / "0.tar",
        [(f"{key}.{kind}", data) for key in ("0", "10001") for kind, data in (("png", png()), ("txt", "x"))],
    )
    source = open_source(describe("source: cc3m\ncaptions: {file: more.parquet, column: short}"))
    assert [(sample.key, sample.captions) for sample in source] == [("10001", ("by number",))]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("captions: {file: x.csv, column: a}", "must have exactly one of the fields `source`, `huggingface`"),
        ("- a list", "must have exactly one of the fields"),
        ("a: [", "is not readable YAML"),
        ("source: cc3m\nhuggingface: x", "must have exactly one"),
        ("source: cc3m", "field `captions`: Field required"),
        ("source: cc3m\nimage: x", "unknown field `image`; allowed are `source`, `captions`|field `captions`"),
        (
            "source: cc3m\ncaptions: {file: a.csv, column: a, how: url}",
            "unknown field `captions.how`; allowed are `file`",
        ),
        ("source: cc3m\ncaptions: {file: a.csv, column: a, by: name}", "field `captions.by`: Input should be 'url' or"),
        ("source: cc3m\ncaptions: {file: a.csv, column: a}", "cannot read .*a.csv: No such file"),
        ("source: cc3m\ncaptions: {file: a.txt, column: a}", "is no table; give a file that ends in"),
        ("source: nowhere\ncaptions: {file: a.csv, column: a}", "nowhere does not exist"),
        (
            "source: cc3m\ncaptions: {file: cc3m_dreamlip.csv, column: shortXX, by: url}",
            "no column `shortXX`, only `Image P",
        ),
        (
            "source: cc3m\ncaptions: {file: cc3m_dreamlip.csv, column: raw_caption}",
            "no key of .* such as '000000000', is in",
        ),
        (
            "source: cc3m\ncaptions: {file: other.csv, column: b, by: url}",
            "no column `url`, `Image Path`, `image_url` to",
        ),
        ("negclip: nowhere.tsv", "cannot read .*nowhere.tsv"),
        ("huggingface: nowhere/nothing", "cannot load the split `train` of the dataset nowhere/nothing: "),
        ("triplets: cc3m", "cc3m holds no negative captions"),
        ("triplets: 3", "field `triplets`: Input should be a valid string"),
        ("source: it.yaml\ncaptions: {file: a.csv, column: a}", "it.yaml describes a source of a source without end"),
        ("source: other.yaml\ncaptions: {file: a.csv, column: a}", ".yaml describes a source of a source without end"),
        ("&it\nsource: *it\ncaptions: {file: a.csv, column: a}", "it.yaml describes a source of a source without end"),
        ("source: " + 5000 * "[", "it.yaml describes a source of a source without end"),
    ],
)
def test_what_is_wrong_with_a_source_file_is_one_sentence(dreamlip, describe, text, says):
    (dreamlip.parent / "other.csv").write_text("a,b\n1,2\n")
    (dreamlip.parent / "other.yaml").write_text("source: it.yaml\ncaptions: {file: a.csv, column: a}")
    with pytest.raises(UserError, match=says) as error:
        open_source(describe(text))
    assert "\n" not in str(error.value)


def test_a_source_without_urls_is_joined_by_key(tmp_path, describe):
    write_tar(tmp_path / "a.tar", [("0.jpg", png()), ("0.txt", "a")])
    (tmp_path / "c.csv").write_text("url,b\n1,2\n")
    with pytest.raises(UserError, match=r"says of no image which URL it has; join .*c\.csv by: key"):
        open_source(describe("source: a.tar\ncaptions: {file: c.csv, column: b, by: url}"))


def test_urls_of_a_captions_file(photos, describe):
    (photos / "captions.csv").write_text("image,caption,url\nred.png,a,u1\nblue.png,b,u2\n")
    (photos.parent / "c.jsonl").write_text('{"url": "u2", "long": "a blue sheet"}\n')
    source = open_source(describe("source: photos\ncaptions: {file: c.jsonl, column: long, by: url}"))
    assert [(sample.key, sample.captions) for sample in source] == [("blue.png", ("a blue sheet",))]


NEGCLIP = (
    "\ttitle\tfilepath\tneg_caption\tneg_image\n"
    "0\tA child holding a yak. \tcoco/val2014/a.png\t['A yak holding a child .']\t[2, 1]\n"
    '1\tA truck on it\'s side.\tcoco/val2014/b.png\t"[""A side on it \'s truck ."", \'b\']"\t[0]\n'
    "2\tSky.\tcoco/val2014/a.png\t[]\t[]\n"
)


@pytest.fixture
def negclip(tmp_path):
    (tmp_path / "files" / "coco" / "val2014").mkdir(parents=True)
    for name, shade in (("a", "red"), ("b", "blue")):
        (tmp_path / "files" / "coco" / "val2014" / f"{name}.png").write_bytes(png(shade))
    (tmp_path / "train_neg_clip.tsv").write_text(NEGCLIP)
    (tmp_path / "it.yaml").write_text("negclip: train_neg_clip.tsv\nimages: files\n")
    return tmp_path / "it.yaml"


def test_the_file_of_negclip(negclip):
    source = pickle.loads(pickle.dumps(open_source(negclip)))
    assert list(source.keys) == ["0", "1", "2"]
    assert source.captions(0) == ("A child holding a yak.",)
    assert source.has_negatives
    assert [(one.caption, one.family, one.image) for one in source.negatives(0, with_images=False)] == [
        ("A yak holding a child .", "swap", None),
        ("Sky.", "neighbour", None),
        ("A truck on it's side.", "neighbour", None),
    ]
    assert [one.caption for one in source.negatives(1)][:2] == ["A side on it 's truck .", "b"]
    assert source.negatives(2) == ()
    assert [image and colour(image) for image in (source.negative_image(0, number) for number in range(3))] == [
        None,
        (255, 0, 0),
        (0, 0, 255),
    ]
    assert [one.image for one in source.negatives(0)] == [source.negative_image(0, number) for number in range(3)]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("[2, 1]", "[3]", "`neg_image` of row 0 names row 3, and the last is 2"),
        ("[2, 1]", "[-1]", "line 2: `neg_image` must be a list of row numbers"),
        ("[2, 1]", "['a']", "line 2: `neg_image` must be a list of row numbers"),
        ("[2, 1]", "__import__('os').abort()", "line 2: `neg_image` must be a list as Python writes it"),
        ("['A yak holding a child .']", "[" * 10_000, "line 2: `neg_caption` must be a list as Python"),
        ("['A yak holding a child .']", "[1]", "line 2: `neg_caption` must be a text"),
        ("coco/val2014/b.png", "/etc/passwd", "line 3: `filepath` must be a path within the folder"),
        ("filepath", "path", "line 2: no column `filepath`, only"),
    ],
)
def test_what_is_wrong_with_a_file_of_negclip_is_said(negclip, old, new, says):
    (negclip.parent / "train_neg_clip.tsv").write_text(NEGCLIP.replace(old, new))
    with pytest.raises(UserError, match=says):
        open_source(negclip)


def rows(count=5):
    return [
        {
            "id": f"row-{number}",
            "image": {"bytes": png((40 * number, 0, 0)), "path": None},
            "caption": f"sheet {number}",
            "sentences": [{"raw": f"sheet {number}"}, {"raw": f"page {number}"}],
            "url": f"u{number}",
        }
        for number in range(count)
    ]


def dataset(records):
    return Dataset.from_list(records).cast_column("image", datasets.Image())


def test_a_saved_dataset_is_read_in_any_order_and_its_pictures_stay_encoded(tmp_path, describe):
    dataset(rows()).save_to_disk(tmp_path / "saved")
    source = pickle.loads(pickle.dumps(open_source(describe("huggingface: saved\n"))))
    assert list(source.keys) == [f"{number:09d}" for number in range(5)]
    assert source.image(4) == png((160, 0, 0))
    assert source.image(1) == png((40, 0, 0))
    assert source.captions(3) == ("sheet 3",)
    assert source.notes == (
        "the image is taken from the column `image`",
        "the caption is taken from the column `caption`",
    )
    assert list(source.urls()) == [f"u{number}" for number in range(5)]


def test_splits_columns_and_keys_are_chosen(tmp_path, describe):
    DatasetDict({"train": dataset(rows(2)), "test": dataset(rows())}).save_to_disk(tmp_path / "saved")
    source = open_source(describe("huggingface: saved\nsplit: test\ncaption: sentences\nkey: id"))
    assert list(source.keys) == [f"row-{number}" for number in range(5)]
    assert source.captions(1) == ("sheet 1", "page 1")
    assert source.notes == ("the image is taken from the column `image`",)


def test_data_files_are_loaded_by_the_library(tmp_path, describe):
    (tmp_path / "data").mkdir()
    dataset(rows()).to_parquet(tmp_path / "data" / "train.parquet")
    assert [sample.captions[0] for sample in open_source(describe("huggingface: data"))] == [
        f"sheet {number}" for number in range(5)
    ]


def test_an_image_folder_of_the_library_and_no_file_besides(tmp_path, describe):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.png").write_bytes(png("blue"))
    (folder / "metadata.jsonl").write_text('{"file_name": "a.png", "text": "blue"}\n')
    source = open_source(describe("huggingface: folder"))
    assert colour(source.image(0)) == (0, 0, 255)
    (tmp_path / "secret.png").write_bytes(png("red"))
    (folder / "a.png").unlink()
    os.symlink(tmp_path / "secret.png", folder / "a.png")
    with pytest.raises(BrokenImageError, match="is not a file of the dataset"):
        source.image(0)


def test_rows_without_caption_are_broken_and_without_picture_when_asked(tmp_path, describe):
    records = rows(3)
    records[0]["caption"] = None
    records[1]["image"] = None
    dataset(records).save_to_disk(tmp_path / "saved")
    source = open_source(describe("huggingface: saved"))
    assert list(source.keys) == ["000000001", "000000002"]
    assert source.broken == (BrokenSample("row 0", "`caption` is empty"),)
    with pytest.raises(BrokenImageError, match="no picture in its cell"):
        source.image(0)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("huggingface: saved\nsplit: val", "has no split `val`, only `train`"),
        ("huggingface: saved\ncaption: text", "saved has no column `text`, only `id`, `image`"),
        ("huggingface: saved\nkey: same", r"the key 'x' of row 1 was already used in row 0; leave `key` out"),
        ("huggingface: empty", "cannot load the split `train` of the folder .*empty: "),
        ("huggingface: odd", "which column of odd holds the caption cannot be guessed; name it as `caption`, one of"),
        ("huggingface: saved\nstreaming: true", "is a stream, .* `rebind data pack .*it.yaml --out DIR`"),
    ],
)
def test_what_is_wrong_with_a_dataset_is_said(tmp_path, describe, text, says):
    DatasetDict({"train": dataset([{**row, "same": "x"} for row in rows(2)])}).save_to_disk(tmp_path / "saved")
    dataset([{"image": row["image"], "says": "a"} for row in rows(2)]).save_to_disk(tmp_path / "odd")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=says):
        open_source(describe(text))


@pytest.mark.parametrize("kind", ["saved", "data"])
def test_a_stream_gives_the_same_samples(tmp_path, describe, kind):
    records = rows()
    records[2]["caption"] = ""
    dataset(records).save_to_disk(tmp_path / "saved")
    dataset(records).to_parquet(tmp_path / "data" / "train.parquet") if not (tmp_path / "data").mkdir() else None
    streamed = list(stream_samples(describe(f"huggingface: {kind}\nstreaming: true")))
    assert streamed.pop(2) == BrokenSample("row 2", "`caption` is empty")
    assert (
        streamed
        == list(stream_samples(describe(f"huggingface: {kind}")))
        == list(open_source(describe(f"huggingface: {kind}")))
    )


def triplets(count=3):
    return [
        {
            "image": png((80 * number, 0, 0)),
            "caption": f"a red sheet {number}",
            "neg_image": png((0, 80 * number, 0)),
            "neg_caption": f"a green sheet {number}" if number else "",
            "key": f"t{number}",
        }
        for number in range(count)
    ]


def write_triplets(folder, kind):
    if kind == "parquet":
        for number, row in enumerate(triplets()):
            parquet.write_table(pyarrow.Table.from_pylist([row]), folder / f"part-{number}.parquet")
    else:
        fields = ("image", "caption", "neg_image", "neg_caption")
        members = [(f"{row['key']}.{name}", row[name]) for row in triplets() for name in fields]
        write_tar(folder / "shard-0.tar", members)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("parquet", "triplets: data/*.parquet\nkey: key"),
        ("parquet", "triplets: data\nkey: key"),
        ("tar", "triplets: data"),
        ("tar", "triplets: data/*.tar"),
        ("tar", None),
    ],
)
def test_triplets_bring_negatives_with_pictures(tmp_path, describe, kind, text):
    (tmp_path / "data").mkdir()
    write_triplets(tmp_path / "data", kind)
    source = pickle.loads(pickle.dumps(open_source(describe(text) if text else tmp_path / "data")))
    assert source.has_negatives
    assert list(source.keys) == ["t0", "t1", "t2"]
    assert source.negatives(0) == ()
    for number in (1, 2):
        (negative,) = source.negatives(number)
        assert negative.caption == f"a green sheet {number}"
        assert negative.image == source.negative_image(number, 0) == png((0, 80 * number, 0))
        assert source.negatives(number, with_images=False)[0].image is None
        assert source.image(number) == png((80 * number, 0, 0))


def test_a_stream_of_triplets(tmp_path, describe):
    (tmp_path / "data").mkdir()
    write_triplets(tmp_path / "data", "parquet")
    text = "triplets: data/*.parquet\nkey: key\n"
    assert list(stream_samples(describe(text + "streaming: true"))) == list(open_source(describe(text)))


def test_captions_over_a_described_source(tmp_path, describe):
    dataset(rows()).save_to_disk(tmp_path / "saved")
    (tmp_path / "c.csv").write_text("key,long\nrow-3,a long caption\n")
    source = open_source(describe("source: {huggingface: saved, key: id}\ncaptions: {file: c.csv, column: long}"))
    assert [(sample.key, sample.captions) for sample in source] == [("row-3", ("a long caption",))]
    assert source.image(0) == png((120, 0, 0))


def test_a_tsv_is_a_captions_file(photos):
    (photos / "captions.tsv").write_text("image\tcaption\nred.png\ta, b\n")
    assert open_source(photos).captions(0) == ("a, b",)
