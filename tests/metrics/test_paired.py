from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rebind.metrics import bootstrap_interval, holm, paired_difference, sign_flip_p


def pair_of(only_first, only_second, both=20):
    """Outcomes of two models that disagree on so many items."""
    first = np.repeat([1, 0, 1], [only_first, only_second, both])
    second = np.repeat([0, 1, 1], [only_first, only_second, both])
    return first, second


@pytest.mark.parametrize(
    ("only_first", "only_second", "published"),
    [
        (1, 7, 0.0703),  # airway hyper-responsiveness, Fagerland, Lydersen & Laake 2013, exact conditional test
        (6, 16, 0.0525),  # Wikipedia's table 59, 6, 16, 80: exact binomial, 0.053
        (7, 1, 0.0703),
        (0, 0, 1.0),
        (5, 5, 1.0),
    ],
)
def test_items_that_stand_alone_get_the_exact_test_of_mcnemar(only_first, only_second, published):
    paired = paired_difference(*pair_of(only_first, only_second))
    assert paired.exact
    assert paired.p == pytest.approx(published, abs=5e-5)
    assert (paired.first_better, paired.second_better) == (only_first, only_second)
    assert paired.value == pytest.approx((only_second - only_first) / (only_first + only_second + 20))


@given(st.integers(0, 60), st.integers(0, 60))
@settings(max_examples=40)
def test_the_exact_test_is_the_doubled_binomial_tail(only_first, only_second):
    first, second = pair_of(only_first, only_second)
    fewer, total = min(only_first, only_second), only_first + only_second
    assert sign_flip_p(second - first)[0] == pytest.approx(min(1, 2 * stats.binom.cdf(fewer, total, 0.5)))


def test_clusters_are_flipped_whole_as_in_a_plain_enumeration():
    rng = np.random.default_rng(0)
    clusters = rng.integers(0, 11, size=40)
    first, second = rng.integers(0, 2, size=(2, 40))
    sums = [(second - first)[clusters == each].sum() for each in np.unique(clusters)]
    flipped = [abs(np.dot(signs, sums)) for signs in product((-1, 1), repeat=len(sums))]
    plain = np.mean(np.array(flipped) >= abs(sum(sums)))
    paired = paired_difference(first, second, clusters)
    assert not paired.exact
    assert paired.p == pytest.approx(plain, abs=0.015)


def test_the_permutation_test_agrees_with_scipy_for_real_valued_outcomes():
    rng = np.random.default_rng(1)
    first = rng.random(12)
    second = first + rng.normal(0.15, 0.3, size=12)
    theirs = stats.permutation_test(
        (first, second), lambda a, b, axis: np.mean(b - a, axis=axis), permutation_type="samples", n_resamples=np.inf
    ).pvalue
    assert paired_difference(first, second).p == pytest.approx(theirs, abs=0.015)


def test_clusters_of_one_size_are_mcnemar_of_the_clusters():
    first, second = pair_of(2, 9)
    clusters = np.repeat(np.arange(len(first)), 3)
    paired = paired_difference(first.repeat(3), second.repeat(3), clusters)
    assert paired.p == paired_difference(first, second).p > paired_difference(first.repeat(3), second.repeat(3)).p


def test_the_interval_is_the_cluster_bootstrap_of_the_differences():
    rng = np.random.default_rng(2)
    first, second = rng.integers(0, 2, size=(2, 90))
    clusters = np.array([f"{i}.jpg" for i in rng.integers(0, 30, size=90)])
    paired = paired_difference(first, second, clusters)
    names = np.unique(clusters)
    drawn = [np.concatenate([np.flatnonzero(clusters == name) for name in rng.choice(names, 30)]) for _ in range(4000)]
    plain = np.quantile([(second[rows] - first[rows]).mean() for rows in drawn], [0.025, 0.975])
    assert (paired.low, paired.high) == pytest.approx(plain, abs=0.03)
    assert (paired.low, paired.high) == bootstrap_interval(second - first, clusters)


def clustered_pair(rng, gain=0.0, images=60):
    """Two models that are right more often on some images than on others; the second by so much more."""
    clusters = np.repeat(np.arange(images), rng.integers(1, 6, size=images))
    ease = rng.beta(0.7, 0.7, size=(2, images))[:, clusters]
    ease[1] += gain
    return (*(rng.random(ease.shape) < ease), clusters)


def test_of_two_models_that_are_alike_five_in_a_hundred_look_different():
    rng = np.random.default_rng(3)
    pairs = [clustered_pair(rng) for _ in range(200)]
    results = [paired_difference(*pair, resamples=400, flips=399) for pair in pairs]
    assert 0.01 <= np.mean([each.p < 0.05 for each in results]) <= 0.09
    assert 0.9 <= np.mean([each.low <= 0 <= each.high for each in results]) <= 0.99
    items_alone = [paired_difference(first, second, resamples=10).p for first, second, _ in pairs]
    assert np.mean([p < 0.05 for p in items_alone]) > 0.1  # what forgetting the clusters would give


def test_of_two_models_that_differ_most_are_seen():
    rng = np.random.default_rng(4)
    results = [paired_difference(*clustered_pair(rng, gain=0.25), resamples=50, flips=399) for _ in range(50)]
    assert np.mean([each.p < 0.05 for each in results]) > 0.8


def test_models_that_never_differ():
    same = np.array([1, 0, 1])
    paired = paired_difference(same, same, np.array([0, 0, 1]))
    assert (paired.value, paired.low, paired.high, paired.p) == (0, 0, 0, 1)


def test_same_seed_same_p():
    first, second, clusters = clustered_pair(np.random.default_rng(5))
    p = [paired_difference(first, second, clusters, seed=seed).p for seed in (0, 0, 1)]
    assert p[0] == p[1] != p[2]


def test_holm_is_the_textbook_step_down():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1, 1]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_rejects_what_the_sequential_rule_rejects(p_values):
    rejected = set()
    for rank, place in enumerate(np.argsort(p_values, kind="stable")):
        if p_values[place] * (len(p_values) - rank) >= 0.05:
            break
        rejected.add(int(place))
    assert {i for i, p in enumerate(holm(p_values)) if p < 0.05} == rejected
