import json
import pickle

import pytest

from rebind.data import open_source
from rebind.data.annotation_files import read_annotation, write_annotation
from rebind.data.annotations import with_concepts, with_negatives, with_rewrites
from rebind.data.broken import BrokenImageError
from rebind.data.writing import write_folder_source, write_shards
from rebind.types import Negative, UserError

ROWS = [
    {"key": "a", "image": "red.png", "captions": ["a red sheet on a table", "red"]},
    {"key": "b", "image": "lime.png", "caption": "run"},
    {"key": "c", "image": "blue.png", "caption": "walk"},
]
PNG = b"\x89PNG "
NEGATIVES = [
    ("c", []),
    ("zz", [{"caption": "elsewhere"}]),
    (
        "a",
        [
            {"caption": "a blue sheet", "family": "replace_att", "image": "a_0"},
            {"caption": "a table on a sheet", "family": "swap_obj"},
            {"caption": "a lime sheet", "image": "a_2", "score": 3},
        ],
    ),
]
CONCEPTS = [("b", []), ("zz", ["elsewhere"]), ("a", ["red sheet", "table"])]


@pytest.fixture
def source(photos, write_rows):
    write_rows(photos / "captions.jsonl", ROWS)
    return open_source(photos)


def test_an_annotation_is_two_plain_files(source):
    file = write_annotation(source, "concepts", iter(CONCEPTS), {"backend": "textblob", "version": "0.20"})
    assert file == source.root / "annotations" / "concepts.jsonl"
    assert [json.loads(line) for line in file.read_text().splitlines()] == [
        {"key": key, "concepts": concepts} for key, concepts in CONCEPTS
    ]
    settings = json.loads((file.parent / "concepts.settings.json").read_text())
    assert settings == {"backend": "textblob", "version": "0.20", "count": 3}
    assert list(read_annotation(source, "concepts")) == CONCEPTS


def test_concepts_are_joined_by_key(source):
    write_annotation(source, "concepts", CONCEPTS, {})
    joined = with_concepts(source)
    assert [sample.concepts for sample in joined] == [("red sheet", "table"), ("run",), ("walk",)]
    assert [(s.key, s.captions, s.image) for s in joined] == [(s.key, s.captions, s.image) for s in source]
    assert list(pickle.loads(pickle.dumps(joined))) == list(joined)
    assert [sample.concepts for sample in source] == [(), (), ()]


def test_a_failed_rewrite_leaves_the_old_annotation(source):
    write_annotation(source, "concepts", CONCEPTS, {})

    def failing():
        yield "a", ["new"]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_annotation(source, "concepts", failing(), {})
    assert list(read_annotation(source, "concepts")) == CONCEPTS
    assert sorted(p.name for p in source.annotations.iterdir()) == ["concepts.jsonl", "concepts.settings.json"]


@pytest.mark.parametrize(
    ("join", "message"),
    [
        (with_concepts, r"annotations/concepts does not exist; write it with `rebind concepts .*photos`"),
        (with_negatives, r"negatives does not exist; write it with `rebind negatives .*photos`"),
        (with_rewrites, r'rewrites does not exist; put a line \{"key": \.\.\., "rewrites": \["'),
    ],
)
def test_a_missing_annotation_says_how_to_come_by_it(source, join, message):
    with pytest.raises(UserError, match=message):
        join(source)


def write_pictures(source, keys=("a_2", "unused", "a_0"), write=write_folder_source, **how):
    samples = [(key, PNG + key.encode(), f"what {key} shows") for key in keys]
    write(source.annotations / "negative_images", samples, **how)


def test_negatives_are_joined_by_key(source):
    write_annotation(source, "negatives", NEGATIVES, {})
    joined = with_negatives(source)
    assert [sample.negatives for sample in joined] == [
        (
            Negative("a blue sheet", "replace_att"),
            Negative("a table on a sheet", "swap_obj"),
            Negative("a lime sheet"),
        ),
        (),
        (),
    ]
    assert [sample.negatives for sample in source] == [(), (), ()]
    assert [n.caption for n in with_negatives(source, ["swap_obj"])[0].negatives] == ["a table on a sheet"]
    assert len(with_negatives(source, {"swap_obj", "replace_att"})[0].negatives) == 2


