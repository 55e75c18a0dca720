"""Captions whose concepts a person wrote down: a file of labels, with the captions in it or in a file of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from rebind.concepts.captions_file import json_object, read_captions_file
from rebind.types import UserError

_WANTED = 'write one {"caption", "concepts"} a line, or {"key", "concepts"} with the captions in a file of their own'


class GoldCaption(NamedTuple):
    """A caption and the concepts that a person finds in it; none when it names nothing."""

    caption: str
    concepts: list[str]


def read_gold(path: str | Path, captions: str | Path | None = None) -> list[GoldCaption]:
    """Read a file of labels.

    Args:
        path: JSON lines, each an object with ``concepts``, a list of texts, and either ``caption`` or, to be looked up
            in ``captions``, ``key`` or ``id``. Empty lines and other fields are ignored.
        captions: JSON lines ``{"key", "caption"}``, or a COCO captions file (``.json``), whose captions are known by
            the id of their annotation. Not needed when every line of ``path`` has its caption.

    Raises:
        UserError: when a file cannot be read, a line lacks a field or has a wrong one, its key is not among the
            captions, or there is no line at all.
    """
    path = Path(path)
    known = {} if captions is None else _captions(Path(captions))
    gold = []
    try:
        for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
            if line.strip():
                gold.append(_gold_caption(line, f"{path}, row {number}", known, captions))
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text; save it as UTF-8 JSON lines") from error
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; give an existing JSON lines file") from error
    if not gold:
        raise UserError(f"{path} holds no labels; {_WANTED}")
    return gold


def _gold_caption(line: str, place: str, known: dict[str, str], captions: str | Path | None) -> GoldCaption:
    row = json_object(line, place, _WANTED)
    concepts = row.get("concepts")
    if not isinstance(concepts, list) or not all(isinstance(each, str) and each.strip() for each in concepts):
        raise UserError(f"{place}: field 'concepts' must be a list of texts that are not empty, not {concepts!r}")
    if isinstance(caption := row.get("caption"), str) and caption.strip():
        return GoldCaption(caption, concepts)
    key = row.get("key", row.get("id"))
    if key is None:
        raise UserError(f"{place} has neither 'caption' nor 'key' nor 'id'; {_WANTED}")
    if captions is None:
        raise UserError(f"{place} has no 'caption', only the key {key!r}; give the file of the captions, too")
    if str(key) not in known:
        raise UserError(f"{place}: {captions} has no caption of the key {key!r}; give the captions that were labelled")
    return GoldCaption(known[str(key)], concepts)


def _captions(path: Path) -> dict[str, str]:
    if path.suffix.lower() != ".json":
        return dict(read_captions_file(path))
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8-sig"))
        return {str(each["id"]): _text(each["caption"]) for each in content["annotations"]}
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; give an existing file of captions") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} is no COCO captions file; it must hold 'annotations' with 'id' and 'caption' each"
        ) from error


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("a caption must be a text")
    return value
