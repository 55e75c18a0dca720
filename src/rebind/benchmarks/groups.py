"""Reading items of two images and their two captions, whatever the fields are called."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rebind.benchmarks.contract import Picture
from rebind.benchmarks.files import image_file, text_field
from rebind.benchmarks.foil_lists import Row
from rebind.benchmarks.questions import Question, match_two

METRICS = "text: each image prefers its caption, image: each caption prefers its image, group: both"


@dataclass(frozen=True)
class GroupFields:
    """What the fields are called.

    Attributes:
        images: the two images: file names, or encoded pictures.
        captions: their captions, in the same order.
        split: the category; None when the items are one split.
        suffix: of image files that are named without one.
    """

    images: tuple[str, str]
    captions: tuple[str, str]
    split: str | None = None
    suffix: str = ""


def match_rows(rows: Iterable[Row], fields: GroupFields, images: Path) -> list[Question]:
    """The three questions of :func:`rebind.benchmarks.questions.match_two` for each row.

    Args:
        rows: of :func:`rebind.benchmarks.foil_lists.read_rows`.
        fields: what is read of them.
        images: the folder that file names are relative to.

    Raises:
        UserError: naming file, row and field when something is missing.
    """
    questions = []
    for where, row in rows:
        pictures = [_picture(row.get(name), name, images, fields.suffix, where) for name in fields.images]
        captions = [text_field(row, name, where) for name in fields.captions]
        questions += match_two(text_field(row, fields.split, where) if fields.split else "all", pictures, captions)
    return questions


def _picture(value: Any, name: str, images: Path, suffix: str, where: str) -> Picture:
    if isinstance(value, bytes):
        return value
    file = text_field({name: value}, name, where)
    return image_file(images, file if Path(file).suffix else f"{file}{suffix}", where)
