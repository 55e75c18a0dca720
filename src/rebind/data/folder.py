"""A folder of image files and one file of captions."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from rebind.data.broken import BrokenImageError
from rebind.data.captions import join_captions, key_field, text_field
from rebind.data.rows import Row, place, read_rows
from rebind.data.source import Column, Source
from rebind.types import UserError


class FolderSource(Source):
    """Image files named by the rows of ``file``, relative to its folder.

    Columns: ``image`` (or ``file_name``), ``caption`` (or ``text``) and/or a list ``captions``, and optionally ``key``,
    which is the image path when absent. An image file is looked for only when it is asked for, so that millions of rows
    open quickly.

    Raises:
        UserError: naming the row and the field that is wrong.
    """

    def __init__(self, file: Path, path: Path, annotations: Path) -> None:
        self.path, self.root, self.annotations = path, file.parent, annotations
        self._real_root = os.path.realpath(self.root)
        images, captions = [], []
        numbers: dict[str, int] = {}  # of the row that took each key
        folders: set[str] = set()
        for number, row in read_rows(file):
            try:
                key, image, texts = _read_row(row)
                if (folder := os.path.dirname(image)) not in folders:
                    self._require_inside(folder, image)
                    folders.add(folder)
                if key in numbers:
                    raise ValueError(
                        f"the key {key!r} was already used in {place(file, numbers[key])}; keys must differ "
                        "(put several captions of one image in one row, as the list `captions`)"
                    )
            except ValueError as error:
                raise UserError(f"{place(file, number)}: {error}") from None
            numbers[key] = number
            images.append(image)
            captions.append(texts)
        if not images:
            raise UserError(f"{file} has no rows; write one for each image")
        self.keys: Sequence[str] = Column.of_texts(numbers)
        self._images = Column.of_texts(images)
        self._captions = Column.of_tuples(captions)

    def captions(self, index: int) -> tuple[str, ...]:
        """The captions of a row, the original one first."""
        return self._captions[index]

    def image(self, index: int) -> Path:
        """Path of the image file.

        Raises:
            BrokenImageError: when it is a link that leads out of the folder.
        """
        path = self.root / self._images[index]
        if not _is_inside(path, self._real_root):
            raise BrokenImageError(f"{path} is a link that leads out of the folder")
        return path

    def _require_inside(self, folder: str, image: str) -> None:
        if not _is_inside(self.root / folder, self._real_root):
            raise ValueError(
                f"the image {image!r} lies outside {self.root} (a folder on its way is a link that leads out); "
                "name files within the folder, or put the captions file beside the images"
            )


def _is_inside(path: Path, folder: str) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(folder)  # realpath, as resolve() raises on a loop of links


def _read_row(row: Row) -> tuple[str, str, tuple[str, ...]]:
    """Key, image path and captions of a row; ValueError says what is wrong with it."""
    column = "file_name" if "file_name" in row and "image" not in row else "image"
    if column not in row:
        raise ValueError(f"no column `image` (or `file_name`), only {_names(row)}")
    if not {"caption", "captions", "text"} & row.keys():
        raise ValueError(f"no column `caption` (or `captions`, or `text`), only {_names(row)}")
    image = text_field(row[column], column)
    escapes = ".." in image and os.path.normpath(image).split(os.sep, 1)[0] == ".."
    if os.path.isabs(image) or escapes or "\0" in image:
        raise ValueError(f"`{column}` must be a path within the folder, without a leading / or .., not {image!r}")
    key = image if row.get("key") is None else key_field(row["key"])
    return key, image, join_captions(row.get("caption", row.get("text")), row.get("captions"))


def _names(row: Row) -> str:
    return ", ".join(f"`{name}`" for name in row) or "an empty row"
