"""What a source holds: how much of it is whole, how its captions read, what its pictures look like."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from rebind.data import Source, open_source
from rebind.data.broken import BrokenImageError, kind_of
from rebind.data.source import Column
from rebind.data.streaming import is_stream, open_stream
from rebind.inspection.looks import Look, look_at, near_pictures, same_pictures
from rebind.inspection.texts import Spread, Texts, count_texts
from rebind.types import BrokenSample, Sample, UserError

NAMED = 20  # broken samples, reasons and groups of pictures that are named
Groups = tuple[tuple[str, ...], ...]
"""Keys of the samples whose pictures belong together."""


@dataclass(frozen=True)
class Picture:
    """A picture for the page: its sample's key and captions, its size in pixels, and a thumbnail as a data URI."""

    key: str
    captions: tuple[str, ...]
    width: int
    height: int
    thumbnail: str


@dataclass(frozen=True)
class Inspection:
    """What was found in a source.

    Attributes:
        path: of the source.
        notes: what was guessed in opening it.
        samples: how many were inspected.
        total: how many there are; None when nobody knows.
        broken: reason -> samples without an image or a caption.
        skipped: reason -> samples that whoever made the source left out.
        own: what the source has besides captions: ``concepts``, ``negatives``.
        texts: the captions.
        looked_at: how many pictures were decoded, or tried to.
        undecodable: reason -> pictures among those.
        examples: the first broken or undecodable samples, with the reason.
        widths, heights, sizes: of the decodable pictures, in pixels and bytes.
        same: samples with equal pictures, the largest groups first; ``repeated`` counts all but the first of each.
        near: samples whose pictures look alike.
        pictures: some of them.
    """

    path: Path
    notes: tuple[str, ...]
    samples: int
    total: int | None
    broken: dict[str, int]
    skipped: dict[str, int]
    own: tuple[str, ...]
    texts: Texts
    looked_at: int
    undecodable: dict[str, int]
    examples: tuple[BrokenSample, ...]
    widths: Spread
    heights: Spread
    sizes: Spread
    same: Groups
    near: Groups
    repeated: int
    pictures: tuple[Picture, ...]

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What was found, in words: (about what, what)."""
        texts, seen = self.texts, self.looked_at
        whole = "" if self.samples == self.total else f" of {self.total:,}" if self.total else " (the first)"
        good = seen - sum(self.undecodable.values())
        facts = [
            ("samples", f"{self.samples:,}{whole}"),
            ("without image or caption", f"{sum(self.broken.values()):,}"),
            ("left out by the source", f"{sum(self.skipped.values()):,}"),
            ("besides captions", ", ".join(self.own) or "nothing"),
            ("captions", f"{texts.count:,}"),
            ("captions of a sample", str(texts.per_sample)),
            ("words of a caption", str(texts.words)),
            ("captions seen before", _share(texts.repeated, texts.count)),
            ("captions beyond ASCII", _share(texts.not_ascii, texts.count)),
            ("pictures looked at", f"{seen:,}"),
            ("pictures that do not decode", _share(seen - good, seen)),
            ("width in pixels", str(self.widths)),
            ("height in pixels", str(self.heights)),
            ("size in kB", str(Spread(*(value / 1000 for value in vars(self.sizes).values())))),
            ("pictures seen before", _share(self.repeated, good)),
            ("groups of look-alikes", f"{len(self.near):,}"),
        ]
        return facts + [("guessed", note) for note in self.notes]


def inspect(path: str | Path, pictures: int = 24, limit: int | None = None, decode: int | None = 500) -> Inspection:
    """Count and look at the samples of a source.

    Args:
        path: as for :func:`rebind.data.streaming.stream_samples`.
        pictures: how many are kept for the page.
        limit: inspect the first so many samples; all when None.
        decode: look at so many pictures, drawn evenly from those samples (of a stream, the first); all when None.

    Raises:
        UserError: when the source cannot be opened, or is a stream and no limit is given.
    """
    path = Path(path)
    streamed = is_stream(path)
    if not streamed:
        source = open_source(path)
        count = len(source) if limit is None else min(limit, len(source))
        total: int | None = len(source)
    elif limit is None:
        raise UserError(f"{path} is a stream, and may have no end; say how many samples to inspect with --limit")
    else:
        source = _Head(path, islice(open_stream(path), limit), limit if decode is None else decode)
        count, total = len(source), None
    rows = _drawn(count, count if decode is None else min(decode, count), in_order=streamed)
    shown = frozenset(rows[place] for place in _spaced(len(rows), pictures))
    looks = list(look_at(source, rows, shown))
    return _sum_up(path, source, count, total, looks)


def _sum_up(path: Path, source: Source, count: int, total: int | None, looks: list[Look]) -> Inspection:
    good = [look for look in looks if not look.reason]
    bad = [BrokenSample(source.keys[look.row], look.reason) for look in looks if look.reason]
    same, near = same_pictures(good), near_pictures(good)
    return Inspection(
        path=path,
        notes=source.notes,
        samples=count,
        total=total,
        broken=_reasons(source.broken),
        skipped=dict(Counter(source.skipped).most_common()),
        own=tuple(name for name in ("concepts", "negatives") if getattr(source, f"has_{name}")),
        texts=count_texts(source, range(count)),
        looked_at=len(looks),
        undecodable=_reasons(bad),
        examples=(*source.broken[:NAMED], *bad)[:NAMED],
        widths=Spread.of([look.width for look in good]),
        heights=Spread.of([look.height for look in good]),
        sizes=Spread.of([look.size for look in good]),
        same=_keys(source, same),
        near=_keys(source, near),
        repeated=sum(len(rows) - 1 for rows in same),
        pictures=tuple(
            Picture(source.keys[look.row], source.captions(look.row), look.width, look.height, look.thumbnail)
            for look in good
            if look.thumbnail
        ),
    )


class _Head(Source):
    """The first samples of a stream, with the pictures of the first few of them."""

    def __init__(self, path: Path, samples: Iterator[Sample | BrokenSample], pictures: int) -> None:
        self.path, self.root, self.annotations = path, path.parent, path.parent
        keys, captions, broken = [], [], []
        self._images: list[Path | bytes] = []
        for sample in samples:
            if isinstance(sample, BrokenSample):
                broken.append(sample)
                continue
            keys.append(sample.key)
            captions.append(sample.captions)
            self.has_negatives |= bool(sample.negatives)
            if len(self._images) < pictures:
                self._images.append(sample.image)
        self.keys: Sequence[str] = Column.of_texts(keys)
        self.broken = tuple(broken)
        self._captions = Column.of_tuples(captions)

    def captions(self, index: int) -> tuple[str, ...]:
        return self._captions[index]

    def image(self, index: int) -> Path | bytes:
        if index >= len(self._images):
            raise BrokenImageError("only the first pictures of a stream are kept")
        return self._images[index]


def _drawn(count: int, wanted: int, in_order: bool) -> list[int]:
    """``wanted`` of the rows below ``count``: the first, or each with equal chance, the same ones each time."""
    if in_order:
        return list(range(wanted))
    return np.sort(np.random.default_rng(0).choice(count, wanted, replace=False)).tolist()


def _spaced(count: int, wanted: int) -> list[int]:
    return np.unique(np.linspace(0, count - 1, min(wanted, count)).round().astype(int)).tolist()


def _reasons(broken: Iterable[BrokenSample]) -> dict[str, int]:
    return dict(Counter(kind_of(sample.reason) for sample in broken).most_common())


def _keys(source: Source, groups: list[list[int]]) -> Groups:
    return tuple(tuple(source.keys[row] for row in rows) for rows in groups)


def _share(part: int, whole: int) -> str:
    return f"{part:,} ({part / whole:.1%})" if whole else "0"
