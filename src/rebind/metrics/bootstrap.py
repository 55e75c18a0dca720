"""95 % percentile bootstrap intervals of a mean: thousands of resamples without a loop over them."""

from __future__ import annotations

import numpy as np

RESAMPLES = 2000


def bootstrap_means(
    outcomes: np.ndarray,
    clusters: np.ndarray | None = None,
    categories: np.ndarray | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> np.ndarray:
    """Means of ``resamples`` bootstrap samples, drawn with replacement; whole clusters are drawn when given.

    Items that share an image are not independent, so they should be drawn together, in whatever category they are. A
    resample's mean is the sum of its outcomes over the number of its items; with categories, the mean of that over the
    categories that occur in it: a macro average.

    Clusters that are alike (same sum and size in every category) are interchangeable. So instead of drawing clusters,
    draw how often each *kind* of cluster occurs, which is multinomial: exactly the same distribution, and for
    right-or-wrong outcomes there are a handful of kinds instead of thousands of items.

    Args:
        outcomes: (n,) numbers, usually 0 and 1; n ≥ 1.
        clusters: (n,) label of the cluster that each item belongs to; None when every item stands alone.
        categories: (n,) label of the category of each item; None when they are all of one.
        resamples: how many bootstrap samples.
        seed: makes the result reproducible.

    Returns:
        (resamples,) means.

    Source: Efron & Tibshirani, *An Introduction to the Bootstrap*, 1993; cluster bootstrap: Field & Welsh, 2007.
    """
    outcomes = np.asarray(outcomes, dtype=np.float64)
    cluster, cluster_count = _numbered(np.arange(len(outcomes)) if clusters is None else clusters)
    category, category_count = _numbered(np.zeros(len(outcomes)) if categories is None else categories)
    cell, cells = cluster * category_count + category, cluster_count * category_count
    sums = np.bincount(cell, weights=outcomes, minlength=cells).reshape(cluster_count, -1)
    sizes = np.bincount(cell, minlength=cells).reshape(cluster_count, -1)

    kinds, occurrences = np.unique(np.hstack([sums, sizes]), axis=0, return_counts=True)
    draws = np.random.default_rng(seed).multinomial(cluster_count, occurrences / cluster_count, size=resamples)
    drawn_sums, drawn_sizes = np.hsplit(draws @ kinds, 2)  # (resamples, categories) each
    means = np.divide(drawn_sums, drawn_sizes, out=np.full_like(drawn_sums, np.nan), where=drawn_sizes > 0)
    return np.nanmean(means, axis=1)


def bootstrap_interval(
    outcomes: np.ndarray,
    clusters: np.ndarray | None = None,
    categories: np.ndarray | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[float, float]:
    """95 % percentile interval (low, high) of the mean outcome; arguments as for :func:`bootstrap_means`."""
    means = bootstrap_means(outcomes, clusters, categories, resamples=resamples, seed=seed)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def _numbered(labels: np.ndarray) -> tuple[np.ndarray, int]:
    """Number equal labels alike, from 0; and how many there are."""
    distinct, numbers = np.unique(labels, return_inverse=True)
    return numbers.reshape(-1), len(distinct)
