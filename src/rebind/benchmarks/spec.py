"""SPEC: drawn scenes that differ in size, position, existence or count, by one of k texts and one of k images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rebind.benchmarks.files import image_file, text_field
from rebind.benchmarks.foil_lists import read_rows, texts_field
from rebind.benchmarks.kinds import BenchmarkKind
from rebind.benchmarks.questions import Question, QuestionBenchmark, choose_image, choose_text
from rebind.types import UserError

SUBSETS = ("absolute_size", "relative_size", "absolute_spatial", "relative_spatial", "existence", "count")


def read_spec(folder: Path) -> QuestionBenchmark:
    """Read ``SUBSET/image2text.json`` and ``SUBSET/text2image.json``, ``[{"query", "keys": […], "label"}, …]`` each.

    A split is a subset; ``image_to_text`` asks for the text of an image, ``text_to_image`` for the image of a text,
    and ``macro`` is the paper's average. Of equal similarities the first is taken, as the official code does.

    Args:
        folder: holds the six subsets, with their images as the files name them.

    Raises:
        UserError: naming file, item and field when something is missing.

    Source: SPEC (arXiv 2312.00081), https://github.com/wjpoom/SPEC.
    """
    return QuestionBenchmark("spec", [question for name in SUBSETS for question in _read(folder / name, name)])


def _read(folder: Path, split: str) -> Iterator[Question]:
    for file in ("image2text.json", "text2image.json"):
        if not (folder / file).is_file():
            raise UserError(
                f"{folder / file} is missing; it is in data.zip of https://huggingface.co/datasets/wjpoom/SPEC"
            )
        for where, row in read_rows(folder / file):
            query, keys = text_field(row, "query", where), texts_field(row, "keys", where)
            label = _label(row, len(keys), where)
            if file == "image2text.json":
                image = image_file(folder, query, where)
                yield choose_text(split, image, keys, label, first_wins=True, metric="image_to_text")
            else:
                images = [image_file(folder, key, where) for key in keys]
                yield choose_image(split, query, images, label, first_wins=True, metric="text_to_image")


def _label(row: Mapping[str, Any], count: int, where: str) -> int:
    label = row.get("label")
    if not isinstance(label, int) or not 0 <= label < count:
        raise UserError(f'{where}: the field "label" must be the place of one of the {count} keys, from 0')
    return label


KINDS = {
    "spec": BenchmarkKind(
        "size, position, existence and count of drawn things, by one of several texts and one of several images",
        {"data": "folder of SPEC's six subsets (data.zip, unpacked)"},
        lambda data: read_spec(data),
        "https://huggingface.co/datasets/wjpoom/SPEC",
        {"data": "spec"},
    )
}
