"""Winoground: two images and two captions of the same words in another order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rebind.benchmarks.foil_lists import Row, read_rows
from rebind.benchmarks.groups import METRICS, GroupFields, match_rows
from rebind.benchmarks.kinds import BenchmarkKind
from rebind.benchmarks.questions import QuestionBenchmark
from rebind.types import UserError

FIELDS = GroupFields(("image_0", "image_1"), ("caption_0", "caption_1"), "collapsed_tag", ".png")


def read_winoground(annotations: Path, images: Path | None = None) -> QuestionBenchmark:
    """Read ``examples.jsonl`` and the images it names, or a folder that ``datasets`` saved with ``save_to_disk``.

    The field ``collapsed_tag`` (``Object``, ``Relation`` or ``Both``) makes the split; the paper's numbers are the
    ``micro`` rows.

    Args:
        annotations: the ``.jsonl`` file or the saved folder.
        images: folder of the images; not looked at for a saved folder, which holds them.

    Raises:
        UserError: naming file, row and field when something is missing.

    Source: Winoground (arXiv 2204.03162), https://huggingface.co/datasets/facebook/winoground.
    """
    rows = _saved_rows(annotations) if annotations.is_dir() else read_rows(annotations)
    return QuestionBenchmark("winoground", match_rows(rows, FIELDS, images or annotations.parent / "images"))


def _saved_rows(folder: Path) -> list[Row]:
    """Rows of a dataset saved by the ``datasets`` library, pictures left encoded."""
    from datasets import DatasetDict, Image, load_from_disk

    try:
        data = load_from_disk(str(folder))
        if isinstance(data, DatasetDict):
            data = data["test"]
        for name in FIELDS.images:
            data = data.cast_column(name, Image(decode=False))
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"{folder} is not Winoground as saved with save_to_disk ({' '.join(str(error).split())}); "
            "give that folder or the file examples.jsonl"
        ) from error
    return [
        (f"{folder}, row {number}", {**row, **{name: _encoded(row[name]) for name in FIELDS.images}})
        for number, row in enumerate(data)
    ]


def _encoded(cell: Any) -> Any:
    return cell.get("bytes") or cell.get("path") if isinstance(cell, dict) else cell


KINDS = {
    "winoground": BenchmarkKind(
        f"telling two images and two captions of the same words apart ({METRICS})",
        {
            "annotations": "file examples.jsonl of Winoground, or folder saved with save_to_disk",
            "images": "folder of its images (images.zip, unpacked); a saved folder again",
        },
        lambda annotations, images: read_winoground(annotations, images),
        "https://huggingface.co/datasets/facebook/winoground (data/; the licence must be accepted there)",
        {"annotations": "winoground/examples.jsonl", "images": "winoground/images"},
        400,
    )
}
