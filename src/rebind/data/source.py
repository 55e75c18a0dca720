"""What every source of captioned images looks like from outside."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from rebind.types import BrokenSample, Negative, Sample

if TYPE_CHECKING:
    import numpy as np
    import pyarrow

T = TypeVar("T")
_ROWS_AT_ONCE = 65_536


class Source(ABC):
    """Captioned images with random access. Captions are at hand; an image is touched only when its sample is asked for.

    Every sample of a source has a key and at least one caption. Sources may be pickled into DataLoader workers.

    Attributes:
        path: what the user passed to :func:`rebind.data.open_source`.
        root: folder of the source's files.
        annotations: folder of its annotation files; within ``root``.
        keys: unique names of the samples, in order.
        broken: samples that lack an image or a caption altogether; they are not among ``keys``.
        skipped: reason -> how many samples whoever made the source left out, e.g. for a failed download. They are
            nothing to worry about, and not among ``keys`` or ``broken``.
        notes: what was guessed in opening, a sentence each.
        has_concepts: whether the source has concepts of its own, without any annotation.
        has_negatives: whether it has hard negatives of its own.
        left_out: keys of samples that are in the files and shall not be used.
    """

    path: Path
    root: Path
    annotations: Path
    keys: Sequence[str]
    broken: tuple[BrokenSample, ...] = ()
    skipped: Mapping[str, int] = MappingProxyType({})
    notes: tuple[str, ...] = ()
    has_concepts: bool = False
    has_negatives: bool = False
    left_out: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """Name for tables and file names."""
        return self.path.resolve().name

    @property
    def opened(self) -> Source:
        """The source as it was opened, without what was joined to it, and with what was left out of it."""
        return self

    @abstractmethod
    def captions(self, index: int) -> tuple[str, ...]:
        """The captions of a sample, the original one first; never empty, and no image is read."""

    @abstractmethod
    def image(self, index: int) -> Path | bytes:
        """Where the image is, or its encoded bytes.

        Raises:
            BrokenImageError: when it cannot be had.
        """

    def concepts(self, index: int) -> tuple[str, ...]:
        """Concepts of a sample; those of the source itself, until others are joined by ``with_concepts``."""
        return ()

    def negatives(self, index: int, with_images: bool = True) -> tuple[Negative, ...]:
        """Hard negatives of a sample; those of the source itself, until others are joined by ``with_negatives``.

        Raises:
            BrokenImageError: when a picture of one cannot be had. Without images, none is looked for.
        """
        return ()

    def negative_image(self, index: int, number: int) -> Path | bytes | None:
        """The picture of one of the ``negatives`` of a sample; None where it has none.

        Raises:
            BrokenImageError: when it cannot be had.
        """
        return self.negatives(index)[number].image

    def originals(self, index: int) -> list[str]:
        """The caption that each of the ``negatives`` of a sample was made of."""
        captions = self.captions(index)
        return [captions[min(each.of, len(captions) - 1)] for each in self.negatives(index, with_images=False)]

    def urls(self) -> Iterator[str | None]:
        """Where each image was downloaded from, in the order of ``keys``; None where nobody said."""
        return iter([None] * len(self))

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, index: int) -> Sample:
        return Sample(
            self.keys[index], self.captions(index), self.image(index), self.concepts(index), self.negatives(index)
        )


class Column(Sequence[T]):
    """An immutable column of texts, of tuples of texts or of tuples of records, packed in a few Arrow buffers.

    Lists of Python strings would be copied into every forked DataLoader worker as reference counts change, and be slow
    to pickle into spawned ones; three million captions are one buffer here, or one for each shard.
    """

    def __init__(self, values: pyarrow.Array | pyarrow.ChunkedArray) -> None:
        self._values = values

    @classmethod
    def of_texts(cls, values: Iterable[str]) -> Column[str]:
        """Pack strings."""
        import pyarrow

        return Column(_pack(values, pyarrow.large_string()))

    @classmethod
    def of_tuples(cls, values: Iterable[Sequence[str]]) -> Column[tuple[str, ...]]:
        """Pack tuples of strings."""
        import pyarrow

        return Column(_pack(values, pyarrow.large_list(pyarrow.large_string())))

    @classmethod
    def of_records(cls, values: Iterable[Sequence[dict[str, Any]]], kind: pyarrow.DataType) -> Column[tuple[dict, ...]]:
        """Pack tuples of records; ``kind`` is their Arrow type, a list of structs."""
        return Column(_pack(values, kind))

    def take(self, rows: np.ndarray) -> Column[Any]:
        """The column with these (n,) rows, and with None where a row is negative."""
        import pyarrow

        return Column(self._values.take(pyarrow.array(rows, mask=rows < 0)))

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, index: Any) -> Any:
        return _as_python(self._values[index])

    def __iter__(self) -> Iterator[Any]:
        return map(_as_python, self._values)


def _pack(values: Iterable[Any], kind: pyarrow.DataType) -> pyarrow.Array:
    """Block by block, so that the values of an iterator never lie in memory as Python objects all at once."""
    import pyarrow

    rest = iter(values)
    blocks = (pyarrow.array(block, kind) for block in iter(lambda: list(islice(rest, _ROWS_AT_ONCE)), []))
    return pyarrow.chunked_array(blocks, kind).combine_chunks()


def _as_python(scalar: pyarrow.Scalar) -> Any:
    value = scalar.as_py()
    return tuple(value) if isinstance(value, list) else value