@pytest.mark.parametrize("how", [{}, {"write": write_shards, "samples_per_shard": 2}], ids=["folder", "shards"])
def test_negatives_with_pictures(source, how):
    write_annotation(source, "negatives", NEGATIVES, {})
    write_pictures(source, **how)
    joined = with_negatives(source, with_images=True)
    for each in (joined, pickle.loads(pickle.dumps(joined)), with_concepts_of(joined)):
        images = [negative.image for negative in each[0].negatives]
        assert [image if image is None else content(image) for image in images] == [PNG + b"a_0", None, PNG + b"a_2"]
        assert [each.negative_image(0, number) for number in range(3)] == images
        assert [negative.image for negative in each.negatives(0, with_images=False)] == [None] * 3


def with_concepts_of(source):
    write_annotation(source, "concepts", CONCEPTS, {})
    return with_concepts(source)


def content(image):
    return image if isinstance(image, bytes) else image.read_bytes()


def test_a_lost_picture_of_a_negative_leaves_its_caption(source):
    write_annotation(source, "negatives", NEGATIVES, {})
    write_pictures(source, write=write_shards, samples_per_shard=9)
    joined = with_negatives(source, with_images=True)
    (source.annotations / "negative_images" / "shard-00000.tar").unlink()
    with pytest.raises(BrokenImageError, match="No such file"):
        joined.negative_image(0, 0)
    assert joined.negatives(0, with_images=False)[0].caption == "a blue sheet"


def test_rewrites_follow_the_captions_of_the_source(source):
    write_annotation(source, "rewrites", [("a", ["scarlet paper", "red", "scarlet paper"]), ("c", [])], {})
    joined = with_rewrites(source)
    assert [joined.captions(index) for index in range(3)] == [
        ("a red sheet on a table", "red", "scarlet paper"),
        ("run",),
        ("walk",),
    ]


def test_annotations_are_joined_in_any_order(source):
    for name, rows in (("concepts", CONCEPTS), ("negatives", NEGATIVES), ("rewrites", [("b", ["hurry"])])):
        write_annotation(source, name, rows, {})
    orders = [
        with_rewrites(with_negatives(with_concepts(source))),
        with_concepts(with_rewrites(with_negatives(source))),
        with_negatives(with_concepts(with_rewrites(source))),
    ]
    first = list(orders[0])
    assert [sample.concepts for sample in first] == [("red sheet", "table"), ("run",), ("walk",)]
    assert first[1].captions == ("run", "hurry")
    assert len(first[0].negatives) == 3
    for each in orders:
        assert list(each) == first
        assert list(pickle.loads(pickle.dumps(each))) == first
        assert (each.path, each.annotations, list(each.keys)) == (source.path, source.annotations, list(source.keys))


@pytest.mark.parametrize("kind", ["folder", "shards", "pattern"])
def test_pictures_of_negatives_are_no_samples(tmp_path, kind):
    samples = [(f"k{n}", PNG, "a cup") for n in range(3)]
    for part in ("one", "two"):
        write_shards(tmp_path / "data" / part, [(f"{part}{key}", *rest) for key, *rest in samples], 2)
    place = {"folder": tmp_path / "photos", "shards": tmp_path / "data" / "one", "pattern": tmp_path / "data/*/*.tar"}
    write_folder_source(tmp_path / "photos", samples)
    source = open_source(place[kind])
    before = list(source.keys)
    write_pictures(source, write=write_shards, samples_per_shard=1)
    write_pictures_flat(source.root / "annotations")
    assert list(open_source(place[kind]).keys) == before
    pictures = source.annotations / "negative_images"
    assert sorted(open_source(pictures).keys) == ["a_0", "a_2", "unused"]
    assert len(open_source(pictures / "*.tar")) == 3


