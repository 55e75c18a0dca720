import json

import pytest

from rebind.concepts import ExtractionSummary, build_extractor, extract_file
from rebind.types import UserError

GOOD = '{"key": "a", "caption": "A cat on a red mat."}'


def test_rows_keep_their_keys_and_order(tmp_path):
    captions, out = tmp_path / "captions.jsonl", tmp_path / "deep" / "concepts.jsonl"
    rows = [
        {"key": "b", "caption": "Zwei? It is so!", "other": 1},
        {"key": "a", "caption": "A cat on a red mat."},
        {"key": "c", "caption": "éclair"},
        {"key": "d", "caption": "is it so"},
    ]
    captions.write_text("\ufeff" + "\n\n".join(map(json.dumps, rows)), encoding="utf-8")
    summary = extract_file(captions, out, build_extractor())
    written = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert written == [
        {"key": "b", "concepts": ["zwei"]},
        {"key": "a", "concepts": ["cat", "red mat"]},
        {"key": "c", "concepts": ["éclair"]},
        {"key": "d", "concepts": ["is it so"]},
    ]
    assert summary == ExtractionSummary(captions=4, concepts=5, without_noun_phrase=1)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{key: 1}", "row 2 is not JSON"),
        ('["a", "b"]', "row 2 is not a JSON object"),
        ('{"caption": "a cat"}', "row 2: field 'key' is missing"),
        ('{"key": 7, "caption": "a cat"}', "row 2: field 'key' is 7"),
        ('{"key": "b"}', "row 2: field 'caption' is missing"),
        ('{"key": "b", "caption": " "}', "row 2: field 'caption' is ' '"),
        ('{"key": "b", "caption": null}', "row 2: field 'caption' is None"),
        ('{"key": "a", "caption": "a dog"}', "row 2: field 'key' repeats 'a' of row 1"),
    ],
)
def test_a_bad_row_is_named_and_nothing_is_written(tmp_path, row, message):
    captions, out = tmp_path / "captions.jsonl", tmp_path / "concepts.jsonl"
    captions.write_text(f"{GOOD}\n{row}\n", encoding="utf-8")
    out.write_text("before")
    with pytest.raises(UserError, match=message) as error:
        extract_file(captions, out, build_extractor())
    assert str(captions) in str(error.value)
    assert out.read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["captions.jsonl", "concepts.jsonl"]


def test_a_missing_or_foreign_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"cannot read .*none\.jsonl"):
        extract_file(tmp_path / "none.jsonl", tmp_path / "out.jsonl", build_extractor())
    foreign = tmp_path / "latin.jsonl"
    foreign.write_bytes('{"key": "a", "caption": "café"}'.encode("latin-1"))
    with pytest.raises(UserError, match="UTF-8"):
        extract_file(foreign, tmp_path / "out.jsonl", build_extractor())
