"""Leaving out rare concepts, once it is known how often each occurs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from rebind.concepts.options import frequent
from rebind.engine.stage import Item, Made


@dataclass(frozen=True)
class FrequentStage:
    """Keeps the concepts that occur in at least ``minimum`` images: rows ``{"key", "concepts"}`` in and out.

    How often a concept occurs follows from all captions, so these counts are no setting: where they change, the rows
    are made anew.

    Attributes:
        extraction: settings that the concepts were extracted with.
        counts: concept -> how many images have it.
        minimum: from 1 on.
        part_size: rows in a part, as they come.
        name: of the annotation.
    """

    extraction: Mapping[str, Any]
    counts: Mapping[str, int] = field(repr=False)
    minimum: int
    part_size: int
    name: str = field(default="concepts", init=False)

    @property
    def settings(self) -> dict[str, Any]:
        """Those of the extraction, and the minimum."""
        return {**self.extraction, "min_frequency": self.minimum}

    @property
    def corpus(self) -> str:
        """A digest of the concepts that reach the minimum."""
        kept = sorted(concept for concept, count in self.counts.items() if count >= self.minimum)
        return blake2b("\n".join(kept).encode(), digest_size=16).hexdigest()

    def open(self) -> Callable[[list[Item]], Made]:
        """The work on one part."""
        return self._make

    def _make(self, items: list[Item]) -> Made:
        rows = [{**item, "concepts": frequent(item["concepts"], self.counts, self.minimum)} for item in items]
        kept = sum(len(row["concepts"]) for row in rows)
        rare = sum(len(item["concepts"]) for item in items) - kept
        return Made(rows, {"concepts": kept, "rare_concepts": rare})
