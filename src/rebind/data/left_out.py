"""A source without some of its samples, such as those that a benchmark was made of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rebind.data.source import Column, Source
from rebind.types import Negative, UserError


class LeftOutSource(Source):
    """What is left of a source.

    Args:
        source: all samples.
        keys: of those to leave out; keys that it lacks are passed over.

    Raises:
        UserError: when none is left.
    """

    def __init__(self, source: Source, keys: frozenset[str]) -> None:
        self.path, self.root, self.annotations = source.path, source.root, source.annotations
        self.broken, self.notes, self.skipped = source.broken, source.notes, dict(source.skipped)
        self.has_concepts, self.has_negatives = source.has_concepts, source.has_negatives
        self.left_out = keys
        self._source = source
        self._rows = np.array([row for row, key in enumerate(source.keys) if key not in keys], dtype=np.int64)
        if not len(self._rows):
            raise UserError(f"every sample of {source.path} is to be left out; nothing remains")
        self.keys = Column.of_texts(key for key in source.keys if key not in keys)

    @property
    def opened(self) -> Source:
        """With all samples."""
        return self._source.opened

    def captions(self, index: int) -> tuple[str, ...]:
        """The captions of a sample."""
        return self._source.captions(self._row(index))

    def image(self, index: int) -> Path | bytes:
        """The image of a sample."""
        return self._source.image(self._row(index))

    def concepts(self, index: int) -> tuple[str, ...]:
        """The concepts that the source itself has."""
        return self._source.concepts(self._row(index))

    def negatives(self, index: int, with_images: bool = True) -> tuple[Negative, ...]:
        """The hard negatives that the source itself has."""
        return self._source.negatives(self._row(index), with_images)

    def negative_image(self, index: int, number: int) -> Path | bytes | None:
        """The picture of one of them."""
        return self._source.negative_image(self._row(index), number)

    def urls(self) -> Iterator[str | None]:
        """Where each image was downloaded from."""
        every = zip(self._source.keys, self._source.urls(), strict=True)
        return (url for key, url in every if key not in self.left_out)

    def _row(self, index: int) -> int:
        return int(self._rows[index])


def leave_out(source: Source, file: Path) -> LeftOutSource:
    """Leave out the samples whose keys a file names, one a line, as ``held_out.txt`` of ``rebind foils`` does.

    Raises:
        UserError: when the file cannot be read, no sample of the source is in it, or all are.
    """
    try:
        keys = frozenset(line for line in file.read_text(encoding="utf-8").splitlines() if line)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {file}: {error}; give a file with one key a line") from None
    left = LeftOutSource(source, keys)
    if len(left) == len(source):
        raise UserError(f"none of the keys in {file} is a key of {source.path}; give the file made from this source")
    return left
