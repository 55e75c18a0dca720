"""Reading a benchmark's annotation files, with one sentence for whatever is wrong in them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from rebind.types import UserError


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
