"""Whether alpha can be chosen on the benchmarks at all, known before a model is loaded."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rebind.benchmarks import Benchmark
from rebind.benchmarks.coverage import LEAST_COVERAGE, check_image_files, coverage_shares, image_path
from rebind.forgetting import RECOGNITION, group_of
from rebind.reports.arms import COMPOSITION
from rebind.types import Score, UserError


def check_grounds(benchmarks: Sequence[Benchmark]) -> None:
    """Refuse benchmarks on which alpha cannot be chosen.

    Raises:
        UserError: when they say nothing of composition or of recognition, or image files are missing for more than one
            in a hundred of a benchmark's items.
    """
    groups = set()
    for benchmark in benchmarks:
        scores = _of_any_model(benchmark)
        groups |= {group_of((score.benchmark, score.split, score.metric)) for score in scores}
        for name, share in coverage_shares(scores).items():
            if share < LEAST_COVERAGE:
                raise UserError(
                    f"alpha cannot be chosen on {name}: only {np.floor(1000 * share) / 10:.1f} % of its items have "
                    "their images; complete them or leave it out"
                )
    for group in (COMPOSITION, RECOGNITION):
        if group not in groups:
            raise UserError(
                f"alpha is chosen between composition and recognition, but "
                f"{', '.join(each.name for each in benchmarks)} say nothing of {group}; "
                "name a benchmark of each, such as sugarcrepe and coco"
            )


def _of_any_model(benchmark: Benchmark) -> list[Score]:
    """Its scores of embeddings that are all alike: which rows there are, and of how many items."""
    check_image_files(benchmark)
    files = [image_path(picture) for picture in benchmark.images]
    there = np.array([file is None or file.is_file() for file in files], dtype=bool)
    images = np.where(there, 1.0, np.nan).astype(np.float32)[:, None]
    return benchmark.score(images, np.ones((len(benchmark.texts), 1), np.float32))
