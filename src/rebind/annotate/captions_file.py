"""A file of captions of any length as the input of the engine, read block by block from where each begins."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np

from rebind.concepts.captions_file import caption_row
from rebind.engine import Item
from rebind.storage import require_no_folder
from rebind.types import UserError


def require_other_file(captions: Path, out: Path) -> None:
    """Refuse to write over the captions, or over a folder.

    Raises:
        UserError: when ``out`` is either.
    """
    if out.resolve() == captions.resolve() or (out.exists() and captions.exists() and out.samefile(captions)):
        raise UserError(f"{out} holds the captions, which would be lost; give --out another name")
    require_no_folder(out)


@dataclass(frozen=True)
class CaptionsFileBlocks:
    """Rows of a JSON Lines file as ``{"key", "captions"}``; of the file only the places of the blocks are kept.

    Attributes:
        path: the file.
        starts: (blocks, 2) int64, byte offset and line number of the first row of each block.
        items: how many rows there are.
        size: of them in a block.
    """

    path: Path
    starts: np.ndarray
    items: int
    size: int

    @classmethod
    def of(cls, path: Path, size: int) -> CaptionsFileBlocks:
        """Read the file once: check every row, and that no key comes twice, and note where blocks begin.

        Raises:
            UserError: naming file, row and field of what is wrong, or the file that cannot be read.
        """
        starts: list[tuple[int, int]] = []
        hashes = array("Q")  # eight bytes a row
        try:
            with path.open("rb") as lines:
                offset = 0
                for number, line in enumerate(lines, start=1):
                    if line.strip():
                        if len(hashes) % size == 0:
                            starts.append((offset, number))
                        key, _ = _read(line, path, number)
                        hashes.append(_hash(key))
                    offset += len(line)
        except OSError as error:
            raise UserError(f"cannot read {path}: {error.strerror}; give an existing JSON lines file") from error
        if not hashes:
            raise UserError(f"{path} has no rows; write one object with 'key' and 'caption' a line")
        blocks = cls(path, np.array(starts, dtype=np.int64), len(hashes), size)
        ordered = np.frombuffer(hashes, dtype=np.uint64)
        ordered.sort()
        repeated = ordered[1:][ordered[1:] == ordered[:-1]]
        if len(repeated):
            blocks._name_repeated_key(frozenset(repeated.tolist()))
        return blocks

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, number: int) -> list[Item]:
        offset, line_number = self.starts[number].tolist()
        items: list[Item] = []
        with self.path.open("rb") as lines:
            lines.seek(offset)
            while len(items) < self.size and (line := lines.readline()):
                if line.strip():
                    key, caption = _read(line, self.path, line_number)
                    items.append({"key": key, "captions": [caption]})
                line_number += 1
        return items

    def _name_repeated_key(self, repeated: frozenset[int]) -> None:
        """Raise UserError, unless it is only hashes that come twice."""
        rows: dict[str, int] = {}
        with self.path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                key = _read(line, self.path, number)[0] if line.strip() else ""
                if key and _hash(key) in repeated and rows.setdefault(key, number) != number:
                    raise UserError(
                        f"{self.path}, row {number}: field 'key' repeats {key!r} of row {rows[key]}; "
                        "keys must be unique"
                    )


def _hash(key: str) -> int:
    return int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "little")


def _read(line: bytes, path: Path, number: int) -> tuple[str, str]:
    try:
        text = line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text; save it as UTF-8 JSON lines") from error
    return caption_row(text, f"{path}, row {number}")
