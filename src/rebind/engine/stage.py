"""What the engine runs: a stage turns items into rows, part by part, the same wherever and whenever it runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

#: What a stage reads: a JSON-able record with a ``key``.
Item = dict[str, Any]


@dataclass(frozen=True)
class Made:
    """What a stage makes of one part.

    Attributes:
        rows: JSON-able records with a ``key``; those of picture stages also hold ``image``, encoded bytes.
        tally: counts for the report, summed over the parts.
    """

    rows: list[dict[str, Any]]
    tally: dict[str, int] = field(default_factory=dict)


class Stage(Protocol):
    """One step of the data engine, such as reading concepts; pickled into every worker.

    The rows of a part are a function of its items and the settings alone: whatever is random is seeded by key. That is
    what makes an interrupted run equal to an uninterrupted one, and one engine equal to another.

    A stage may also say ``gpus``: how many of them each worker needs; no more than that is taken of a Ray cluster. And
    it may say ``corpus``: a fingerprint of what was counted over the whole input, where rows depend on that, too. Other
    settings are refused, for somebody chose them; parts made with another corpus are made anew.
    """

    @property
    def name(self) -> str:
        """Of the annotation that it writes, e.g. ``concepts``."""

    @property
    def part_size(self) -> int:
        """How many items make a part."""

    @property
    def settings(self) -> dict[str, Any]:
        """All that the rows depend on, as JSON can hold it: backend, its version, options."""

    def open(self) -> Callable[[list[Item]], Made]:
        """Load what is heavy; called once in every worker. ``REBIND_WORKER`` is its number, from 0."""


class Blocks(Protocol):
    """The input of a stage, cut into blocks of at most ``part_size`` items that can be had in any order."""

    def __len__(self) -> int:
        """How many blocks there are."""

    def __getitem__(self, number: int) -> list[Item]:
        """The items of one block."""

    @property
    def items(self) -> int:
        """How many items there are in all."""


@dataclass(frozen=True)
class SequenceBlocks:
    """Blocks of a sequence of items.

    Attributes:
        sequence: anything that can be sliced.
        size: items in a block.
    """

    sequence: Sequence[Item]
    size: int

    def __len__(self) -> int:
        return -(-len(self.sequence) // self.size)

    def __getitem__(self, number: int) -> list[Item]:
        return list(self.sequence[number * self.size : (number + 1) * self.size])

    def __iter__(self) -> Iterator[list[Item]]:
        return (self[number] for number in range(len(self)))

    @property
    def items(self) -> int:
        """The length of the sequence."""
        return len(self.sequence)


def corpus_of(stage: Stage) -> str:
    """The fingerprint of what was counted over the whole input; empty for stages that look at their items alone."""
    return getattr(stage, "corpus", "")


def total(tallies: Sequence[dict[str, int]]) -> dict[str, int]:
    """The sums of several tallies, in the order of their names."""
    counter: Counter[str] = Counter()
    for tally in tallies:
        counter.update(tally)
    return dict(sorted(counter.items()))
