import json

import pytest

from rebind.concepts import read_captions_file
from rebind.types import UserError

GOOD = '{"key": "a", "caption": "A cat on a red mat."}'


def test_rows_come_in_order_one_after_the_other(tmp_path):
    captions = tmp_path / "captions.jsonl"
    rows = [{"key": "b", "caption": "Zwei?", "other": 1}, {"key": "a", "caption": " éclair"}]
    captions.write_text("\ufeff" + "\n\n".join(map(json.dumps, rows)) + "\n{", encoding="utf-8")
    read = read_captions_file(str(captions))
    assert [next(read), next(read)] == [("b", "Zwei?"), ("a", " éclair")]
    with pytest.raises(UserError, match="row 4 is not JSON"):
        next(read)


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
def test_a_bad_row_is_named(tmp_path, row, message):
    captions = tmp_path / "captions.jsonl"
    captions.write_text(f"{GOOD}\n{row}\n", encoding="utf-8")
    with pytest.raises(UserError, match=message) as error:
        list(read_captions_file(captions))
    assert str(captions) in str(error.value)


def test_a_missing_or_foreign_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"cannot read .*none\.jsonl"):
        list(read_captions_file(tmp_path / "none.jsonl"))
    foreign = tmp_path / "latin.jsonl"
    foreign.write_bytes('{"key": "a", "caption": "café"}'.encode("latin-1"))
    with pytest.raises(UserError, match="UTF-8"):
        list(read_captions_file(foreign))
