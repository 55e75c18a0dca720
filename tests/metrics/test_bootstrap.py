import numpy as np
import pytest
from scipy import stats

from rebind.metrics import bootstrap_interval, bootstrap_means

MANY = 40_000  # so that the Monte-Carlo error of a percentile is far below the tolerance


def test_interval_agrees_with_scipy_for_binary_outcomes():
    outcomes = np.random.default_rng(1).random(150) < 0.83
    theirs = stats.bootstrap(
        (outcomes,), np.mean, n_resamples=MANY, method="percentile", rng=np.random.default_rng(2), batch=2000
    ).confidence_interval
    ours = bootstrap_interval(outcomes, resamples=MANY)
    assert ours == pytest.approx((theirs.low, theirs.high), abs=1 / 150)


def test_interval_agrees_with_scipy_for_real_valued_outcomes():
    outcomes = np.random.default_rng(3).normal(size=80)
    theirs = stats.bootstrap(
        (outcomes,), np.mean, n_resamples=MANY, method="percentile", rng=np.random.default_rng(4), batch=2000
    ).confidence_interval
    assert bootstrap_interval(outcomes, resamples=MANY) == pytest.approx((theirs.low, theirs.high), abs=0.01)


def test_clustered_means_have_the_distribution_of_a_plain_cluster_loop():
    rng = np.random.default_rng(5)
    clusters = rng.integers(0, 30, size=100)
    outcomes = (rng.random(100) < rng.random(30)[clusters]).astype(float)
    names = np.unique(clusters)
    looped = []
    for _ in range(4000):
        drawn = rng.choice(names, size=len(names))
        items = np.concatenate([outcomes[clusters == name] for name in drawn])
        looped.append(items.mean())
    ours = bootstrap_means(outcomes, clusters, resamples=4000)
    assert stats.ks_2samp(ours, looped).pvalue > 0.01
    assert np.std(ours) == pytest.approx(np.std(looped), rel=0.06)


def test_perfectly_correlated_clusters_widen_the_interval():
    outcomes = np.repeat(np.random.default_rng(6).random(50) < 0.5, 8)
    clusters = np.repeat(np.arange(50), 8)
    alone, together = bootstrap_interval(outcomes), bootstrap_interval(outcomes, clusters)
    assert (together[1] - together[0]) / (alone[1] - alone[0]) == pytest.approx(8**0.5, rel=0.15)


def test_labels_of_clusters_do_not_matter():
    outcomes = np.array([1, 0, 1, 1, 0, 1])
    numbers, names = np.array([5, 5, 1, 1, 9, 9]), np.array(["a", "a", "b", "b", "c", "c"])
    assert bootstrap_interval(outcomes, numbers) == bootstrap_interval(outcomes, names)


def test_macro_means_have_the_distribution_of_a_plain_cluster_loop():
    rng = np.random.default_rng(7)
    clusters, categories = (
        rng.integers(0, 40, size=150),
        rng.choice(["add", "replace", "swap"], p=[0.6, 0.3, 0.1], size=150),
    )
    outcomes = (rng.random(150) < rng.random(40)[clusters]).astype(float)
    names = np.unique(clusters)
    looped = []
    for _ in range(4000):
        items = np.concatenate([np.flatnonzero(clusters == name) for name in rng.choice(names, size=len(names))])
        means = [outcomes[items[categories[items] == each]].mean() for each in np.unique(categories[items])]
        looped.append(np.mean(means))
    ours = bootstrap_means(outcomes, clusters, categories, resamples=4000)
    assert stats.ks_2samp(ours, looped).pvalue > 0.01
    assert np.std(ours) == pytest.approx(np.std(looped), rel=0.06)


def test_macro_weighs_categories_alike():
    outcomes = np.concatenate([np.ones(900), np.zeros(100)])
    categories = np.repeat(["common", "rare"], [900, 100])
    assert bootstrap_interval(outcomes, None, categories) == (0.5, 0.5)


def test_a_category_missing_from_a_resample_leaves_the_others():
    means = bootstrap_means(np.array([1.0, 1.0, 0.0]), None, np.array([0, 0, 1]))
    assert set(means) == {0.0, 0.5, 1.0}


def test_same_seed_same_interval():
    outcomes = np.random.default_rng(8).random(60) < 0.7
    assert bootstrap_interval(outcomes, seed=3) == bootstrap_interval(outcomes, seed=3)
    assert not np.array_equal(bootstrap_means(outcomes, seed=3), bootstrap_means(outcomes, seed=4))


def test_certain_outcomes_have_an_interval_of_no_width():
    assert bootstrap_interval(np.ones(9)) == (1.0, 1.0)
    assert bootstrap_interval(np.zeros(1)) == (0.0, 0.0)
