"""Ranks of the right caption for an image and of the right image for a caption, ties counted against the model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rebind.metrics.outcomes import Outcomes

QUERIES_AT_ONCE = 256


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

    Args:
        images: (I, d) L2-normalised image embeddings.
        texts: (T, d) L2-normalised text embeddings.
        owner: (T,) row of ``images`` that each text describes.

    Returns:
        ranks of length T.
    """
    greater, ties = [], []
    for rows, similarity in _similarity_rows(texts, images):
        right = similarity[np.arange(len(rows)), owner[rows]][:, None]
        greater.append((similarity > right).sum(axis=1))
        ties.append((similarity == right).sum(axis=1) - 1)  # the right image equals itself
    return _ranks(greater, ties)


def image_to_text_ranks(images: np.ndarray, texts: np.ndarray, owner: np.ndarray) -> Ranks:
    """Rank the best of each image's own captions among the texts of other images.

    Arguments as for :func:`text_to_image_ranks`; every image must own at least one text. An image's other captions
    are never counted against it. Returns ranks of length I.
    """
    greater, ties = [], []
    for rows, similarity in _similarity_rows(images, texts):
        own = rows[:, None] == owner[None, :]
        best = np.where(own, similarity, -np.inf).max(axis=1, keepdims=True)
        others = np.where(own, -np.inf, similarity)
        greater.append((others > best).sum(axis=1))
        ties.append((others == best).sum(axis=1))
    return _ranks(greater, ties)


def recall_at(k: int, ranks: Ranks) -> Outcomes:
    """Queries whose right answer is among the first k; tied are those that only the tie rule pushed out."""
    correct = ranks.rank <= k
    return Outcomes(correct=correct, tied=(ranks.before_ties <= k) & ~correct)


def _similarity_rows(queries: np.ndarray, candidates: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield row numbers and their similarities (rows, candidates), a block at a time to bound memory."""
    # Equal candidates share one column: a matrix product may round the same sum differently in different columns.
    distinct, column = np.unique(candidates, axis=0, return_inverse=True)
    for start in range(0, len(queries), QUERIES_AT_ONCE):
        block = queries[start : start + QUERIES_AT_ONCE]
        yield np.arange(start, start + len(block)), (block @ distinct.T)[:, column.reshape(-1)]


def _ranks(greater: list[np.ndarray], ties: list[np.ndarray]) -> Ranks:
    before_ties = 1 + np.concatenate(greater)
    return Ranks(rank=before_ties + np.concatenate(ties), before_ties=before_ties)
