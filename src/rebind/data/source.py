"""What every source of captioned images looks like from outside."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rebind.types import BrokenSample, Sample

if TYPE_CHECKING:
    import pyarrow

T = TypeVar("T")


class Source(ABC):
    """Captioned images with random access. Captions are at hand; an image is touched only when its sample is asked for.

    Every sample of a source has a key and at least one caption. Sources may be pickled into DataLoader workers.

    Attributes:
        path: what the user passed to :func:`rebind.data.open_source`.
        root: folder of the source's files.
        annotations: folder of its annotation files; within ``root``.
        keys: unique names of the samples, in order.
        broken: samples that lack an image or a caption altogether; they are not among ``keys``.
    """

    path: Path
    root: Path
    annotations: Path
    keys: Sequence[str]
    broken: tuple[BrokenSample, ...] = ()

    @property
    def name(self) -> str:
        """Name for tables and file names."""
        return self.path.resolve().name

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
        """Concepts of a sample; empty until :func:`rebind.data.annotations.with_concepts` joins them."""
        return ()

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, index: int) -> Sample:
        return Sample(self.keys[index], self.captions(index), self.image(index), self.concepts(index))


class Column(Sequence[T]):
    """An immutable column of texts, or of tuples of texts, packed in one Arrow buffer.

    Lists of Python strings would be copied into every forked DataLoader worker as reference counts change, and be slow
    to pickle into spawned ones; three million captions are one buffer here.
    """

    def __init__(self, values: pyarrow.Array) -> None:
        self._values = values

    @classmethod
    def of_texts(cls, values: Iterable[str]) -> Column[str]:
        """Pack strings."""
        import pyarrow

        return Column(pyarrow.array(values, pyarrow.large_string()))

    @classmethod
    def of_tuples(cls, values: Iterable[Sequence[str]]) -> Column[tuple[str, ...]]:
        """Pack tuples of strings."""
        import pyarrow

        return Column(pyarrow.array(values, pyarrow.large_list(pyarrow.large_string())))

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, index: Any) -> Any:
        return _as_python(self._values[index])

    def __iter__(self) -> Iterator[Any]:
        return map(_as_python, self._values)


def _as_python(scalar: pyarrow.Scalar) -> str | tuple[str, ...]:
    value = scalar.as_py()
    return tuple(value) if isinstance(value, list) else value
