"""Concepts for a file of captions: JSON lines ``{"key", "caption"}`` in, ``{"key", "concepts"}`` out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rebind.concepts.extractor import Extractor
from rebind.storage import atomic_path
from rebind.types import UserError

_WANTED = "write one object with 'key' and 'caption' a line"


@dataclass
class ExtractionSummary:
    """What :func:`extract_file` did.

    Attributes:
        captions: rows read, each with one caption.
        concepts: concepts written, over all rows.
        without_noun_phrase: captions that became their own concept.
    """

    captions: int = 0
    concepts: int = 0
    without_noun_phrase: int = 0


def extract_file(captions_path: Path, out_path: Path, extractor: Extractor) -> ExtractionSummary:
    """Write the concepts of every caption in ``captions_path`` to ``out_path``, row by row, atomically.

    Args:
        captions_path: JSON lines, each an object with ``key`` and ``caption``; other fields and empty lines
            are ignored.
        out_path: JSON lines, each ``{"key": ..., "concepts": [...]}``, in the same order.
        extractor: see :func:`rebind.concepts.build_extractor`.

    Raises:
        UserError: when the file cannot be read or written, or a row is not JSON, lacks a field, has a blank caption
            or a key that was seen before; the sentence names file, row and field. Nothing is written then.
    """
    summary = ExtractionSummary()
    with atomic_path(Path(out_path)) as temporary, temporary.open("w", encoding="utf-8") as out:
        for key, caption in _captions(Path(captions_path)):
            concepts = extractor(caption)
            summary.captions += 1
            summary.concepts += len(concepts)
            if concepts == [caption.strip()] and not extractor.noun_phrases(caption):
                summary.without_noun_phrase += 1
            out.write(json.dumps({"key": key, "concepts": concepts}, ensure_ascii=False) + "\n")
    return summary


def _captions(path: Path) -> Iterator[tuple[str, str]]:
    seen: dict[str, int] = {}
    try:
        with path.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                key, caption = _row(line, f"{path}, row {number}")
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


def _row(line: str, place: str) -> tuple[str, str]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise UserError(f"{place} is not JSON ({error.msg}); {_WANTED}") from error
    if not isinstance(row, dict):
        raise UserError(f"{place} is not a JSON object; {_WANTED}")
    for name in ("key", "caption"):
        if not isinstance(row.get(name), str) or not row[name].strip():
            reason = "is missing" if name not in row else f"is {row[name]!r}"
            raise UserError(f"{place}: field {name!r} {reason}; it must be a text that is not empty")
    return row["key"], row["caption"]
