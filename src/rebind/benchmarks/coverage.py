"""How much of a benchmark could be scored, and what may still be said in its name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from rebind.benchmarks.contract import COVERAGE, HEADLINES, Benchmark, Crop, Picture
from rebind.benchmarks.embedding import MOST_BROKEN
from rebind.types import BrokenSample, Score, UserError

LEAST_COVERAGE = 0.99  # share of the items below which no number speaks for the whole benchmark


def check_image_files(benchmark: Benchmark) -> None:
    """Look for the image files before any time is spent on embedding.

    Raises:
        UserError: when more than a tenth of them are not there.
    """
    files = list(dict.fromkeys(file for picture in benchmark.images if (file := image_path(picture))))
    missing = [file for file in files if not file.is_file()]
    if len(missing) > MOST_BROKEN * len(files):
        raise UserError(
            f"{benchmark.name}: {len(missing)} of {len(files)} images are not there, more than {MOST_BROKEN:.0%}; "
            f"the first is {missing[0]}: check that {missing[0].parent} is the right folder and complete"
        )


def check_readable(benchmark: Benchmark, images: np.ndarray, broken: Sequence[BrokenSample]) -> None:
    """Refuse (I, d) image embeddings of which too many rows are NaN.

    Raises:
        UserError: when more than a tenth of them are, though there may be few among those of other benchmarks.
    """
    lost = np.flatnonzero(np.isnan(images).any(axis=1))
    if len(lost) > MOST_BROKEN * len(images):
        first = image_path(benchmark.images[lost[0]])
        reasons = [each.reason for each in broken if each.key == str(first)]
        raise UserError(
            f"{benchmark.name}: {len(lost)} of its {len(images)} images cannot be read (each counts as often as items "
            f"need it), more than {MOST_BROKEN:.0%}; the first is {': '.join([str(first or 'in bytes'), *reasons])}"
        )


def image_path(picture: Picture) -> Path | None:
    """The file of a picture, if it is one."""
    if isinstance(picture, Crop):
        return picture.path
    return picture if isinstance(picture, Path) else None


def without_headlines(scores: Sequence[Score]) -> list[Score]:
    """The scores, less ``macro`` and ``micro`` of benchmarks of which less than 99 % of the items could be scored."""
    refused = {name for name, share in coverage_shares(scores).items() if share < LEAST_COVERAGE}
    return [score for score in scores if score.benchmark not in refused or score.split not in HEADLINES]


def coverage_notes(scores: Sequence[Score]) -> list[str]:
    """One sentence for each benchmark of which less than 99 % of the items could be scored."""
    return [
        f"{name}: only {np.floor(1000 * share) / 10:.1f} % of its items have an image that can be read; below "
        f"{LEAST_COVERAGE:.0%} no macro or micro is given, and the other numbers are those of the items that are left"
        for name, share in coverage_shares(scores).items()
        if share < LEAST_COVERAGE
    ]


def coverage_shares(scores: Iterable[Score]) -> dict[str, float]:
    """The share of each benchmark's items, over all of its splits, whose images could be read."""
    items: dict[str, dict[str, int]] = {}
    lost: dict[str, float] = {}
    for score in scores:
        splits = items.setdefault(score.benchmark, {})
        if score.metric == COVERAGE:
            splits[score.split] = score.n
            lost[score.benchmark] = lost.get(score.benchmark, 0.0) + (1 - score.value) * score.n
        elif score.split not in HEADLINES:
            splits.setdefault(score.split, score.n)
    return {name: 1 - lost.get(name, 0.0) / max(1, sum(splits.values())) for name, splits in items.items()}