def write_pictures_flat(folder):
    """A shard as deep below the source as its own are."""
    folder.mkdir(exist_ok=True)
    write_shards(folder / "other", [("elsewhere", PNG, "a cup")], 1)
    (folder / "other" / "shard-00000.tar").rename(folder / "shard-00000.tar")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"key": "a"}', "line 1: the field `concepts` is missing"),
        ('{"concepts": []}', "line 1: the field `key` is missing"),
        ('{"key": 3, "concepts": []}', "line 1: the key 3 is no text or occurs twice"),
        (
            '{"key": "a", "concepts": []}\n{"key": "a", "concepts": []}',
            "line 2: the key 'a' is no text or occurs twice",
        ),
        ("{", "line 1: invalid JSON"),
        ('{"key": "a", "concepts": "red sheet"}', "key 'a': `concepts` must be a list of texts, not str"),
        ('{"key": "a", "concepts": ["red sheet", " "]}', "key 'a': `concepts` is empty"),
        ('{"key": "other", "concepts": ["x"]}', "none of the keys in"),
        ("", "none of the keys in"),
    ],
)
def test_a_bad_annotation_is_named(source, line, message):
    source.annotations.mkdir()
    (source.annotations / "concepts.jsonl").write_text(line)
    with pytest.raises(UserError) as caught:
        with_concepts(source)
    assert message in str(caught.value)
    assert "concepts.jsonl" in str(caught.value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"caption": "x"}, "key 'a': `negatives` must be a list of objects"),
        (["a blue sheet"], "key 'a': `negatives` must be a list of objects"),
        ([{"family": "swap_att"}], "key 'a': `caption` must be a text, not NoneType"),
        ([{"caption": " "}], "key 'a': `caption` is empty"),
        ([{"caption": "x", "family": 3}], "key 'a': `family` must be a text, not int"),
        ([{"caption": "x", "image": "a_0"}, {"caption": "x", "image": "a_9"}], "the `image` 'a_9' is no key of"),
        ([{"caption": "x", "image": ["a_0"]}], "the `image` ['a_0'] is no key of"),
        ([{"caption": "x"}], "negatives.jsonl has a picture; make them with `rebind pictures"),
    ],
)
def test_bad_negatives_are_named(source, value, message):
    write_annotation(source, "negatives", [("a", value)], {})
    write_pictures(source)
    with pytest.raises(UserError) as caught:
        with_negatives(source, with_images=True)
    assert message in str(caught.value)
    assert "negatives.jsonl" in str(caught.value)


def test_negatives_that_do_not_fit_the_source(source):
    write_annotation(source, "negatives", NEGATIVES, {})
    with pytest.raises(UserError, match=r"the `image` '.*' is no key of .*negative_images"):
        with_negatives(source, with_images=True)
    with pytest.raises(
        UserError, match="has no negatives of the family 'swap'; its families are: replace_att, swap_obj"
    ):
        with_negatives(source, ["swap_obj", "swap"])
    write_annotation(source, "negatives", NEGATIVES[1:2], {})
    with pytest.raises(UserError, match=r"none of the keys in .*negatives\.jsonl is a key of .*photos"):
        with_negatives(source)


def test_bad_rewrites_are_named(source):
    write_annotation(source, "rewrites", [("b", "hurry")], {})
    with pytest.raises(UserError, match=r"rewrites\.jsonl, key 'b': `rewrites` must be a list of texts, not str"):
        with_rewrites(source)


def test_lists_in_csv_are_json(source):
    folder = source.root / "annotations"
    folder.mkdir()
    (folder / "concepts.csv").write_text('key,concepts\na,"[""red sheet"", ""table""]"\nb,\n')
    (folder / "negatives.tsv").write_text('key\tnegatives\na\t"[{""caption"": ""a blue sheet"", ""family"": ""f""}]"\n')
    joined = with_negatives(with_concepts(source))
    assert [joined.concepts(row) for row in range(3)] == [("red sheet", "table"), ("run",), ("walk",)]
    assert joined.negatives(0) == (Negative("a blue sheet", "f"),)
    (folder / "concepts.csv").write_text("key,concepts\na,red sheet\n")
    with pytest.raises(UserError, match=r"concepts\.csv, line 2: `concepts` must be a JSON list"):
        with_concepts(source)


def test_commands_in_sentences_can_be_copied(tmp_path, photos, write_rows):
    photos.rename(tmp_path / "my photos")
    write_rows(tmp_path / "my photos" / "captions.jsonl", ROWS)
    with pytest.raises(UserError, match=r"`rebind concepts '.*/my photos'`"):
        with_concepts(open_source(tmp_path / "my photos"))
