"""ColorSwap: two images and two captions in which the colours have changed places."""

from __future__ import annotations

from pathlib import Path

from rebind.benchmarks.foil_lists import read_rows
from rebind.benchmarks.groups import METRICS, GroupFields, match_rows
from rebind.benchmarks.kinds import BenchmarkKind
from rebind.benchmarks.questions import QuestionBenchmark

FIELDS = GroupFields(("image_1", "image_2"), ("caption_1", "caption_2"))


def read_colorswap(annotations: Path, images: Path) -> QuestionBenchmark:
    """Read ``test.json`` (or ``train.json``), whose ``image_1`` is like ``images/img_0_1.png``; one split, ``all``.

    Args:
        annotations: the file.
        images: the folder that holds ``images/``.

    Raises:
        UserError: naming file, item and field when something is missing.

    Source: ColorSwap (arXiv 2402.04492), https://github.com/Top34051/colorswap.
    """
    return QuestionBenchmark("colorswap", match_rows(read_rows(annotations), FIELDS, images))


KINDS = {
    "colorswap": BenchmarkKind(
        f"telling two images and captions apart in which colours have changed places ({METRICS})",
        {"annotations": "file test.json of ColorSwap", "images": "folder that holds its images/"},
        lambda annotations, images: read_colorswap(annotations, images),
        "https://github.com/Top34051/colorswap",
        {"annotations": "colorswap/test.json", "images": "colorswap"},
        300,
    )
}
