import json
import pickle

import pytest

from rebind.data import open_source
from rebind.data.annotations import read_annotation, with_concepts, write_annotation
from rebind.types import UserError

ROWS = [
    {"key": "a", "image": "red.png", "captions": ["a red sheet on a table", "red"]},
    {"key": "b", "image": "lime.png", "caption": "run"},
    {"key": "c", "image": "blue.png", "caption": "walk"},
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
    assert read_annotation(source, "concepts") == dict(CONCEPTS)


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
    assert read_annotation(source, "concepts") == dict(CONCEPTS)
    assert sorted(p.name for p in source.annotations.iterdir()) == ["concepts.jsonl", "concepts.settings.json"]


def test_a_missing_annotation_names_the_command(source):
    with pytest.raises(UserError, match=r"concepts\.jsonl does not exist; write it with `rebind concepts .*photos`"):
        with_concepts(source)


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
