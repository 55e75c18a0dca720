"""EqBen: two images that differ a little, frames of a video or drawn scenes, and their captions."""

from __future__ import annotations

from pathlib import Path

from rebind.benchmarks.files import text_field
from rebind.benchmarks.foil_lists import read_rows
from rebind.benchmarks.groups import METRICS, GroupFields, match_rows
from rebind.benchmarks.kinds import BenchmarkKind
from rebind.benchmarks.questions import QuestionBenchmark

FIELDS = GroupFields(("image0", "image1"), ("caption0", "caption1"), "folder")


def read_eqben(annotations: Path, images: Path) -> QuestionBenchmark:
    """Read the public subset, ``[{"image0", "image1", "caption0", "caption1"}, …]``.

    The first folder of an image's name is the split. Frames of videos come as NumPy arrays (``.npy``), see
    :func:`rebind.data.images.decode_image`.

    Args:
        annotations: ``eqben_subset_10percent_final.json``, or another list of the same format.
        images: the folder that holds ``eqbensd/`` and the others.

    Raises:
        UserError: naming file, item and field when something is missing.

    Source: EqBen (arXiv 2303.14465), https://github.com/Wangt-CN/EqBen.
    """
    rows = [
        (where, {**row, "folder": Path(text_field(row, "image0", where)).parts[0]})
        for where, row in read_rows(annotations)
    ]
    return QuestionBenchmark("eqben", match_rows(rows, FIELDS, images))


KINDS = {
    "eqben": BenchmarkKind(
        f"telling two images apart that differ a little, with their captions ({METRICS})",
        {"annotations": "file eqben_subset_10percent_final.json of EqBen", "images": "folder image_subset of EqBen"},
        lambda annotations, images: read_eqben(annotations, images),
        "https://github.com/Wangt-CN/EqBen (the 10 % subset)",
        {"annotations": "eqben/eqben_subset_10percent_final.json", "images": "eqben/image_subset"},
    )
}
