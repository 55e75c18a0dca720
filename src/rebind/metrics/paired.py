"""Two models judged on the same items: how far apart they are, and whether chance alone would explain it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rebind.metrics.bootstrap import RESAMPLES, bootstrap_interval

FLIPS = 19_999


@dataclass(frozen=True)
class PairedDifference:
    """The mean of the second model less that of the first.

    Attributes:
        value: the difference, in the units of the outcomes.
        low: lower end of its 95 % interval: a paired bootstrap, clusters drawn whole.
        high: upper end.
        p: two-sided p-value of "neither is better".
        exact: whether p is McNemar's exact one; otherwise signs of whole clusters were flipped at random.
        first_better: items on which the first model does better.
        second_better: items on which the second one does.
    """

    value: float
    low: float
    high: float
    p: float
    exact: bool
    first_better: int
    second_better: int


def paired_difference(
    first: np.ndarray,
    second: np.ndarray,
    clusters: np.ndarray | None = None,
    *,
    resamples: int = RESAMPLES,
    flips: int = FLIPS,
    seed: int = 0,
) -> PairedDifference:
    """Compare (n,) outcomes of two models, item by item.

    Args:
        first: (n,) numbers, usually 0 and 1; n ≥ 1.
        second: (n,) numbers of the same items.
        clusters: (n,) label of the cluster that each item belongs to; None when every item stands alone.
        resamples: bootstrap samples of the interval.
        flips: random flips of the p-value.
        seed: makes the result reproducible.
    """
    difference = np.asarray(second, dtype=np.float64) - np.asarray(first, dtype=np.float64)
    low, high = bootstrap_interval(difference, clusters, resamples=resamples, seed=seed)
    p, exact = sign_flip_p(difference, clusters, flips=flips, seed=seed)
    wins = int((difference < 0).sum()), int((difference > 0).sum())
    return PairedDifference(float(difference.mean()), low, high, p, exact, *wins)


def sign_flip_p(
    difference: np.ndarray, clusters: np.ndarray | None = None, *, flips: int = FLIPS, seed: int = 0
) -> tuple[float, bool]:
    """Two-sided p-value of (n,) differences under "each cluster's could as well have the other sign"; if it is exact.

    The statistic is the absolute sum of the clusters' sums. Where all sums that are not zero are equally large, as for
    right-or-wrong items that stand alone, its distribution is binomial, and the test is McNemar's exact one. Otherwise
    the signs are flipped at random, and p is (1 + flips that reach the statistic) / (1 + flips).

    Source: McNemar, 1947; Phipson & Smyth, *Permutation p-values should never be zero*, 2010.
    """
    from scipy.stats import binomtest

    if clusters is not None:
        difference = np.bincount(np.unique(clusters, return_inverse=True)[1].reshape(-1), weights=difference)
    scale = max(1.0, np.abs(difference).max())
    size = np.round(np.abs(difference) / scale, 9)  # sums that differ by rounding alone are of one kind
    kinds, counts = np.unique(size[size > 0], return_counts=True)
    if len(kinds) < 2:
        discordant = int(counts.sum())
        return (float(binomtest(int((difference > 0).sum()), discordant).pvalue) if discordant else 1.0), True
    generator = np.random.default_rng(seed)
    sums = np.zeros(flips)
    for kind, count in zip(kinds, counts.tolist(), strict=True):  # how many of a kind keep their sign is binomial
        sums += kind * (2.0 * generator.binomial(count, 0.5, size=flips) - count)
    reached = np.abs(sums) >= abs((size * np.sign(difference)).sum()) - 1e-7
    return float((1 + reached.sum()) / (1 + flips)), False


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust m p-values so that the chance of even one false alarm among them stays below the level each is held to.

    Source: Holm, *A simple sequentially rejective multiple test procedure*, 1979.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return adjusted.tolist()
