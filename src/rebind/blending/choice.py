"""Which point of the curve to keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rebind.forgetting import Change, Forgetting, points

RULE = (
    "of the alphas at which the 95 % interval of every recognition task's change lies above minus the greatest loss, "
    "the one with the best composition; of equal ones the one nearest to the base"
)


@dataclass(frozen=True)
class Point:
    """One alpha and what became of the base there.

    Attributes:
        alpha: 0 is the base, 1 the tuned model.
        outcome: its scores against those of the base.
    """

    alpha: float
    outcome: Forgetting

    @property
    def composition(self) -> Change:
        """Mean of composition, before and after."""
        assert self.outcome.composition is not None
        return self.outcome.composition

    @property
    def recognition(self) -> Change:
        """Mean of recognition, before and after."""
        assert self.outcome.recognition is not None
        return self.outcome.recognition

    @property
    def worst(self) -> Change:
        """The task of recognition that loses most."""
        assert self.outcome.worst is not None
        return self.outcome.worst

    def keeps(self, max_loss: float, surely: bool) -> bool:
        """Whether no task of recognition loses more than ``max_loss`` points: surely, or by the estimate."""
        return self.alpha == 0 or all(
            100 * (task.low if surely else task.difference) >= -max_loss for task in self.outcome.tasks
        )


@dataclass(frozen=True)
class Choice:
    """The point to keep, and why."""

    point: Point
    why: str


def choose(curve: Sequence[Point], max_loss: float) -> Choice:
    """Choose by :data:`RULE`.

    Args:
        curve: one point or more; the base, at alpha 0, among them.
        max_loss: how much any task of recognition may lose against the base, in points of per cent.
    """
    allowed = [point for point in curve if point.keeps(max_loss, surely=True)]
    best = _best(allowed)
    within = f"it is sure that no task of recognition loses more than {max_loss:g} points"
    if best.alpha == 0:
        why = f"alpha 0, the base itself: composition is best there among the alphas at which {within}"
        if len(allowed) == 1 < len(curve):
            why = f"alpha 0, the base itself: there is no other at which {within}"
        return Choice(best, f"{why}{_by_estimate(curve, best, max_loss)}.")
    worst = best.worst
    return Choice(
        best,
        f"alpha {best.alpha:g}: composition {points(best.composition.difference)} points against the base, the best of "
        f"the alphas at which {within}; here the one that changes worst, {worst.title}, changes by "
        f"{points(worst.difference)} points (95 % {points(worst.low)} to {points(worst.high)})"
        f"{_by_estimate(curve, best, max_loss)}.",
    )


def _best(among: Sequence[Point]) -> Point:
    return max(among, key=lambda point: (point.composition.tuned, -point.alpha))


def _by_estimate(curve: Sequence[Point], chosen: Point, max_loss: float) -> str:
    """What would be chosen if the intervals were points, where that is another."""
    other = _best([point for point in curve if point.keeps(max_loss, surely=False)])
    if other.composition.tuned <= chosen.composition.tuned:
        return ""
    return (
        f"; by the estimates alone it would be alpha {other.alpha:g} (composition "
        f"{points(other.composition.difference)}, {other.worst.title} {points(other.worst.difference)} points), which "
        "more test items could confirm"
    )
