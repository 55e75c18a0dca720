"""Counting captions: how many, how long, which ones again and again."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from rebind.data import Source

_BARS = 14


@dataclass(frozen=True)
class Spread:
    """Smallest, median, 95th percentile and largest of some numbers; all zero when there are none."""

    low: float
    median: float
    most: float
    high: float

    @classmethod
    def of(cls, numbers: Sequence[float] | np.ndarray) -> Spread:
        """The spread of some numbers."""
        if not len(numbers):
            return cls(0, 0, 0, 0)
        return cls(*(float(value) for value in np.quantile(numbers, [0, 0.5, 0.95, 1], method="inverted_cdf")))

    def __str__(self) -> str:
        return f"{self.low:,.0f} – {self.high:,.0f}, median {self.median:,.0f}, 95 % up to {self.most:,.0f}"


@dataclass(frozen=True)
class Texts:
    """The captions of some samples.

    Attributes:
        count: of all captions.
        words: spread of their lengths, in words between blanks.
        histogram: (fewest words, most words, captions); the most of the last bar is the longest caption.
        per_sample: spread of the captions of a sample.
        repeated: captions that another had been equal to.
        examples: the most frequent of these and how often each occurs.
        not_ascii: captions with characters other than ASCII.
    """

    count: int
    words: Spread
    histogram: tuple[tuple[int, int, int], ...]
    per_sample: Spread
    repeated: int
    examples: tuple[tuple[str, int], ...]
    not_ascii: int


def count_texts(source: Source, rows: Iterable[int], examples: int = 5) -> Texts:
    """Count the captions of some rows. Of each caption 16 bytes are kept, not the text."""
    words, digests, owners, per_sample = array("L"), array("Q"), array("Q"), array("L")
    not_ascii = 0
    for row in rows:
        captions = source.captions(row)
        per_sample.append(len(captions))
        for text in captions:
            words.append(len(text.split()))
            digests.append(_digest(text))
            owners.append(row)
            not_ascii += not text.isascii()
    lengths = np.array(words)
    distinct, first, counts = np.unique(np.array(digests, dtype=np.uint64), return_index=True, return_counts=True)
    often = [place for place in np.argsort(-counts, kind="stable")[:examples].tolist() if counts[place] > 1]
    found = []
    for place in often:
        captions = source.captions(owners[int(first[place])])
        found.append((next(text for text in captions if _digest(text) == distinct[place]), int(counts[place])))
    return Texts(
        count=len(words),
        words=Spread.of(lengths),
        histogram=_histogram(lengths),
        per_sample=Spread.of(np.array(per_sample)),
        repeated=len(words) - len(distinct),
        examples=tuple(found),
        not_ascii=not_ascii,
    )


def _digest(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


def _histogram(lengths: np.ndarray) -> tuple[tuple[int, int, int], ...]:
    """Bars of equal width up to the 99th percentile; the last holds all that is longer."""
    if not len(lengths):
        return ()
    longest = int(lengths.max())
    width = max(1, -(-int(np.quantile(lengths, 0.99)) // _BARS))
    bars = np.bincount(np.minimum(lengths // width, _BARS - 1))
    ends = [(bar + 1) * width - 1 for bar in range(len(bars) - 1)] + [longest]
    return tuple((bar * width, end, int(count)) for bar, (end, count) in enumerate(zip(ends, bars, strict=True)))
