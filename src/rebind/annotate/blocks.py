"""The input of the engine: the samples of a source, or the rows of a file of captions, block by block."""

from __future__ import annotations

from dataclasses import dataclass

from rebind.data import Source
from rebind.data.freshness import item_of
from rebind.engine import Item
from rebind.types import UserError


@dataclass(frozen=True)
class SourceBlocks:
    """Samples as ``{"key", "captions"}``, and ``"concepts"`` where they were joined.

    Attributes:
        source: the samples.
        size: of them in a block.
    """

    source: Source
    size: int

    def __len__(self) -> int:
        return -(-len(self.source) // self.size)

    def __getitem__(self, number: int) -> list[Item]:
        rows = range(number * self.size, min((number + 1) * self.size, len(self.source)))
        return [item_of(self.source, row) for row in rows]

    @property
    def items(self) -> int:
        """How many samples there are."""
        return len(self.source)


def require_no_file(source: Source, name: str) -> None:
    """Refuse to write parts beside a file that already is this annotation.

    Raises:
        UserError: when there is one.
    """
    for file in source.annotations.glob(f"{name}.*"):
        if file.suffix in (".jsonl", ".csv", ".parquet"):
            raise UserError(f"{file} exists already; remove it or move it away to make the annotation anew")
