"""Datasets of the Hugging Face hub, or saved by its library: with random access, or as a stream."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rebind.data.broken import BrokenImageError
from rebind.data.captions import key_field, text_field
from rebind.data.folder import is_inside, names
from rebind.data.source import Column, Source
from rebind.types import BrokenSample, Negative, Sample, UserError

IMAGE_COLUMNS = ("image", "jpg", "jpeg", "png", "webp", "img")
CAPTION_COLUMNS = ("caption", "captions", "text", "txt", "sentences", "raw_caption", "title")
_ROWS_AT_ONCE = 10_000


@dataclass(frozen=True)
class Columns:
    """Which column holds what. Those of negatives are None where there are none, ``key`` where rows are counted."""

    image: str
    caption: str
    key: str | None = None
    negative_image: str | None = None
    negative_caption: str | None = None

    @property
    def texts(self) -> list[str]:
        """The columns without pictures."""
        return [name for name in (self.caption, self.key, self.negative_caption) if name is not None]


@dataclass(frozen=True)
class Table:
    """A dataset of the library, loaded.

    Attributes:
        rows: a ``datasets.Dataset`` or ``IterableDataset``; pictures are left encoded.
        columns: which holds what.
        notes: which columns were guessed.
        name: of the dataset, for sentences.
        folder: where image files may lie; None for a dataset of the hub.
    """

    rows: Any
    columns: Columns
    notes: tuple[str, ...]
    name: str
    folder: Path | None

    def picture(self, value: Any) -> Path | bytes:
        """The encoded picture of a cell.

        Raises:
            BrokenImageError: when there is none, or it would be a file elsewhere on this machine.
        """
        if isinstance(value, Mapping):
            value = value.get("bytes") or value.get("path")
        if isinstance(value, bytes):
            return value
        if isinstance(value, str) and value.startswith("hf://"):
            import fsspec

            try:
                with fsspec.open(value, "rb") as file:
                    return file.read()
            except Exception as error:  # of the network, in many libraries
                raise BrokenImageError(f"cannot read {value}: {error}") from error
        if not isinstance(value, str) or not value:
            raise BrokenImageError("there is no picture in its cell")
        if not any(is_inside(Path(value), os.path.realpath(folder)) for folder in self._folders()):
            raise BrokenImageError(f"{value} is not a file of the dataset")
        return Path(value)

    def captions(self, value: Any, column: str) -> tuple[str, ...]:
        """The captions of a cell: a text, a list of texts, or a list of ``{"raw": text}``; empty ones are left out."""
        cells = value if isinstance(value, list) else [value]
        texts = [cell.get("raw") if isinstance(cell, Mapping) else cell for cell in cells]
        texts = [text.decode("utf-8") if isinstance(text, bytes) else text for text in texts]
        return tuple(
            dict.fromkeys(text_field(text, column) for text in texts if text is not None and str(text).strip())
        )

    def texts(self, row: Mapping[str, Any], number: int) -> tuple[str, tuple[str, ...], str]:
        """Key, captions and negative caption (empty if there is none) of a row; ValueError says what is wrong."""
        columns = self.columns
        captions = self.captions(row[columns.caption], columns.caption)
        if not captions:
            raise ValueError(f"`{columns.caption}` is empty")
        name = columns.negative_caption
        negatives = () if name is None else self.captions(row[name], name)
        key = f"{number:09d}" if columns.key is None else key_field(row[columns.key])
        return key, captions, negatives[0] if negatives else ""

    def _folders(self) -> list[str]:
        from datasets import config
        from huggingface_hub import constants

        return [str(self.folder)] if self.folder else [str(config.HF_DATASETS_CACHE), constants.HF_HUB_CACHE]


class HuggingFaceSource(Source):
    """The rows of a ``datasets.Dataset``. Its Arrow files are mapped, not read: only texts are in memory.

    Args:
        table: with random access.
        path: what the user gave.
        annotations: folder of its annotations.

    Raises:
        UserError: naming the row whose key was used before.
    """

    def __init__(self, table: Table, path: Path, annotations: Path) -> None:
        self.path, self.root, self.annotations = path, path.parent, annotations
        self.notes, self._table = table.notes, table
        rows: dict[str, int] = {}
        captions, negatives, broken = [], [], []
        for number, row in enumerate(_text_rows(table)):
            try:
                key, texts, negative = table.texts(row, number)
            except ValueError as error:
                broken.append(BrokenSample(f"row {number}", str(error)))
                continue
            if key in rows:
                raise UserError(
                    f"{path}: the key {key!r} of row {number} was already used in row {rows[key]}; leave `key` out to "
                    "count the rows, or name a column whose values differ"
                )
            rows[key] = number
            captions.append(texts)
            negatives.append(negative)
        if not rows:
            example = f"; {broken[0].key}: {broken[0].reason}" if broken else ""
            raise UserError(f"{path}: {table.name} has no row with a caption{example}")
        self.keys: Sequence[str] = Column.of_texts(rows)
        self.broken = tuple(broken)
        self._rows = np.array(list(rows.values()))
        self._captions = Column.of_tuples(captions)
        self.has_negatives = any(negatives)
        self._negatives = Column.of_texts(negatives) if self.has_negatives else None
        images = [name for name in (table.columns.image, table.columns.negative_image) if name is not None]
        self._images = {name: table.rows.select_columns([name]) for name in images}

    def captions(self, index: int) -> tuple[str, ...]:
        """The captions of a row, the original one first."""
        return self._captions[index]

    def image(self, index: int) -> Path | bytes:
        """The picture of a row, encoded as it is in the dataset."""
        return self._picture(index, self._table.columns.image)

    def negatives(self, index: int, with_images: bool = True) -> tuple[Negative, ...]:
        """The negative of a row that has a caption for it."""
        if self._negatives is None or not (caption := self._negatives[index]):
            return ()
        return (Negative(caption, image=self.negative_image(index, 0) if with_images else None),)

    def negative_image(self, index: int, number: int) -> Path | bytes | None:
        """The picture of a row's negative; None in a dataset without such pictures."""
        column = self._table.columns.negative_image
        return None if column is None else self._picture(index, column)

    def urls(self) -> Iterator[str | None]:
        """The column ``url``."""
        if "url" not in self._table.rows.column_names:
            return super().urls()
        kept = self._table.rows.select(self._rows).select_columns(["url"])
        return (url for block in kept.iter(_ROWS_AT_ONCE) for url in block["url"])

    def _picture(self, index: int, column: str) -> Path | bytes:
        return self._table.picture(self._images[column][int(self._rows[index])][column])


