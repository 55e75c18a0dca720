"""What a corpus speaks of: how many concepts its captions have, and which ones most often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table


@dataclass
class ConceptReport:
    """Counts over a corpus; memory grows with its distinct concepts only.

    Attributes:
        captions: how many were read.
        without_noun_phrase: how many of them name nothing and became their own concept.
        counts: concept -> in how many captions (or images, where the lists are of images) it occurs.

    Example:
        >>> ConceptReport.of([["man", "red hat"], ["man"]]).most_frequent(1)
        [('man', 2)]
    """

    captions: int = 0
    without_noun_phrase: int = 0
    counts: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(
        cls, lists: Iterable[Iterable[str]], captions: int | None = None, without_noun_phrase: int = 0
    ) -> ConceptReport:
        """Count a stream of concept lists.

        Args:
            lists: of one caption each, or of one image with several captions; read once.
            captions: how many there are; as many as lists when None.
            without_noun_phrase: how many of them are their own concept; the lists alone do not tell. Those with an
                empty list are added.
        """
        counts: Counter[str] = Counter()
        number = empty = 0
        for concepts in lists:
            distinct = set(concepts)
            counts.update(distinct)
            number += 1
            empty += not distinct
        return cls(number if captions is None else captions, without_noun_phrase + empty, counts)

    @property
    def concepts(self) -> int:
        """Concepts in all, each as often as it occurs."""
        return self.counts.total()

    @property
    def mean(self) -> float:
        """Concepts a caption."""
        return self.concepts / self.captions if self.captions else 0.0

    @property
    def share_without_noun_phrase(self) -> float:
        """Share of the captions that are their own concept."""
        return self.without_noun_phrase / self.captions if self.captions else 0.0

    def most_frequent(self, number: int = 20) -> list[tuple[str, int]]:
        """The concepts that occur most often, equally frequent ones in the order of the alphabet."""
        return sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))[:number]

    def longest(self, number: int = 5) -> list[str]:
        """The concepts of the most words: where an extractor goes wrong, it often shows here."""
        return sorted(self.counts, key=lambda concept: (-concept.count(" "), concept))[:number]

    def as_dict(self, number: int = 20) -> dict[str, Any]:
        """The report as JSON holds it, with the ``number`` most frequent concepts."""
        return {
            "captions": self.captions,
            "concepts": self.concepts,
            "distinct_concepts": len(self.counts),
            "mean_per_caption": self.mean,
            "without_noun_phrase": self.without_noun_phrase,
            "share_without_noun_phrase": self.share_without_noun_phrase,
            "most_frequent": [{"concept": concept, "count": count} for concept, count in self.most_frequent(number)],
            "longest": self.longest(),
        }

    def as_table(self, number: int = 20) -> Table:
        """The report for a terminal."""
        from rich.markup import escape
        from rich.table import Table

        table = Table("", "", show_header=False)
        table.columns[1].justify = "right"
        table.add_row("captions", f"{self.captions:,}")
        table.add_row("without a noun phrase, their own concept", f"{self.share_without_noun_phrase:.1%}")
        table.add_row("concepts", f"{self.concepts:,}")
        table.add_row("distinct concepts", f"{len(self.counts):,}")
        table.add_row("concepts a caption", f"{self.mean:.2f}", end_section=True)
        for concept, count in self.most_frequent(number):
            table.add_row(escape(concept), f"{count:,}")
        return table
