"""WebDataset shards: tar archives read in place, in any order, and never unpacked."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rebind.data.broken import BrokenImageError
from rebind.data.downloads import failed_downloads
from rebind.data.negative_records import as_negative
from rebind.data.shard_cache import read_shards
from rebind.data.shard_index import SPANS, left_out
from rebind.data.source import Column, Source
from rebind.types import BrokenSample, Negative, UserError

if TYPE_CHECKING:
    import pyarrow


class ShardSource(Source):
    """Samples of tar archives with members ``stem.jpg|jpeg|png|webp``, ``stem.txt`` and ``stem.json``.

    The caption is the txt, else ``caption`` of the json, whose ``captions`` may add others; the key is ``key`` of the
    json, else the stem. Opening reads the headers and the texts, remembers where the images lie, and keeps all that for
    the next time (see :mod:`rebind.data.shard_cache`). A sample without image or caption is listed in ``broken``.

    Known besides: what img2dataset says of failed downloads (``skipped``); ``stem.image|caption|neg_image|neg_caption``
    of TripletData; and what :func:`rebind.data.packing.pack` writes, ``concepts`` and ``negatives`` in the json and
    ``stem.negative-0.jpg`` with the picture of a negative.

    Raises:
        UserError: naming the archive that is cut short or not a tar, or the key that occurs twice.
    """

    def __init__(self, shards: Sequence[Path], path: Path, root: Path, annotations: Path) -> None:
        import pyarrow

        self.path, self.root, self.annotations = path, root, annotations
        self._shards = tuple(shards)
        broken: list[BrokenSample] = []
        skipped: Counter[str] = Counter()
        tables = []
        for shard, table in zip(self._shards, read_shards(self._shards), strict=True):
            incomplete, failed = left_out(table)
            broken += [BrokenSample(f"{shard.name}:{stem}", reason) for stem, reason in incomplete]
            skipped += failed_downloads(shard) + failed
            tables.append(table.replace_schema_metadata())
        table = pyarrow.concat_tables(tables)
        if not len(table):
            example = f"; {broken[0].key}: {broken[0].reason}" if broken else ""
            raise UserError(f"{path} holds no sample with an image and a caption (stem.jpg, stem.txt){example}")
        self.broken, self.skipped = tuple(broken), dict(skipped)
        self._homes = np.repeat(np.arange(len(tables), dtype=np.int32), [len(each) for each in tables])
        self._require_different(table)
        self.keys: Sequence[str] = Column(table["key"])
        self._captions: Column[tuple[str, ...]] = Column(table["captions"])
        self._concepts, self._negatives = (_if_any(table[name]) for name in ("concepts", "negatives"))
        self.has_concepts, self.has_negatives = self._concepts is not None, self._negatives is not None
        self._spans = np.stack([table[name].to_numpy() for name in SPANS], axis=1)  # (n, 4)

    def _require_different(self, table: pyarrow.Table) -> None:
        from pyarrow import compute

        if compute.count_distinct(table["key"]).as_py() == len(table):
            return
        rows: dict[str, int] = {}
        for row, key in enumerate(table["key"].to_pylist()):
            if (first := rows.setdefault(key, row)) != row:
                there, here = (self._shards[self._homes[each]] for each in (first, row))
                sample = f"sample {table['stem'][row].as_py()!r}"
                raise UserError(f"{here}: the key {key!r} ({sample}) was already used in {there}; keys must differ")

    def captions(self, index: int) -> tuple[str, ...]:
        """The captions of a sample, the original one first."""
        return self._captions[index]

    def image(self, index: int) -> bytes:
        """The encoded image.

        Raises:
            BrokenImageError: when the archive is gone or was cut short since it was opened.
        """
        return self._read(index, *self._spans[index, :2].tolist())

    def concepts(self, index: int) -> tuple[str, ...]:
        """The concepts in the json; where others have some and this sample has none, its original caption."""
        return () if self._concepts is None else self._concepts[index] or self._captions[index][:1]

    def negatives(self, index: int, with_images: bool = True) -> tuple[Negative, ...]:
        """The hard negatives in the shard."""
        return tuple(
            as_negative(each, self._picture(index, each) if with_images else None)
            for each in (self._negatives[index] if self._negatives is not None else ())
        )

    def negative_image(self, index: int, number: int) -> bytes | None:
        """The encoded picture of a hard negative; None where it has none."""
        assert self._negatives is not None
        return self._picture(index, self._negatives[index][number])

    def urls(self) -> Iterator[str | None]:
        """The ``url`` of each sample's json, read anew from the shards."""
        for index, (offset, size) in enumerate(self._spans[:, 2:].tolist()):
            url = json.loads(self._read(index, offset, size)).get("url") if offset >= 0 else None
            yield url if isinstance(url, str) else None

    def _picture(self, index: int, negative: dict[str, Any]) -> bytes | None:
        return None if negative["at"] < 0 else self._read(index, negative["at"], negative["size"])

    def _read(self, index: int, offset: int, size: int) -> bytes:
        shard = self._shards[self._homes[index]]
        try:
            # Opened anew each time: 10 µs against 500 for decoding, and nothing is shared between processes.
            with shard.open("rb") as file:
                file.seek(offset)
                data = file.read(size)
        except OSError as error:
            raise BrokenImageError(f"cannot read {shard}: {error.strerror}") from error
        if len(data) < size:
            raise BrokenImageError(f"{shard} was cut short since it was opened")
        return data


def _if_any(lists: pyarrow.ChunkedArray) -> Column[Any] | None:
    """A column of tuples, unless all of them are empty."""
    from pyarrow import compute

    return Column(lists) if compute.sum(compute.list_value_length(lists)).as_py() else None
