"""What a benchmark is: images and texts to embed, and a pure score of the embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from rebind.metrics import Outcomes, bootstrap_interval
from rebind.types import COVERAGE, BrokenSample, Score, UserError


@dataclass(frozen=True)
class Crop:
    """A rectangle of a picture, cut out as PIL's ``Image.crop`` does before anything is resized.

    Attributes:
        path: the image file.
        box: left, top, right, bottom in pixels of the decoded picture; what lies outside of it is black.
    """

    path: Path
    box: tuple[int, int, int, int]


@dataclass(frozen=True)
class AsStored:
    """A picture that is decoded as the code of published benchmarks does it, ``Image.open(file).convert("RGB")``.

    Any other is decoded as in training: upright, on white where it is transparent, 16 bits scaled to 8.
    """

    picture: Path | bytes | Crop


# A file, an encoded picture, a rectangle of a file, one of these as stored, or one that its source failed to read.
Picture = Path | bytes | Crop | AsStored | BrokenSample


class Questioned(Protocol):
    """What has items: images and texts to embed, however they are scored.

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


class Benchmark(Questioned, Protocol):
    """Items, and a pure score of their embeddings.

    One that was built by name also has ``files``, the paths of its annotation files and of folders that hold them.
    """

    def score(self, images: np.ndarray, texts: np.ndarray) -> list[Score]:
        """Score (I, d) image and (T, d) text embeddings, row by row those of ``images`` and ``texts``.

        The row of an image that could not be read is NaN: items that need it are left out of every ``n``, and a
        ``coverage`` score then says which share of the split's items was left. Equal embeddings give equal scores.
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
    value, low, high = _shares(correct.mean(), *bootstrap_interval(correct, clusters))
    row = Score(benchmark, split, metric, value, len(outcomes), int(outcomes.tied.sum()), low, high, chance)
    return replace(row, correct=correct, clusters=clusters)


def macro_score(micro: Score, categories: np.ndarray) -> Score:
    """The ``macro`` row beside a ``micro`` one: the mean over categories, each weighing alike.

    Args:
        micro: made by :func:`mean_score` of all n items.
        categories: (n,) label of the category of each item.
    """
    assert micro.correct is not None
    _, category, sizes = np.unique(categories, return_inverse=True, return_counts=True)
    weighted = micro.correct * (len(categories) / len(sizes) / sizes)[category.reshape(-1)]
    value, low, high = _shares(weighted.mean(), *bootstrap_interval(micro.correct, micro.clusters, categories))
    return replace(micro, split="macro", value=value, low=low, high=high, correct=weighted)


def _shares(*values: float) -> list[float]:
    """Between 0 and 1, which the sum of shares may leave by rounding."""
    return [float(min(1.0, max(0.0, value))) for value in values]


def readable_rows(benchmark: str, split: str, images: np.ndarray) -> tuple[np.ndarray, list[Score]]:
    """Which items have an image embedding, as (n,) bool, and the ``coverage`` score if some have none.

    Raises:
        UserError: when not one item is left.
    """
    readable = ~np.isnan(images).any(axis=1)
    if not readable.any():
        raise UserError(f"{benchmark}, {split}: none of its {len(readable)} items has an image that can be read")
    share = float(readable.mean())
    coverage = Score(benchmark, split, COVERAGE, share, len(readable), 0, share, share)
    return readable, [] if readable.all() else [coverage]
