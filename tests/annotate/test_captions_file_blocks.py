"""Files of captions as input: never written over, every row looked at, and hardly any memory taken."""

import json
import os
import tracemalloc

import pytest
from corpus import write_captions

from command_line import CommandLine
from killing import contents
from rebind.annotate.captions_file import CaptionsFileBlocks
from rebind.types import UserError


@pytest.mark.parametrize("command", ["concepts", "negatives"])
def test_neither_the_captions_nor_a_folder_are_written_over(monkeypatch, capfd, tmp_path, command):
    rebind, captions = CommandLine(monkeypatch, capfd), write_captions(tmp_path / "captions.jsonl", 3)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "1.jpg").write_bytes(b"one")
    os.link(captions, tmp_path / "link.jsonl")
    before = contents(tmp_path)
    for out in (captions, tmp_path / "photos" / ".." / "captions.jsonl", tmp_path / "link.jsonl"):
        said = rebind.refuses(command, "--captions", captions, "--out", out)
        assert said == f"{out} holds the captions, which would be lost; give --out another name"
    said = rebind.refuses(command, "--captions", captions, "--out", tmp_path / "photos")
    assert said == f"cannot write {tmp_path / 'photos'}: it is a folder; give the name of a file"
    assert contents(tmp_path) == before


@pytest.mark.parametrize("field", ["key", "caption"])
def test_what_is_no_unicode_is_named(tmp_path, field):
    row = {"key": "a", "caption": "a cup"} | {field: "half \ud83d"}
    (tmp_path / "captions.jsonl").write_text(json.dumps(row))
    with pytest.raises(UserError, match=f"row 1: field '{field}' holds characters that are not valid Unicode"):
        CaptionsFileBlocks.of(tmp_path / "captions.jsonl", 10)


def test_a_repeated_key_is_named_with_both_rows(tmp_path):
    captions = write_captions(tmp_path / "captions.jsonl", 50)
    with captions.open("a") as lines:
        lines.write('\n{"key": "k7", "caption": "once more"}\n')
    with pytest.raises(UserError, match="row 52: field 'key' repeats 'k7' of row 8"):
        CaptionsFileBlocks.of(captions, 10)


def test_a_row_takes_no_more_than_its_hash(tmp_path):
    rows = 20_000
    with (tmp_path / "captions.jsonl").open("w") as lines:
        lines.writelines(f'{{"key": "{number:040}", "caption": "a cup"}}\n' for number in range(rows))
    tracemalloc.start()
    blocks = CaptionsFileBlocks.of(tmp_path / "captions.jsonl", 1000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert blocks.items == rows
    assert peak < 24 * rows  # eight for each hash, as much again while the array grows, and what one line takes
