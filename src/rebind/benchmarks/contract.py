"""What a benchmark is: images and texts to embed, and a pure score of the embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from rebind.metrics import Outcomes, bootstrap_interval
from rebind.types import BrokenSample, Score, UserError

Picture = Path | bytes | BrokenSample  # a file, an encoded picture, or one that its source already failed to read


class Benchmark(Protocol):
    """A list of images and texts to embed and a pure score of their embeddings.

    Items may repeat in both lists: each distinct image is decoded and embedded once, each distinct text likewise.

    """

    @property
    def name(self) -> str:
        """Goes into every score's ``benchmark``."""

    @property
    def images(self) -> Sequence[Picture]:
        """The I pictures to embed."""

    @property
    def texts(self) -> Sequence[str]:
        """The T strings to embed."""

    def score(self, images: np.ndarray, texts: np.ndarray) -> list[Score]:
        """Score (I, d) image and (T, d) text embeddings, row by row those of ``images`` and ``texts``.

        The row of an image that could not be read is NaN: items that need it are left out of every ``n``, and a
        ``coverage`` score then says which share of the split's items was left.
        """


def mean_score(
    benchmark: str,
    split: str,
    metric: str,
    outcomes: Outcomes,
    clusters: np.ndarray | None = None,
    chance: float | None = None,
) -> Score:
    """The share of correct outcomes with its 95 % bootstrap interval, resampled by ``clusters`` when given."""
    correct = outcomes.correct
    low, high = bootstrap_interval(correct, clusters)
    ties = int(outcomes.tied.sum())
    return Score(
        benchmark,
        split,
        metric,
        float(correct.mean()),
        len(outcomes),
        ties,
        low,
        high,
        chance,
        correct=correct,
        clusters=clusters,
    )


def readable_rows(benchmark: str, split: str, images: np.ndarray) -> tuple[np.ndarray, list[Score]]:
    """Which items have an image embedding, as (n,) bool, and the ``coverage`` score if some have none.

    Raises:
        UserError: when not one item is left.
    """
    readable = ~np.isnan(images).any(axis=1)
    if not readable.any():
        raise UserError(f"{benchmark}, {split}: none of its {len(readable)} items has an image that can be read")
    share = float(readable.mean())
    coverage = Score(benchmark, split, "coverage", share, len(readable), 0, share, share)
    return readable, [] if readable.all() else [coverage]
