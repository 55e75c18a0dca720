"""What a model scores when it cannot see: every image replaced by the mean of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rebind.benchmarks.contract import Benchmark
from rebind.types import COVERAGE, Score


def with_blind(benchmark: Benchmark, scores: Sequence[Score], images: np.ndarray, texts: np.ndarray) -> list[Score]:
    """Put beside each score what the same texts give with the mean image: what they alone give away.

    Args:
        benchmark: where the scores come from; one without images has no blind scores.
        scores: those of ``images`` and ``texts``.
        images: (I, d) image embeddings; rows of images that could not be read are NaN and stay so.
        texts: (T, d) text embeddings.
    """
    if not len(images):
        return list(scores)
    blind = {_row(score): score.value for score in benchmark.score(_mean_image(images), texts)}
    return [replace(score, blind=None if score.metric == COVERAGE else blind.get(_row(score))) for score in scores]


def _mean_image(images: np.ndarray) -> np.ndarray:
    """(I, d): the mean of the readable rows, L2-normalised, in each of them."""
    readable = ~np.isnan(images).any(axis=1)
    mean = images[readable].mean(axis=0, dtype=np.float64)
    mean /= max(float(np.linalg.norm(mean)), np.finfo(np.float64).tiny)
    return np.where(readable[:, None], mean, np.nan).astype(images.dtype)


def _row(score: Score) -> tuple[str, str, str]:
    return score.benchmark, score.split, score.metric
