"""Telltale words: a classifier learns what gives foils away, cross-fitted, so that it judges pairs it never saw."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import expit
from threadpoolctl import threadpool_limits

from rebind.negatives.word_grams import WordGrams

_SCALE = 10.0  # words of a usual caption: shares of its n-grams become counts again, on which the penalty is 1
_RARE = 3  # n-grams that set fewer pairs apart than this cannot be learnt from


def pair_features(captions: Sequence[str], foils: Sequence[str], order: int = 3) -> sparse.csr_array:
    """How the n-grams of each caption differ from those of its foil, case kept.

    Each text is the share that every n-gram has in it, so that a text is not known by its length, which is judged
    apart: an addition is always longer, whatever is added.

    Returns:
        (n, F): share in the caption minus share in the foil, n-grams in fewer than three pairs left out.
    """
    grams = WordGrams.of([*captions, *foils], order, keep_case=True)
    shares = 1 / np.bincount(grams.owner, minlength=2 * len(captions))
    counts = sparse.hstack([grams.counts(length) for length in range(1, order + 1)], format="csr")
    scaled = sparse.diags_array(_SCALE * shares) @ counts
    difference = (scaled[: len(captions)] - scaled[len(captions) :]).tocsc()
    difference.eliminate_zeros()
    return difference[:, np.diff(difference.indptr) >= _RARE].tocsr()


def word_leanings(captions: Sequence[str], foils: Sequence[str]) -> sparse.csr_array:
    """(W, n) how often each of W words, case aside, is in a caption less in its foil; words that never differ go."""
    counts = WordGrams.of([*captions, *foils], order=1).counts(1)
    difference = (counts[: len(captions)] - counts[len(captions) :]).T.tocsr()
    difference.eliminate_zeros()
    return difference[np.diff(difference.indptr) > 0]


def two_sided(words: sparse.csr_array) -> np.ndarray:
    """Which of n pairs have only words that could balance: such as other pairs have on the other side.

    What goes may leave others without a counterpart, so this is asked again until nothing goes.

    Args:
        words: (W, n) of :func:`word_leanings`.
    """
    sides = [(words > 0).astype(float), (words < 0).astype(float)]
    left = np.ones(words.shape[1], dtype=bool)
    while True:
        more, fewer = (side @ left > 0 for side in sides)
        alone = (more != fewer).astype(float) @ (sides[0] + sides[1]) > 0
        if not (left & alone).any():
            return left
        left &= ~alone


def cross_fitted_gaps(features: sparse.csr_array, folds: np.ndarray, learn: np.ndarray) -> np.ndarray:
    """How far each pair's caption looks more like a caption than its foil does, to a classifier of other folds.

    Logistic regression on the difference of the two texts, without an intercept: ``σ(w · x)`` is the chance that the
    first of two texts is the caption. The penalty is ``½ |w|²``.

    Args:
        features: (n, F) caption minus foil.
        folds: (n,) fold of each pair; pairs of one sample must share it.
        learn: (n,) bool, the pairs to learn from.

    Returns:
        (n,) log-odds; zero where there was nothing to learn from.
    """
    gaps = np.zeros(len(folds))
    for fold in np.unique(folds):
        seen = features[learn & (folds != fold)]
        if seen.shape[0]:
            gaps[folds == fold] = features[folds == fold] @ _fit(seen)
    return gaps


def _fit(features: sparse.csr_array) -> np.ndarray:
    """Weights (F,) that minimise the penalised logistic loss of telling each caption from its foil."""
    transposed = features.T.tocsr()

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        odds = features @ weights
        value = np.logaddexp(0, -odds).sum() + weights @ weights / 2
        return float(value), weights - transposed @ expit(-odds)

    with threadpool_limits(1, "blas"):  # which sums in another order with every number of threads
        start = np.zeros(features.shape[1])
        return minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 60}).x
