"""Intervals against scipy's own answers and simulation."""

import numpy as np
import pytest
from scipy import stats

from rebind.reports.statistics import difference, estimate, mean_of_splits
from rebind.types import Score


def score(value, half=0.03, n=100, ties=0, split="s"):
    return Score("world", split, "accuracy", value, n, ties, value - half, value + half)


def test_over_seeds_the_interval_is_students():
    values = [0.91, 0.95, 0.93, 0.96]
    found = estimate({seed: score(v, ties=seed) for seed, v in enumerate(values)})
    low, high = stats.t.interval(0.95, 3, loc=np.mean(values), scale=stats.sem(values))
    assert (found.value, found.low, found.high) == pytest.approx((np.mean(values), low, high))
    assert found.over_seeds
    assert found.ties == 0 + 1 + 2 + 3


def test_one_seed_keeps_its_bootstrap_interval():
    found = estimate({5: score(0.8)})
    assert (found.value, found.low, found.high, found.over_seeds) == (
        0.8,
        pytest.approx(0.77),
        pytest.approx(0.83),
        False,
    )


def test_an_interval_stays_a_share():
    found = estimate({1: score(0.999, 0.0), 2: score(0.93, 0.0)})
    assert found.high == 1.0


def test_paired_seeds_use_the_paired_test():
    ours, theirs = [0.94, 0.95, 0.93], [0.70, 0.74, 0.69]
    gap = difference(
        estimate({s: score(v) for s, v in enumerate(ours)}), estimate({s: score(v) for s, v in enumerate(theirs)})
    )
    expected = stats.ttest_rel(ours, theirs).confidence_interval(0.95)
    assert (gap.low, gap.high) == pytest.approx((expected.low, expected.high))
    assert len(gap.by_seed) == 3


def test_single_seeds_combine_their_intervals():
    gap = difference(estimate({1: score(0.9, 0.03)}), estimate({1: score(0.7, 0.04)}))
    assert (gap.value, gap.low, gap.high) == pytest.approx((0.2, 0.15, 0.25))  # 3-4-5
    assert not gap.over_seeds


def test_a_mean_of_splits_adds_items_and_ties_and_averages_the_rest():
    both = mean_of_splits([score(0.8, n=100, ties=1), score(0.6, n=50, ties=2)])
    assert (both.value, both.low, both.high, both.n, both.ties) == (
        pytest.approx(0.7), pytest.approx(0.67), pytest.approx(0.73), 150, 3,
    )  # fmt: skip
