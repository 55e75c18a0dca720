"""Reading a file of captions: JSON lines ``{"key", "caption"}``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rebind.types import UserError

_WANTED = "write one object with 'key' and 'caption' a line"


def read_captions_file(path: str | Path) -> Iterator[tuple[str, str]]:
    """The (key, caption) pairs of a file of JSON lines, one after the other; other fields are ignored.

    Raises:
        UserError: when the file cannot be read, or a row is not JSON, lacks a field, has a blank caption or a key that
            was seen before; the sentence names file, row and field.
    """
    path = Path(path)
    seen: dict[str, int] = {}
    try:
        with path.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                key, caption = caption_row(line, f"{path}, row {number}")
                if key in seen:
                    raise UserError(
                        f"{path}, row {number}: field 'key' repeats {key!r} of row {seen[key]}; keys must be unique"
                    )
                seen[key] = number
                yield key, caption
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text; save it as UTF-8 JSON lines") from error
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; give an existing JSON lines file") from error


def json_object(line: str, place: str, wanted: str) -> dict[str, Any]:
    """The JSON object on one line; ``place`` names it in errors, ``wanted`` says what would be right.

    Raises:
        UserError: when the line holds anything else.
    """
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{place} is not JSON ({error}); {wanted}") from error
    if not isinstance(row, dict):
        raise UserError(f"{place} is not a JSON object; {wanted}")
    return row


def caption_row(line: str, place: str) -> tuple[str, str]:
    """The key and the caption of one line; ``place`` names it in errors.

    Raises:
        UserError: when the line is not JSON or lacks a field, or the key or the caption is blank.
    """
    row = json_object(line, place, _WANTED)
    for name in ("key", "caption"):
        if not isinstance(row.get(name), str) or not row[name].strip():
            reason = "is missing" if name not in row else f"is {row[name]!r}"
            raise UserError(f"{place}: field {name!r} {reason}; it must be a text that is not empty")
        if any("\ud800" <= character <= "\udfff" for character in row[name]):
            raise UserError(f"{place}: field {name!r} holds characters that are not valid Unicode; write it in UTF-8")
    return row["key"], row["caption"]
