"""Pictures of Visual Genome, which come in two folders, and rectangles of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rebind.benchmarks.contract import Crop
from rebind.benchmarks.files import image_file
from rebind.types import UserError

PARTS = ("VG_100K", "VG_100K_2")
SOURCE = "https://homes.cs.washington.edu/~ranjay/visualgenome (images)"


def visual_genome_image(folder: Path, name: str, where: str) -> Path:
    """The picture ``name`` in ``folder`` or, as in the official archives, in its VG_100K or VG_100K_2.

    Raises:
        UserError: when the name leads out of the folder; ``where`` names file and row.
    """
    plain = image_file(folder, name, where)
    return next((path for path in (plain, *(folder / part / name for part in PARTS)) if path.is_file()), plain)


def crop_of(path: Path, row: Mapping[str, Any], fields: tuple[str, str, str, str], where: str) -> Crop:
    """The rectangle of a picture that four fields of a row give: left, top, width and height in pixels.

    Raises:
        UserError: when one is not a number, or the rectangle is empty; ``where`` names file and row.
    """
    try:
        left, top, width, height = (round(float(row[field])) for field in fields)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise UserError(f"{where}: the fields {', '.join(fields)} must be numbers, in pixels") from None
    if width < 1 or height < 1:
        raise UserError(f"{where}: the fields {fields[2]} and {fields[3]} must be 1 pixel or more")
    return Crop(path, (left, top, left + width, top + height))
