"""An n-gram language model of the user's own captions, cross-fitted: it never judges a caption that it has read."""

from __future__ import annotations

import numpy as np

from rebind.negatives.word_grams import WordGrams


def cross_fitted_likelihood(grams: WordGrams, folds: np.ndarray, read: np.ndarray) -> np.ndarray:
    """Log-likelihood of each text under a model of the texts in ``read`` that are not of its own fold.

    Interpolated Kneser-Ney smoothing with one discount an order, estimated from the counts. An n-gram g = h w has
    ``p(w | h) = max(c(g) - D, 0) / c(h) + D N(h) / c(h) · p(w | h without its first word)``, where N(h) is the number
    of different words seen after h, and c is a count for the longest n-grams and the number of different words seen
    before g for shorter ones; ``D = (n1 + 1) / (n1 + 2 n2 + 2)`` with n1, n2 n-grams of count one and two.
    Below single words lies the uniform distribution over the words read and one more.

    Args:
        grams: of T texts.
        folds: (T,) fold of each text; texts of one sample must share it.
        read: (T,) bool, the texts to learn from.

    Returns:
        (T,) natural logarithms, the end of the text included.

    Source: Kneser & Ney, *Improved backing-off for m-gram language modeling*, 1995; Chen & Goodman, 1998.
    """
    texts = len(folds)
    likelihood = np.zeros(texts)
    fold_of, read_at = folds[grams.owner], read[grams.owner]
    for fold in np.unique(folds):
        own = fold_of == fold
        probability = _probabilities(grams, read_at & ~own)
        logs = np.log(probability[grams.grams[-1][own]])
        likelihood += np.bincount(grams.owner[own], weights=logs, minlength=texts)
    return likelihood


def _probabilities(grams: WordGrams, read_at: np.ndarray) -> np.ndarray:
    """p(last word | the words before it) of every longest n-gram, learnt from the positions ``read_at``."""
    sizes = [len(shorter) for shorter in grams.shorter]
    counts = [np.bincount(grams.grams[-1][read_at], minlength=sizes[-1])]
    for size, shorter in zip(sizes[-2::-1], grams.shorter[:0:-1], strict=True):
        counts.append(np.bincount(shorter[counts[-1] > 0], minlength=size))
    counts.reverse()

    probability = np.array([1 / (np.count_nonzero(counts[0]) + 1)])
    for count, shorter, context in zip(counts, grams.shorter, grams.context, strict=True):
        once, twice = np.count_nonzero(count == 1), np.count_nonzero(count == 2)
        discount = (once + 1) / (once + 2 * twice + 2)  # one more of each, so that it is never zero
        total = np.bincount(context, weights=count)[context]
        followers = np.bincount(context, weights=count > 0)[context]
        known = np.maximum(count - discount, 0) + discount * followers * probability[shorter]
        probability = np.where(total > 0, known / np.maximum(total, 1), probability[shorter])
    return probability
