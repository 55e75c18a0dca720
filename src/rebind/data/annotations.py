"""Annotations: what was found out about each sample, in files beside the source, joined by key."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from rebind.data.captions import text_field
from rebind.data.opening import open_source
from rebind.data.rows import place, read_rows
from rebind.data.source import Column, Source
from rebind.storage import atomic_path, write_json
from rebind.types import Negative, UserError

#: Annotation -> how a user comes by it.
ORIGINS = {
    "concepts": "write it with `rebind concepts {path}`",
    "negatives": 'put a line {{"key": ..., "negatives": [{{"caption": ...}}]}} there for each sample that has any',
    "rewrites": 'put a line {{"key": ..., "rewrites": ["...", "..."]}} there for each sample that has any',
    "neighbours": "write it with `rebind neighbours {path} --model MODEL`",
}
NEGATIVE_IMAGES = "negative_images"


def write_annotation(source: Source, name: str, rows: Iterable[tuple[str, Any]], settings: dict[str, Any]) -> Path:
    """Write ``<name>.jsonl`` and ``<name>.settings.json`` into the source's annotation folder.

    Args:
        source: what is annotated.
        name: of the annotation, e.g. ``concepts``; also the field's name in each row.
        rows: (key, value) pairs; values as JSON can hold them.
        settings: how the values were made (backend, version, options); the count of rows is added.

    Returns:
        Path of the ``.jsonl`` file: one ``{"key": ..., name: value}`` a line.

    Raises:
        UserError: when the folder cannot be written to. An earlier annotation then stays as it was.
    """
    file = source.annotations / f"{name}.jsonl"
    written = 0
    with atomic_path(file) as temporary, temporary.open("w", encoding="utf-8") as lines:
        for key, value in rows:
            lines.write(json.dumps({"key": key, name: value}, ensure_ascii=False) + "\n")
            written += 1
    write_json(source.annotations / f"{name}.settings.json", {**settings, "count": written})
    return file


def read_annotation(source: Source, name: str) -> Iterator[tuple[str, Any]]:
    """Yield key and value of each line of an annotation.

    Raises:
        UserError: when there is none (saying how to come by it), or naming the line that is wrong.
    """
    file = source.annotations / f"{name}.jsonl"
    if not file.is_file():
        raise UserError(f"{file} does not exist; {ORIGINS[name].format(path=source.path)}")
    keys: set[str] = set()
    for number, row in read_rows(file):
        if missing := {"key", name} - row.keys():
            raise UserError(f"{place(file, number)}: the field `{sorted(missing)[0]}` is missing")
        if not isinstance(row["key"], str) or row["key"] in keys:
            raise UserError(f"{place(file, number)}: the key {row['key']!r} is no text or occurs twice")
        keys.add(row["key"])
        yield row["key"], row[name]


def match_annotation(
    source: Source, name: str, rows: dict[str, int], read: Callable[[Any], Any]
) -> Iterator[tuple[int, Any]]:
    """Yield the row of each annotated sample and what ``read`` makes of its value, passing over keys not in ``rows``.

    Args:
        source: what is annotated.
        name: of the annotation.
        rows: key -> row in the source.
        read: raises ValueError saying what is wrong with a value.

    Raises:
        UserError: as :func:`read_annotation`; naming file and key of a wrong value; when no key is in ``rows``.
    """
    file = source.annotations / f"{name}.jsonl"
    matches = 0
    for key, value in read_annotation(source, name):
        if key not in rows:
            continue
        matches += 1
        try:
            found = read(value)
        except ValueError as error:
            raise UserError(f"{file}, key {key!r}: {error}") from None
        yield rows[key], found
    if not matches:
        mend = ORIGINS[name].format(path=source.path)
        raise UserError(f"none of the keys in {file} is a key of {source.path}; {mend}")


def with_concepts(source: Source) -> AnnotatedSource:
    """Join the annotation ``concepts``; a sample without any gets its original caption as its only concept.

    This and the other annotations may be joined in any order. Annotated keys that the source lacks are passed over.

    Raises:
        UserError: when there is no such annotation, none of its keys is in the source, or a value is no list of texts.
    """
    return AnnotatedSource(source, concepts=_join(source, "concepts", _texts("concepts"), Column.of_tuples))


def with_rewrites(source: Source) -> AnnotatedSource:
    """Join the annotation ``rewrites``: more captions of the same images, after the source's own.

    Raises:
        UserError: as :func:`with_concepts`.
    """
    return AnnotatedSource(source, rewrites=_join(source, "rewrites", _texts("rewrites"), Column.of_tuples))


def with_negatives(source: Source, families: Iterable[str] | None = None, with_images: bool = False) -> AnnotatedSource:
    """Join the annotation ``negatives``: captions that are nearly right, some with a picture for which they are true.

    The pictures are in the source of captioned images ``annotations/negative_images``, by the key that a negative
    gives as its ``image``. None is read before it is asked for.

    Args:
        source: the samples.
        families: take negatives of these families only; all when None.
        with_images: join the pictures, too.

    Raises:
        UserError: as :func:`with_concepts`; when no negative is of a family that was asked for; when pictures were and
            there is none, or one is not in ``annotations/negative_images``.
    """
    read = _NegativeReader(source, families, with_images)
    negatives = _join(source, "negatives", read, _pack_negatives)
    read.check_complete()
    return AnnotatedSource(source, negatives=negatives, negative_images=read.pictures)


def _join(
    source: Source, name: str, read: Callable[[Any], Any], pack: Callable[[Iterable[Any]], Column[Any]]
) -> Column[Any]:
    """An annotation as one column with a value for each sample, None where there is no line for it."""
    lines = np.full(len(source), -1)

    def values() -> Iterator[Any]:
        rows = {key: row for row, key in enumerate(source.keys)}
        for line, (row, value) in enumerate(match_annotation(source, name, rows, read)):
            lines[row] = line
            yield value

    return pack(values()).take(lines)


def _texts(name: str) -> Callable[[Any], list[str]]:
    def read(value: Any) -> list[str]:
        if not isinstance(value, list):
            raise ValueError(f"`{name}` must be a list of texts, not {type(value).__name__}")
        return [text_field(text, name) for text in value]

    return read


class _NegativeReader:
    """Checks the negatives of one sample after the other, and finds the rows of their pictures."""

    def __init__(self, source: Source, families: Iterable[str] | None, with_images: bool) -> None:
        self.file = source.annotations / "negatives.jsonl"
        self.folder = source.annotations / NEGATIVE_IMAGES
        self.families = None if families is None else frozenset(families)
        self.with_images = with_images
        self.seen: set[str] = set()
        self.pictures: Source | None = None
        self._rows: dict[str, int] = {}

    def __call__(self, value: Any) -> list[dict[str, Any]]:
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise ValueError('`negatives` must be a list of objects like {"caption": "..."}')
        return [record for record in map(self._record, value) if record is not None]

    def check_complete(self) -> None:
        """Say what was asked for and found with no sample at all."""
        if unknown := sorted((self.families or frozenset()) - self.seen):
            there = ", ".join(sorted(self.seen - {""})) or "none"
            raise UserError(f"{self.file} has no negatives of the family {unknown[0]!r}; its families are: {there}")
        if self.with_images and self.pictures is None:
            raise UserError(
                f'no negative in {self.file} has a picture; name the pictures as "image": KEY and put them into '
                f"{self.folder}, or choose an objective that needs captions only"
            )

    def _record(self, value: dict[str, Any]) -> dict[str, Any] | None:
        caption = text_field(value.get("caption"), "caption")
        family = value.get("family") or ""
        if not isinstance(family, str):
            raise ValueError(f"`family` must be a text, not {type(family).__name__}")
        self.seen.add(family)
        if self.families is not None and family not in self.families:
            return None
        image = value.get("image") if self.with_images else None
        return {"caption": caption, "family": family, "picture": -1 if image is None else self._row(image)}

    def _row(self, image: Any) -> int:
        if self.pictures is None:
            self.pictures = open_source(self.folder)
            self._rows = {key: row for row, key in enumerate(self.pictures.keys)}
        if not isinstance(image, str) or image not in self._rows:
            raise ValueError(f"the `image` {image!r} is no key of {self.folder}")
        return self._rows[image]


def _pack_negatives(values: Iterable[list[dict[str, Any]]]) -> Column[Any]:
    return Column.of_records(values, caption="large_string", family="large_string", picture="int64")


class AnnotatedSource(Source):
    """A source whose samples carry what was joined to them; made by :func:`with_concepts` and its siblings.

    Args:
        source: the samples; what is not given here stays as it is there.
        concepts: of each sample; None where it has none.
        rewrites: more captions of each sample, or None.
        negatives: hard negatives of each sample as records of caption, family and picture, or None.
        negative_images: the pictures, by row; a negative without one has row -1.
    """

    def __init__(
        self,
        source: Source,
        *,
        concepts: Column[Any] | None = None,
        rewrites: Column[Any] | None = None,
        negatives: Column[Any] | None = None,
        negative_images: Source | None = None,
    ) -> None:
        self.path, self.root, self.annotations = source.path, source.root, source.annotations
        self.keys, self.broken = source.keys, source.broken
        self._source, self._concepts, self._rewrites = source, concepts, rewrites
        self._negatives, self._negative_images = negatives, negative_images

    def captions(self, index: int) -> tuple[str, ...]:
        """The captions of the sample, the original one first, its rewrites last."""
        captions = self._source.captions(index)
        return captions if self._rewrites is None else tuple(dict.fromkeys(captions + (self._rewrites[index] or ())))

    def image(self, index: int) -> Path | bytes:
        """The image of the sample."""
        return self._source.image(index)

    def concepts(self, index: int) -> tuple[str, ...]:
        """The concepts of the sample; never empty once they are joined."""
        if self._concepts is None:
            return self._source.concepts(index)
        return self._concepts[index] or self._source.captions(index)[:1]

    def negatives(self, index: int, with_images: bool = True) -> tuple[Negative, ...]:
        """The hard negatives of the sample, in the order of the annotation."""
        if self._negatives is None:
            return self._source.negatives(index, with_images)
        return tuple(
            Negative(record["caption"], record["family"], self._picture(record) if with_images else None)
            for record in self._negatives[index] or ()
        )

    def negative_image(self, index: int, number: int) -> Path | bytes | None:
        """The picture of one hard negative of the sample."""
        if self._negatives is None:
            return self._source.negative_image(index, number)
        return self._picture(self._negatives[index][number])

    def _picture(self, record: dict[str, Any]) -> Path | bytes | None:
        if self._negative_images is None or record["picture"] < 0:
            return None
        return self._negative_images.image(record["picture"])
