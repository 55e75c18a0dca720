"""A folder of image files and one file of captions."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rebind.data.broken import BrokenImageError
from rebind.data.captions import join_captions, key_field, text_field
from rebind.data.rows import Row, place, read_rows
from rebind.data.source import Column, Source
from rebind.types import UserError


class FolderSource(Source):
    """Image files named by the rows of ``file``, relative to its folder (or to ``root``).

    Columns: ``image`` (or ``file_name``), ``caption`` (or ``text``) and/or a list ``captions``, and optionally ``key``,
    which is the image path when absent. An image file is looked for only when it is asked for, so that millions of rows
    open quickly.

    Raises:
        UserError: naming the row and the field that is wrong.
    """

    def __init__(self, file: Path, path: Path, annotations: Path, root: Path | None = None) -> None:
        self.path, self.root, self.annotations = path, root or file.parent, annotations
        self._file, self._real_root = file, os.path.realpath(self.root)
        images: list[str] = []
        captions: list[tuple[str, ...]] = []
        numbers: dict[str, int] = {}  # of the row that took each key
        folders: set[str] = set()
        for number, row in read_rows(file):
            try:
                key, image, texts = self._read_row(row, len(images))
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
        if not is_inside(path, self._real_root):
            raise BrokenImageError(f"{path} is a link that leads out of the folder")
        return path

    def urls(self) -> Iterator[str | None]:
        """The column ``url``, read anew from the file."""
        return (row.get("url") for _, row in read_rows(self._file, ("url",)))

    def _read_row(self, row: Row, number: int) -> tuple[str, str, tuple[str, ...]]:
        """Key, image path and captions of a row, counted from 0; ValueError says what is wrong with it."""
        column = "file_name" if "file_name" in row and "image" not in row else "image"
        if column not in row:
            raise ValueError(f"no column `image` (or `file_name`), only {names(row)}")
        if not {"caption", "captions", "text"} & row.keys():
            raise ValueError(f"no column `caption` (or `captions`, or `text`), only {names(row)}")
        image = require_relative(text_field(row[column], column), column)
        key = image if row.get("key") is None else key_field(row["key"])
        return key, image, join_captions(row.get("caption", row.get("text")), row.get("captions"))

    def _require_inside(self, folder: str, image: str) -> None:
        if not is_inside(self.root / folder, self._real_root):
            raise ValueError(
                f"the image {image!r} lies outside {self.root} (a folder on its way is a link that leads out); "
                "name files within the folder, or put the captions file beside the images"
            )


def is_inside(path: Path, folder: str) -> bool:
    """Whether a path, with all links followed, is in a folder, given by its real path."""
    return Path(os.path.realpath(path)).is_relative_to(folder)  # realpath, as resolve() raises on a loop of links


def require_relative(image: str, column: str) -> str:
    """Return the path of an image file as a row gives it.

    Raises:
        ValueError: when it leads out of the folder.
    """
    escapes = ".." in image and os.path.normpath(image).split(os.sep, 1)[0] == ".."
    if os.path.isabs(image) or escapes or "\0" in image:
        raise ValueError(f"`{column}` must be a path within the folder, without a leading / or .., not {image!r}")
    return image


def names(columns: Iterable[str]) -> str:
    """Columns as a sentence lists them."""
    return ", ".join(f"`{name}`" for name in columns) or "an empty row"
