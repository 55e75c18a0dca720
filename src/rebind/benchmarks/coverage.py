"""How much of a benchmark could be scored, and what may still be said in its name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from rebind.benchmarks.contract import AsStored, Benchmark, Crop, Picture
from rebind.benchmarks.embedding import MOST_BROKEN
from rebind.types import COVERAGE, HEADLINES, BrokenSample, Score, UserError

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
            f"{benchmark.name}: {len(missing)} of {len(files)} images are not there, more than "
            f"{100 * MOST_BROKEN:.0f} %; the first is {missing[0]}: check that {missing[0].parent} is the right "
            "folder and complete"
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
            f"need it), more than {100 * MOST_BROKEN:.0f} %; the first is "
            f"{': '.join([str(first or 'in bytes'), *reasons])}"
        )


def image_path(picture: Picture) -> Path | None:
    """The file of a picture, if it is one."""
    picture = picture.picture if isinstance(picture, AsStored) else picture
    if isinstance(picture, Crop):
        return picture.path
    return picture if isinstance(picture, Path) else None


def without_headlines(scores: Sequence[Score]) -> list[Score]:
    """The scores, less the headlines of benchmarks of which less than 99 % of the items could be scored.

    A headline speaks for the whole benchmark: ``macro`` and ``micro``, and a row of as many items as the ``micro`` of
    its metric, or whose metric has none; those only where an image of their own split is missing.
    """
    refused = {name for name, share in coverage_shares(scores).items() if share < LEAST_COVERAGE}
    lacking = {(score.benchmark, score.split) for score in scores if score.metric == COVERAGE}
    whole = {(score.benchmark, score.metric): score.n for score in scores if score.split in HEADLINES}

    def is_headline(score: Score) -> bool:
        if score.split in HEADLINES:
            return True
        speaks_for_all = score.metric != COVERAGE and score.n >= whole.get((score.benchmark, score.metric), 0)
        return speaks_for_all and (score.benchmark, score.split) in lacking

    return [score for score in scores if score.benchmark not in refused or not is_headline(score)]


def coverage_notes(scores: Sequence[Score]) -> list[str]:
    """One sentence for each benchmark of which less than 99 % of the items could be scored."""
    return [
        f"{name}: only {np.floor(1000 * share) / 10:.1f} % of its items have an image that can be read; below "
        f"{100 * LEAST_COVERAGE:.0f} % no number is given for the whole of it, and what is given for a category is "
        "that of the items that are left"
        for name, share in coverage_shares(scores).items()
        if share < LEAST_COVERAGE
    ]


def coverage_shares(scores: Iterable[Score]) -> dict[str, float]:
    """The share of each benchmark's items, over all of its splits, whose images could be read."""
    found = list(scores)
    lost: dict[str, float] = {}
    for score in found:
        if score.metric == COVERAGE:
            lost[score.benchmark] = lost.get(score.benchmark, 0.0) + (1 - score.value) * score.n
    return {name: 1 - lost.get(name, 0.0) / max(1, items) for name, items in item_counts(found).items()}


def item_counts(scores: Iterable[Score]) -> dict[str, int]:
    """The number of each benchmark's items, over all of its splits, whether or not their images could be read."""
    items: dict[str, dict[str, int]] = {}
    for score in scores:
        splits = items.setdefault(score.benchmark, {})
        if score.metric == COVERAGE:
            splits[score.split] = score.n
        elif score.split not in HEADLINES:
            splits.setdefault(score.split, score.n)
    return {name: sum(splits.values()) for name, splits in items.items()}
