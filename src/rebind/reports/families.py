"""Foil families seen and unseen: those that any of the arms was trained on as hard negatives, and all others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rebind.reports.arms import CATEGORY_NAMES, Arm, Measure, ScoreKey, listed, score_keys
from rebind.reports.statistics import Estimate
from rebind.types import HEADLINES

APART = "held_out"  # asks for pairings, by way of a family that has a score of its own
HARD_NEGATIVE_OBJECTIVES = ("negclip", "tripletclip")


@dataclass(frozen=True)
class FamilySplit:
    """One split of a benchmark's families for all arms, so that they are compared on the same foils.

    Attributes:
        trained: the arms that were trained on hard negatives of the families seen.
        unknown: the arms that were trained on hard negatives, nobody knows of which families.
        seen: scores of the families that any arm was trained on.
        unseen: scores of the other families; empty when there are none.
    """

    trained: tuple[Arm, ...]
    unknown: tuple[Arm, ...]
    seen: tuple[ScoreKey, ...]
    unseen: tuple[ScoreKey, ...]

    @property
    def measures(self) -> list[Measure]:
        """The mean over the families seen and the mean over the others."""
        named = (("seen families", self.seen), ("unseen families", self.unseen))
        return [Measure(name, keys) for name, keys in named if keys]

    def of(self, measure: Measure, arm: Arm) -> Estimate | None:
        """An arm's estimate; None for what was seen or not where that is unknown."""
        return None if arm in self.unknown and measure in self.measures else measure.of(arm)

    @property
    def note(self) -> str:
        """What is seen, in a sentence or two."""
        names = listed([CATEGORY_NAMES.get(key[1], key[1]) for key in self.seen])
        note = f"Seen families: {names}, hard negatives of which {listed([arm.label for arm in self.trained])} saw"
        note += "; unseen: all other foils but held-out pairings." if self.unseen else "."
        if self.unknown:
            labels = listed([arm.label for arm in self.unknown])
            note += f" What {labels} saw is not known: no negative_families in the settings."
        return note


def family_split(arms: Sequence[Arm]) -> FamilySplit | None:
    """The split of the first benchmark that has a family that an arm was trained on; None when there is none."""
    families = {arm.label: _families(arm) for arm in arms}
    union = frozenset().union(*(found or () for found in families.values()))
    keys = [key for key in score_keys(arms) if key[2] == "accuracy" and key[1] not in (*HEADLINES, APART)]
    benchmark = next((key[0] for key in keys if key[1] in union), None)
    if benchmark is None:
        return None
    keys = [key for key in keys if key[0] == benchmark]
    return FamilySplit(
        trained=tuple(arm for arm in arms if families[arm.label]),
        unknown=tuple(arm for arm in arms if families[arm.label] is None),
        seen=tuple(key for key in keys if key[1] in union),
        unseen=tuple(key for key in keys if key[1] not in union),
    )


def _families(arm: Arm) -> frozenset[str] | None:
    """What the runs' settings name; None when an objective of hard negatives took whatever there was."""
    named = [run.results.settings.get("negative_families") for run in arm.runs]
    lists = [families for families in named if isinstance(families, list)]
    if not lists and any(name in arm.objective for name in HARD_NEGATIVE_OBJECTIVES):
        return None
    return frozenset(str(family) for families in lists for family in families)
