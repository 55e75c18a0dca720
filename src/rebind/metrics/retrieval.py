"""Ranks of the right caption for an image and of the right image for a caption, ties counted against the model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rebind.metrics.outcomes import Outcomes

QUERIES_AT_ONCE = 1024
CANDIDATES_AT_ONCE = 2048
MOST_NEAR = 1e-3  # share of a tile beyond which a product in float64 costs less than to compare pair by pair
NUMBERS_AT_ONCE = 1 << 22  # of the embeddings that are gathered to compare two rows exactly


@dataclass(frozen=True)
class Ranks:
    """Rank of the right answer for each query, 1 being the best.

    Attributes:
        rank: (n,) 1 + candidates strictly more similar + candidates that tie with the right answer.
        before_ties: (n,) 1 + candidates strictly more similar.
    """

    rank: np.ndarray
    before_ties: np.ndarray


def text_to_image_ranks(images: np.ndarray, texts: np.ndarray, owner: np.ndarray) -> Ranks:
    """Rank each text's own image among all images.

    The full matrix of similarities never exists: a tile of it at a time is compared with the right answers. A tile is
    multiplied in float32, which rounds differently from tile to tile and machine to machine; so whatever lies within
    the rounding error of the right answer is computed again, row by row in float64. Equal embeddings therefore tie,
    and the size of the tiles changes no rank.

    Args:
        images: (I, d) L2-normalised image embeddings.
        texts: (T, d) L2-normalised text embeddings.
        owner: (T,) row of ``images`` that each text describes.

    Returns:
        ranks of length T.
    """
    right = _similarities(texts, images, np.arange(len(texts)), owner)
    return _ranks(texts, images, right, np.ones(len(texts), dtype=np.int64))


def image_to_text_ranks(images: np.ndarray, texts: np.ndarray, owner: np.ndarray) -> Ranks:
    """Rank the best of each image's own captions among the texts of other images.

    Arguments as for :func:`text_to_image_ranks`; every image must own at least one text. An image's other captions
    are never counted against it. Returns ranks of length I.
    """
    own = _similarities(images, texts, owner, np.arange(len(texts)))
    best = np.full(len(images), -np.inf)
    np.maximum.at(best, owner, own)
    as_good = np.bincount(owner[own == best[owner]], minlength=len(images))
    return _ranks(images, texts, best, as_good)


def recall_at(k: int, ranks: Ranks) -> Outcomes:
    """Queries whose right answer is among the first k; tied are those that only the tie rule pushed out."""
    correct = ranks.rank <= k
    return Outcomes(correct=correct, tied=(ranks.before_ties <= k) & ~correct)


def _ranks(queries: np.ndarray, candidates: np.ndarray, right: np.ndarray, as_good: np.ndarray) -> Ranks:
    """Ranks by the similarity ``right`` (n,), which ``as_good`` (n,) of a query's own candidates reach, none more."""
    # Equal candidates are compared once: a model that gives every image one embedding ties with all of them.
    distinct, copies = np.unique(candidates, axis=0, return_counts=True)
    lengths = np.linalg.norm(queries, axis=1) * np.linalg.norm(distinct, axis=1).max()
    greater, ties = np.zeros(len(queries), dtype=np.int64), -as_good
    for rows in _blocks(len(queries), QUERIES_AT_ONCE):
        for columns in _blocks(len(distinct), CANDIDATES_AT_ONCE):
            exceed, near = _compare(queries[rows], distinct[columns], right[rows], lengths[rows])
            repeated = np.flatnonzero(copies[columns] > 1)
            greater[rows] += np.count_nonzero(exceed, axis=1)
            greater[rows] += exceed[:, repeated] @ (copies[columns][repeated] - 1)
            row, column = np.divmod(np.flatnonzero(near), near.shape[1])
            row, column = row + rows.start, column + columns.start
            excess = _similarities(queries, distinct, row, column) - right[row]
            for count, found in ((greater, excess > 0), (ties, excess == 0)):
                np.add.at(count, row[found], copies[column[found]])
    return Ranks(rank=1 + greater + ties, before_ties=1 + greater)


def _compare(
    queries: np.ndarray, candidates: np.ndarray, right: np.ndarray, lengths: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where a similarity of a tile surely exceeds its row's ``right``, and where it is too near to be sure."""
    for kind in (np.float32, np.float64):
        # Bound on the rounding error of a product of d terms summed in any order, of its factors and of the sum.
        slack = (queries.shape[1] + 8) * float(np.finfo(kind).eps) * lengths + 1e-30
        low, high = ((right + each).astype(kind)[:, None] for each in (-slack, slack))
        tile = queries.astype(kind, copy=False) @ candidates.astype(kind, copy=False).T
        exceed = tile > high
        near = (tile >= low) ^ exceed
        if np.count_nonzero(near) <= MOST_NEAR * near.size:
            break  # else a model that gives nearly the same embedding to all
    return exceed, near


def _similarities(left: np.ndarray, right: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """``left[row] · right[column]`` (m,) in float64, pair by pair: equal pairs give equal sums."""
    parts = [np.zeros(0)]
    for block in _blocks(len(row), max(1, NUMBERS_AT_ONCE // max(1, left.shape[1]))):
        parts.append((left[row[block]].astype(np.float64) * right[column[block]]).sum(axis=1))
    return np.concatenate(parts)


def _blocks(length: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, length)) for start in range(0, length, size))
