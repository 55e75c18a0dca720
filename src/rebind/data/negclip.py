"""The training files of NegCLIP: captions of COCO with swapped words and look-alike images, in one TSV."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from rebind.data.captions import text_field
from rebind.data.folder import FolderSource, names, require_relative
from rebind.data.rows import Row
from rebind.data.source import Column
from rebind.types import Negative, UserError

SWAPPED, NEIGHBOUR = "swap", "neighbour"  # families of the two kinds of negatives
COLUMNS = ("filepath", "title", "neg_caption", "neg_image")


class NegclipSource(FolderSource):
    """Rows of ``train_neg_clip.tsv`` or ``valid_neg_clip.tsv`` (NegCLIP, arXiv 2210.01936), one caption each.

    Columns: ``filepath`` of the image, ``title``, ``neg_caption`` (a Python list of captions with words swapped) and
    ``neg_image`` (a Python list of the numbers, from 0, of the rows with look-alike images). The key of a sample is the
    number of its row. Its hard negatives are the captions, of family ``swap`` and without a picture, then the captions
    of the look-alikes with their images, of family ``neighbour``.

    Args:
        file: the TSV.
        path: what the user gave.
        annotations: folder of its annotations.
        root: folder that the image paths are relative to.

    Raises:
        UserError: naming the line and the field that is wrong.
    """

    has_negatives = True

    def __init__(self, file: Path, path: Path, annotations: Path, root: Path) -> None:
        import pyarrow

        self._swapped: Any = []
        self._neighbours: Any = []
        super().__init__(file, path, annotations, root)
        for number, rows in enumerate(self._neighbours):
            if max(rows, default=0) >= len(self):
                raise UserError(
                    f"{file}: `neg_image` of row {number} names row {max(rows)}, and the last is {len(self) - 1}"
                )
        self._swapped = Column.of_tuples(self._swapped)
        self._neighbours = Column(pyarrow.array(self._neighbours, pyarrow.large_list(pyarrow.int32())))

    def negatives(self, index: int, with_images: bool = True) -> tuple[Negative, ...]:
        """The swapped captions, then the captions of the look-alikes with their images."""
        return (
            *(Negative(caption, SWAPPED) for caption in self._swapped[index]),
            *(
                Negative(self.captions(row)[0], NEIGHBOUR, self.image(row) if with_images else None)
                for row in self._neighbours[index]
            ),
        )

    def negative_image(self, index: int, number: int) -> Path | None:
        """The image of a look-alike; None for a swapped caption."""
        number -= len(self._swapped[index])
        return None if number < 0 else self.image(self._neighbours[index][number])

    def _read_row(self, row: Row, number: int) -> tuple[str, str, tuple[str, ...]]:
        for column in COLUMNS:
            if column not in row:
                raise ValueError(f"no column `{column}`, only {names(row)}")
        neighbours = _python_list(row["neg_image"], "neg_image")
        if not all(isinstance(other, int) and other >= 0 for other in neighbours):
            raise ValueError("`neg_image` must be a list of row numbers, such as [17, 4]")
        self._swapped.append(
            [text_field(text, "neg_caption") for text in _python_list(row["neg_caption"], "neg_caption")]
        )
        self._neighbours.append(neighbours)
        image = require_relative(text_field(row["filepath"], "filepath"), "filepath")
        return str(number), image, (text_field(row["title"], "title"),)


def _python_list(text: str | None, column: str) -> list[Any]:
    """A list as Python writes it. ``literal_eval`` reads constants only; nothing is executed."""
    try:
        value = ast.literal_eval(text or "[]")
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        value = None
    if not isinstance(value, list):
        raise ValueError(f"`{column}` must be a list as Python writes it, such as ['a', 'b']")
    return value