def stream_table(table: Table, start: int = 0) -> Iterator[Sample | BrokenSample]:
    """The rows of a dataset without random access, from row ``start``; those without caption or image as broken."""
    for number, row in enumerate(table.rows.skip(start) if start else table.rows, start=start):
        try:
            key, captions, negative = table.texts(row, number)
            image = table.picture(row[table.columns.image])
            picture = table.columns.negative_image
            foil = Negative(negative, image=None if picture is None or not negative else table.picture(row[picture]))
            yield Sample(key, captions, image, negatives=(foil,) if negative else ())
        except (ValueError, BrokenImageError) as error:
            yield BrokenSample(f"row {number}", str(error))


def _text_rows(table: Table) -> Iterator[dict[str, Any]]:
    for block in table.rows.select_columns(table.columns.texts).iter(_ROWS_AT_ONCE):
        yield from (dict(zip(block, row, strict=True)) for row in zip(*block.values(), strict=True))


def load_table(name: str, beside: Path, columns: Mapping[str, str | None], **options: Any) -> Table:
    """Load a dataset: a folder or pattern of Parquet files that exists beside a file, else a dataset of the hub.

    Args:
        name: of the folder, the pattern or the dataset.
        beside: the folder that local names are relative to.
        columns: fields of :class:`Columns`; image and caption are guessed where they are None.
        options: ``config``, ``split`` and ``streaming``.

    Raises:
        UserError: when it cannot be loaded, or a column is missing or not to be guessed.
    """
    local = beside / name
    rows = load_rows(name, local, **options)
    features = getattr(rows, "features", None) or dict.fromkeys(next(iter(rows), {}))
    chosen, notes = _choose(features, columns, name)
    from datasets import Image

    for column in (chosen.image, chosen.negative_image):
        if column is not None and isinstance(features[column], Image):
            rows = rows.cast_column(column, Image(decode=False))
    folder = local if local.is_dir() else local.parent if local.suffix == ".parquet" else None
    return Table(rows, chosen, notes, name, folder)


def load_rows(name: str, local: Path, config: str | None, split: str, streaming: bool) -> Any:
    """The rows of a dataset, a ``datasets.Dataset`` or ``IterableDataset``.

    Args:
        name: of the dataset of the hub.
        local: folder or file that is read instead if it exists.
        config: of a dataset that has several.
        split: of the dataset.
        streaming: whether rows come one by one.

    Raises:
        UserError: when it cannot be loaded.
    """
    import datasets

    try:
        if (local / "dataset_dict.json").is_file() or (local / "state.json").is_file():
            saved = datasets.load_from_disk(str(local))
            if isinstance(saved, datasets.DatasetDict):
                if split not in saved:
                    raise UserError(f"{local} has no split `{split}`, only {names(saved)}")
                saved = saved[split]
            return saved.to_iterable_dataset() if streaming else saved
        if local.suffix == ".parquet":
            return datasets.load_dataset("parquet", data_files=[str(local)], split=split, streaming=streaming)
        where = str(local) if local.is_dir() else name
        return datasets.load_dataset(where, config, split=split, streaming=streaming)
    except UserError:
        raise
    except Exception as error:  # the library and those below it raise nearly anything
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")
        what = f"the folder {local}" if local.is_dir() else f"the dataset {name}"
        raise UserError(f"cannot load the split `{split}` of {what}: {reason}") from error


def _choose(
    features: Mapping[str, Any], columns: Mapping[str, str | None], name: str
) -> tuple[Columns, tuple[str, ...]]:
    from datasets import Image

    chosen, notes = dict(columns), []
    for what, kinds in (("image", IMAGE_COLUMNS), ("caption", CAPTION_COLUMNS)):
        if chosen.get(what) is None:
            typed = [each for each, kind in features.items() if isinstance(kind, Image)] if what == "image" else []
            fits = typed or [each for each in kinds if each in features][:1]
            if len(fits) != 1:
                raise UserError(
                    f"which column of {name} holds the {what} cannot be guessed; name it as `{what}`, one of "
                    f"{names(features)}"
                )
            chosen[what] = fits[0]
            notes.append(f"the {what} is taken from the column `{fits[0]}`")
    for column in chosen.values():
        if column is not None and column not in features:
            raise UserError(f"{name} has no column `{column}`, only {names(features)}")
    return Columns(**chosen), tuple(notes)  # type: ignore[arg-type]
