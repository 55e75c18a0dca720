"""How well an extractor agrees with concepts that a person wrote down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from rebind.concepts.gold import GoldCaption
from rebind.metrics import bootstrap_interval
from rebind.types import UserError

if TYPE_CHECKING:
    from rich.table import Table


class Rate(NamedTuple):
    """A share between 0 and 1 with its 95 % bootstrap interval over captions."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Agreement:
    """How the concepts that were found compare with those of a person, over all captions (micro averages).

    Attributes:
        captions: how many were compared.
        precision: share of the concepts found that the person wrote down, too.
        recall: share of the person's concepts that were found.
        f1: harmonic mean of both.
        misses: the person's concepts that were not found, with counts, the most frequent first.
        false_alarms: concepts that were found and the person did not write down, likewise.
    """

    captions: int
    precision: Rate
    recall: Rate
    f1: Rate
    misses: list[tuple[str, int]]
    false_alarms: list[tuple[str, int]]

    def as_dict(self) -> dict[str, Any]:
        """The comparison as JSON holds it."""
        rates = {name: getattr(self, name)._asdict() for name in ("precision", "recall", "f1")}
        lists = {"misses": dict(self.misses), "false_alarms": dict(self.false_alarms)}
        return {"captions": self.captions, **rates, **lists}

    def as_table(self, number: int = 10) -> Table:
        """The comparison for a terminal, with the ``number`` most frequent misses and false alarms."""
        from rich.markup import escape
        from rich.table import Table

        table = Table("", "value", "95 % interval", title=f"{self.captions:,} labelled captions", title_justify="left")
        for name in ("precision", "recall", "f1"):
            rate: Rate = getattr(self, name)
            table.add_row(name.replace("f1", "F1"), f"{rate.value:.3f}", f"{rate.low:.3f} … {rate.high:.3f}")
        for name, concepts in (("misses", self.misses), ("false alarms", self.false_alarms)):
            named = ", ".join(f"{concept} ×{count}" if count > 1 else concept for concept, count in concepts[:number])
            table.add_row(name, f"{sum(count for _, count in concepts):,}", escape(named))
        return table


def evaluate_concepts(
    gold: Sequence[GoldCaption], extract: Callable[[list[str]], Sequence[Sequence[str]]]
) -> Agreement:
    """Compare an extractor with a person, caption by caption as sets; letter case and spaces do not matter.

    A caption in which the person found nothing is its own concept, as it is for the extractor.

    Args:
        gold: the labelled captions, see :func:`rebind.concepts.gold.read_gold`.
        extract: from captions to their concepts, e.g. ``build_extractor().read_many``.

    Raises:
        UserError: when there are no labels, or what ``extract`` raises.
    """
    if not gold:
        raise UserError("there are no labelled captions to compare with; label some")
    wanted = [_plain(concepts or [caption]) for caption, concepts in gold]
    found = [_plain(concepts) for concepts in extract([caption for caption, _ in gold])]
    missed, wrong = Counter[str](), Counter[str]()
    for want, have in zip(wanted, found, strict=True):
        missed.update(want - have)
        wrong.update(have - want)
    # 2·hits / (found + wanted) is the mean over both lists laid together of "the other list has it, too".
    either = [(want, have) for want, have in zip(wanted + found, found + wanted, strict=True)]
    return Agreement(
        captions=len(gold),
        precision=_rate(list(zip(found, wanted, strict=True)), len(gold)),
        recall=_rate(list(zip(wanted, found, strict=True)), len(gold)),
        f1=_rate(either, len(gold)),
        misses=_by_count(missed),
        false_alarms=_by_count(wrong),
    )


def _plain(concepts: Sequence[str]) -> set[str]:
    return {" ".join(concept.lower().split()) for concept in concepts}


def _rate(pairs: list[tuple[set[str], set[str]]], captions: int) -> Rate:
    """The share of the first sets' concepts that the second sets hold; pair ``i`` is of caption ``i % captions``."""
    hits = np.array([float(concept in others) for these, others in pairs for concept in sorted(these)])
    owners = np.array([number % captions for number, (these, _) in enumerate(pairs) for _ in these])
    if not len(hits):
        return Rate(0.0, 0.0, 0.0)
    return Rate(float(hits.mean()), *bootstrap_interval(hits, owners))


def _by_count(concepts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(concepts.items(), key=lambda item: (-item[1], item[0]))
