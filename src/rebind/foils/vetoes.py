"""Vetoes: foils that a person looked at and does not want, one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rebind.data.captions import text_field
from rebind.data.rows import place, read_rows
from rebind.types import UserError


@dataclass(frozen=True)
class Veto:
    """One foil of one picture that must not return, whatever family it is made in.

    Attributes:
        filename: of the picture, as in the benchmark's files.
        foil: the wrong caption, as in the benchmark's files.
        family: where it was found; for the reader.
        reason: why, in the person's words; may be empty.
    """

    filename: str
    foil: str
    family: str = ""
    reason: str = ""

    def as_line(self) -> str:
        """The veto as it stands in a file of vetoes."""
        row = {"family": self.family, "filename": self.filename, "foil": self.foil, "reason": self.reason}
        return json.dumps(row, ensure_ascii=False)


def read_vetoes(file: Path) -> list[Veto]:
    """Read ``{"filename", "foil"}`` lines, perhaps with ``family`` and ``reason``.

    Raises:
        UserError: naming the line and field that is wrong, or that there is no such file.
    """
    if not file.is_file():
        raise UserError(f"{file} does not exist; give the vetoes.jsonl that the page of foils lets you download")
    vetoes = []
    for number, row in _rows(file):
        try:
            filename, foil = (text_field(row.get(name), name) for name in ("filename", "foil"))
            for name in ("family", "reason"):
                if not isinstance(row.get(name, ""), str):
                    raise ValueError(f"`{name}` must be a text, not {type(row[name]).__name__}")
        except ValueError as error:
            raise UserError(f"{place(file, number)}: {error}") from None
        vetoes.append(Veto(filename, foil, row.get("family", ""), row.get("reason", "")))
    return vetoes


def merge_vetoes(*several: Iterable[Veto]) -> list[Veto]:
    """All vetoes, of those on the same foil of the same picture the last, sorted."""
    merged = {(veto.filename, veto.foil): veto for vetoes in several for veto in vetoes}
    return [merged[key] for key in sorted(merged)]


def _rows(file: Path) -> Iterable[tuple[int, dict]]:
    if file.suffix != ".jsonl":
        raise UserError(f"{file} is no .jsonl file; give the vetoes.jsonl that the page of foils lets you download")
    return read_rows(file)
