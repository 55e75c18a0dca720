"""Reading a benchmark's annotation files, with one sentence for whatever is wrong in them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

from rebind.types import UserError

ANNOTATION_SUFFIXES = (".json", ".jsonl", ".jsonlines", ".csv", ".tsv", ".txt", ".yaml", ".yml")
MOST_NAMED = 50  # files of one folder; more than that get one digest together
_BYTES_AT_ONCE = 1 << 20


def read_json(path: Path) -> Any:
    """The value of a JSON file.

    Raises:
        UserError: when the file cannot be read or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise UserError(f"{path} is not valid JSON: {error}") from error


def read_json_lines(path: Path) -> list[Any]:
    """The values of a JSONL file; blank lines are left out.

    Raises:
        UserError: when the file cannot be read or a line is not JSON.
    """
    rows = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {path}: {error}") from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                rows.append(json.loads(line))
            except ValueError as error:
                raise UserError(f"{path}, line {number}: not valid JSON: {error}") from error
    return rows


def text_field(row: Any, field: str, where: str) -> str:
    """The non-empty string ``row[field]``.

    Raises:
        UserError: when it is anything else; ``where`` names file and row.
    """
    value = row.get(field) if isinstance(row, dict) else None
    if not isinstance(value, str) or not value.strip():
        raise UserError(f'{where}: the field "{field}" must be a text that is not empty')
    return value


def image_file(root: Path, name: str, where: str) -> Path:
    """The image ``name`` below the folder ``root``; whether it exists is seen when it is decoded.

    Raises:
        UserError: when the name leads out of the folder; ``where`` names file and row.
    """
    relative = os.path.normpath(name)
    if os.path.isabs(relative) or relative.split(os.sep)[0] == os.pardir:
        raise UserError(f'{where}: the image "{name}" must lie inside {root}')
    return root / relative


def file_digests(paths: Iterable[Path]) -> dict[str, str]:
    """SHA-256 of annotation files by name; those below a folder are named relative to it.

    A folder's annotation files are those of text: JSON, JSONL, CSV, TSV, YAML, plain. Where it holds more than fifty,
    there is one digest for all, of the lines ``SHA-256  NAME`` in the order of the names, as ``sha256sum`` prints them.
    """
    found: dict[str, str] = {}
    for path in paths:
        if path.is_file():
            found[path.name] = _sha256(path)
            continue
        below = {file.relative_to(path).as_posix(): file for file in _annotation_files(path)}
        digests = {name: _sha256(below[name]) for name in sorted(below)}
        if len(digests) > MOST_NAMED:
            lines = "".join(f"{digest}  {name}\n" for name, digest in digests.items())
            digests = {f"{path.name}/ ({len(digests):,} files)": sha256(lines.encode()).hexdigest()}
        found |= digests
    return found


def _annotation_files(folder: Path) -> Iterable[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (
            Path(place, name) for name in names if name.endswith(ANNOTATION_SUFFIXES) and not name.startswith(".")
        )


def _sha256(path: Path) -> str:
    digest = sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_BYTES_AT_ONCE):
                digest.update(block)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    return digest.hexdigest()
