"""Adversarial refinement: choose pairs of caption and foil so that who reads them blindly can only guess."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

from rebind.negatives.blind import BlindScore, Pairs, sample_folds
from rebind.negatives.telltale import cross_fitted_gaps, pair_features, word_leanings

BINS = 4  # of a judge's certainty
_LARGEST_PROGRAM = 20_000  # candidates; a balanced choice of each block is a balanced choice of all
_ONE_SIDED = 0.97  # share of candidates that are all longer, or all shorter: then no choice among them hides it
_ROUNDS = 6
_NEAR_CHANCE = 0.02


@dataclass(frozen=True)
class Refinement:
    """Which candidates were kept, and how blind judges do before and after.

    Attributes:
        kept: rows of the candidates kept, ascending; at most one of each sample.
        balanced: how many were left before a limit cut them down.
        before: judge -> its score on the preferred candidate of each sample.
        after: judge -> its score on those kept; empty when none was.
        one_sided: judges that were not balanced: nearly all candidates are longer than their captions, as additions
            are, and these judges see it; empty in any other case.
        gaps: judge -> (n,) its gap of every candidate.
    """

    kept: np.ndarray
    balanced: int
    before: dict[str, BlindScore]
    after: dict[str, BlindScore]
    one_sided: tuple[str, ...]
    gaps: dict[str, np.ndarray] = field(repr=False)


def balance(
    gaps: np.ndarray,
    samples: np.ndarray,
    preference: np.ndarray,
    limit: int | None = None,
    allowed: np.ndarray | None = None,
    words: sparse.csr_array | None = None,
) -> np.ndarray:
    """Keep as many candidates as possible such that no judge leans to either side, at any degree of certainty.

    SugarCrepe bins the gaps of two judges and keeps equally many pairs of mirrored bins. With more judges mirrored bins
    run empty, so here each judge is balanced on its own, and the choice that keeps most is a linear program::

        max Σ (1 + preference/2) x    so that   Σ_{i in bin b} sign(gap_ij) x_i = 0   for each judge j and bin b,
                                                Σ_{i of a sample} x_i ≤ 1,   Σ x_i ≤ limit,   0 ≤ x ≤ 1.

    Its solution is whole but for about as many candidates as there are bins; those are dropped or kept by rounding.

    Args:
        gaps: (n, J) of n candidates to J judges; zero where a judge is undecided.
        samples: (n,) number or name of the sample of each; at most one candidate of a sample is kept.
        preference: (n,) from 0 to 1; among equally good choices the preferred ones are kept.
        limit: keep no more than these.
        allowed: (n,) bool, those that may be kept; all when None. The bins are those of all candidates, so that
            forbidding a few changes little else.
        words: (W, n) how often each of W words is in the caption of each candidate less in its foil; the choice then
            also makes every row sum to zero.

    Returns:
        rows kept, ascending.

    Source: SugarCrepe (arXiv 2306.14610), section 3.3, for the rule; AFLite (arXiv 2002.04108) for doing it in rounds.
    """
    if not len(gaps):
        return np.zeros(0, dtype=np.int64)
    _, numbers = np.unique(samples, return_inverse=True)
    most = np.ones(len(gaps)) if allowed is None else allowed.astype(float)
    blocks = -(-len(gaps) // _LARGEST_PROGRAM)
    kept = []
    for block in range(blocks):
        rows = np.flatnonzero(numbers % blocks == block)
        share = None if limit is None else limit // blocks + (block < limit % blocks)
        even = [_leanings(gap) for gap in gaps[rows].T] + ([] if words is None else [words[:, rows]])
        kept.append(rows[_solve(sparse.vstack(even, format="csr"), numbers[rows], preference[rows], most[rows], share)])
    return np.sort(np.concatenate(kept))


def _solve(
    even: sparse.csr_array, samples: np.ndarray, preference: np.ndarray, most: np.ndarray, limit: int | None
) -> np.ndarray:
    """Rows kept of one block; every row of ``even`` sums to zero over them, and ``most`` is the largest x of each."""
    rows = np.arange(len(samples))
    _, sample = np.unique(samples, return_inverse=True)
    at_most = [sparse.coo_array((np.ones(len(rows)), (sample, rows))).tocsr()]
    bounds = [np.ones(at_most[0].shape[0])]
    if limit is not None:
        at_most.append(sparse.csr_array(np.ones((1, len(rows)))))
        bounds.append(np.array([limit]))
    solution = linprog(
        -(1 + preference / 2),
        A_ub=sparse.vstack(at_most, format="csr"),
        b_ub=np.concatenate(bounds),
        A_eq=even,
        b_eq=np.zeros(even.shape[0]),
        bounds=np.stack([np.zeros(len(rows)), most], axis=1),
        method="highs",
    )
    kept = np.flatnonzero(solution.x > 0.5)
    return kept if limit is None else np.sort(kept[np.argsort(-preference[kept], kind="stable")[:limit]])


def _leanings(gap: np.ndarray) -> sparse.csr_array:
    """(BINS, n) the side that each candidate leans to, in the row of its bin of certainty."""
    certainty = np.abs(gap)
    fewer = gap < 0 if np.count_nonzero(gap < 0) < np.count_nonzero(gap > 0) else gap > 0
    edges = np.quantile(certainty[fewer], np.arange(1, BINS) / BINS) if fewer.any() else []
    return sparse.coo_array((np.sign(gap), (np.searchsorted(edges, certainty), np.arange(len(gap)))), (BINS, len(gap)))


def refine(
    pairs: Pairs,
    gaps: Mapping[str, np.ndarray],
    preference: np.ndarray,
    limit: int | None = None,
    allowed: np.ndarray | None = None,
    seed: int = 0,
    every_word: bool = False,
) -> Refinement:
    """Balance the candidates against given judges and against a classifier that is trained anew on what remains.

    The classifier learns from all candidates what gives foils away, then, round by round, from those that remain, until
    what it learns is worth nothing. What it learnt in any round stays a judge, so rounds cannot undo each other.

    Args:
        pairs: n ≥ 1 candidates; several of one sample are alternatives.
        gaps: judge -> (n,) gaps, see :data:`rebind.negatives.blind.BlindScorer`.
        preference: (n,) from 0 to 1: which to keep when there is a choice, and which would be taken without refinement.
        limit: keep no more than these.
        allowed: (n,) bool, those that may be kept, all when None; the classifier learns from all of them.
        seed: of the folds.
        every_word: also have every word as often in the captions kept as in their foils. A classifier of single words
            then learns nothing from them, and nothing from any number of such choices put together: what is too rare
            to be learnt from one would add up. No judge is exempt then; what gives itself away in every case goes.

    Returns:
        the choice; its scores add ``classifier``, trained on all candidates, and ``classifier_retrained``, trained on
        those that remained, to the given judges. Both are cross-fitted over samples.
    """
    samples = np.unique(np.array(pairs.samples, dtype=object), return_inverse=True)[1]
    features = pair_features(pairs.captions, pairs.foils)
    rows, everything = np.arange(len(pairs)), np.ones(len(pairs), dtype=bool)

    def classifier(learn: np.ndarray, number: int) -> np.ndarray:
        return cross_fitted_gaps(features, sample_folds(pairs.samples, seed + number), learn)

    judged = dict(gaps) | {"classifier": classifier(everything, 0)}
    one_sided = () if every_word else _one_sided(judged)
    words = word_leanings(pairs.captions, pairs.foils) if every_word else None
    columns = [gap for name, gap in judged.items() if name not in one_sided] or [np.zeros(len(pairs))]

    def choose(limit: int | None = None, allowed: np.ndarray | None = None) -> np.ndarray:
        return np.isin(rows, balance(np.stack(columns, axis=1), samples, preference, limit, allowed, words))

    remaining = everything
    for number in range(1, _ROUNDS + 1):
        remaining = choose()
        latest = classifier(remaining, number)
        if "classifier" in one_sided or not remaining.any() or _near_chance(latest[remaining]):
            break
        columns.append(latest)
    if allowed is not None and not allowed.all():
        remaining = choose(allowed=allowed)
    kept = rows[remaining if limit is None or remaining.sum() <= limit else choose(limit, remaining)]

    before = judged | {"classifier_retrained": judged["classifier"]}
    after = judged | {"classifier_retrained": classifier(remaining, _ROUNDS + 1)}
    scores = _scores(before, samples, _preferred(samples, preference)), _scores(after, samples, kept)
    return Refinement(kept, int(remaining.sum()), *scores, one_sided, after)


def _scores(gaps: Mapping[str, np.ndarray], samples: np.ndarray, rows: np.ndarray) -> dict[str, BlindScore]:
    return {name: BlindScore.of(gap[rows], samples[rows]) for name, gap in gaps.items()} if len(rows) else {}


def _preferred(samples: np.ndarray, preference: np.ndarray) -> np.ndarray:
    """The row of each sample's most preferred candidate."""
    order = np.lexsort((-preference, samples))
    return order[np.unique(samples[order], return_index=True)[1]]


def _one_sided(gaps: Mapping[str, np.ndarray]) -> tuple[str, ...]:
    """Judges that cannot be balanced: length, with it whoever leans as far, and the classifier, which sees length."""

    def leans(gap: np.ndarray) -> bool:
        return max((gap > 0).mean(), (gap < 0).mean()) > _ONE_SIDED

    if "length" not in gaps or not leans(gaps["length"]):
        return ()
    return tuple(name for name, gap in gaps.items() if name == "classifier" or leans(gap))


def _near_chance(gaps: np.ndarray) -> bool:
    return abs(((np.sign(gaps) + 1) / 2).mean() - 0.5) < max(_NEAR_CHANCE, 0.5 / np.sqrt(len(gaps)))
