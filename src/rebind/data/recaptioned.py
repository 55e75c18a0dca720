"""The images of one source with captions of another file: DreamLIP's captions of CC3M, CC12M and YFCC15M."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from rebind.data.captions import text_field
from rebind.data.folder import names
from rebind.data.rows import Row, column_names, place, read_rows
from rebind.data.source import Column, Source
from rebind.types import UserError

#: What samples are joined by -> columns that may hold it. DreamLIP calls the URL of an image its path.
JOINS = {"url": ("url", "Image Path", "image_url"), "key": ("key", "Image Path", "image", "file_name")}


class RecaptionedSource(Source):
    """Samples of ``source`` whose captions are taken from columns of a table, joined by key or by the image's URL.

    Samples without a row there are left out, and counted in ``skipped``: 3 % of CC3M have no caption of DreamLIP
    (arXiv 2403.17007). Where several rows name the same image, the first counts.

    Args:
        source: where the images are.
        path: what the user gave.
        annotations: folder of the annotations; those of ``source`` itself are about other captions.
        file: ``.csv``, ``.tsv``, ``.jsonl`` or ``.parquet``.
        columns: of the captions, the original one first; empty fields are passed over.
        by: ``url`` or ``key``.

    Raises:
        UserError: when a column is missing, or no sample has a row.
    """

    def __init__(
        self,
        source: Source,
        path: Path,
        annotations: Path,
        file: Path,
        columns: Sequence[str],
        by: Literal["url", "key"],
    ) -> None:
        self.path, self.root, self.annotations = path, path.parent, annotations
        self.broken, self.notes, self._source = source.broken, source.notes, source
        identities = list(source.keys if by == "key" else source.urls())
        if not any(identities):
            raise UserError(f"{source.path} says of no image which URL it has; join {file} by: key")
        lines: dict[str, int] = {}  # of each sample's row among the captions
        self._captions = Column.of_tuples(_matching(file, columns, by, {one for one in identities if one}, lines))
        found = np.array([lines.get(identity or "", -1) for identity in identities])
        self._rows = np.flatnonzero(found >= 0)
        if not len(self._rows):
            raise UserError(
                f"no {by} of {source.path}, such as {identities[0]!r}, is in {file} with a caption in {names(columns)}"
            )
        self._captions = self._captions.take(found[self._rows])
        self.keys: Sequence[str] = Column.of_texts(source.keys[row] for row in self._rows.tolist())
        without = {f"no caption in {file.name}": len(source) - len(self._rows)}
        self.skipped = dict(Counter(source.skipped) + Counter(without))

    def captions(self, index: int) -> tuple[str, ...]:
        """The captions of the columns, in their order."""
        return self._captions[index]

    def image(self, index: int) -> Path | bytes:
        """The image of the sample."""
        return self._source.image(int(self._rows[index]))


def _matching(
    file: Path, columns: Sequence[str], by: str, wanted: set[str], lines: dict[str, int]
) -> Iterable[tuple[str, ...]]:
    """Yield the captions of every wanted row, and note in ``lines`` which was whose."""
    present = column_names(file)
    join = next((name for name in JOINS[by] if name in present), None)
    if join is None:
        raise UserError(f"{file} has no column {names(JOINS[by])} to join by: {by}, only {names(present)}")
    if missing := [name for name in columns if name not in present]:
        raise UserError(f"{file} has no column `{missing[0]}`, only {names(present)}")
    for number, row in read_rows(file, (join, *columns)):
        identity = row.get(join)
        identity = str(identity) if isinstance(identity, int) else identity
        if isinstance(identity, str) and identity in wanted and identity not in lines:
            try:
                if captions := tuple(_texts(row, columns)):
                    lines[identity] = len(lines)
                    yield captions
            except ValueError as error:
                raise UserError(f"{place(file, number)}: {error}") from None


def _texts(row: Row, columns: Sequence[str]) -> Iterator[str]:
    for column in columns:
        value = row.get(column)
        for text in value if isinstance(value, list) else [value]:
            if text is not None and str(text).strip():
                yield text_field(text, column)
