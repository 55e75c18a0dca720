"""From scores of single runs to estimates over seeds and differences between arms, each with its interval."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student_t

from rebind.types import Score


@dataclass(frozen=True)
class Estimate:
    """A share between 0 and 1 (or a difference of two) with its 95 % interval.

    Attributes:
        value: mean over seeds.
        low: lower end of the interval.
        high: upper end of the interval.
        by_seed: the value of each seed.
        n: items each seed was scored on (the smallest, should seeds differ).
        ties: items decided by the tie rule, summed over seeds.
    """

    value: float
    low: float
    high: float
    by_seed: Mapping[int, float]
    n: int
    ties: int = 0

    @property
    def over_seeds(self) -> bool:
        """Whether the interval is Student's t over seeds; otherwise it is one seed's bootstrap over items."""
        return len(self.by_seed) > 1


def mean_of_splits(scores: Sequence[Score]) -> Score:
    """The plain mean of several splits of one model as one score.

    The ends of the intervals are averaged too: right for splits over the same items, too wide for independent ones.
    """
    return Score(
        benchmark=scores[0].benchmark,
        split="+".join(score.split for score in scores),
        metric=scores[0].metric,
        value=float(np.mean([score.value for score in scores])),
        n=sum(score.n for score in scores),
        ties=sum(score.ties for score in scores),
        low=float(np.mean([score.low for score in scores])),
        high=float(np.mean([score.high for score in scores])),
    )


def estimate(by_seed: Mapping[int, Score]) -> Estimate:
    """Mean over seeds with Student's t interval over seeds; with one seed that seed's own bootstrap interval."""
    scores = list(by_seed.values())
    values = {seed: score.value for seed, score in by_seed.items()}
    n, ties = min(score.n for score in scores), sum(score.ties for score in scores)
    if len(scores) == 1:
        return Estimate(scores[0].value, scores[0].low, scores[0].high, values, n, ties)
    mean, half = _student(values.values())
    return Estimate(mean, max(0.0, mean - half), min(1.0, mean + half), values, n, ties)


def difference(first: Estimate, second: Estimate) -> Estimate:
    """``first − second`` with its 95 % interval.

    The same two or more seeds in both: Student's t on the differences seed by seed. Otherwise the two intervals are
    combined as if independent (Zou & Donner 2008), which is too wide rather than too narrow when items are shared.
    """
    shared = {s: value - second.by_seed[s] for s, value in first.by_seed.items() if s in second.by_seed}
    n = min(first.n, second.n)
    if len(shared) > 1 and len(shared) == len(first.by_seed) == len(second.by_seed):
        mean, half = _student(shared.values())
        return Estimate(mean, mean - half, mean + half, shared, n)
    value = first.value - second.value
    below = math.hypot(first.value - first.low, second.high - second.value)
    above = math.hypot(first.high - first.value, second.value - second.low)
    return Estimate(value, value - below, value + above, {}, n)


def _student(values: Iterable[float]) -> tuple[float, float]:
    """Mean and half the 95 % interval of it."""
    sample = np.fromiter(values, dtype=float)
    half = student_t.ppf(0.975, len(sample) - 1) * sample.std(ddof=1) / math.sqrt(len(sample))
    return float(sample.mean()), float(half)
