"""Annotations joined to a source: its samples with concepts, rewrites and hard negatives, found by key."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np

from rebind.data.annotation_files import (
    NEGATIVE_IMAGES,
    annotation_place,
    has_annotation,
    is_begun,
    match_annotation,
    negative_picture_key,
    require_finished,
)
from rebind.data.captions import text_field
from rebind.data.negative_records import as_negative, column_type, read_negative, require_negatives
from rebind.data.opening import open_source
from rebind.data.source import Column, Source
from rebind.types import Negative, UserError


def with_concepts(source: Source) -> AnnotatedSource:
    """Join the annotation ``concepts``; a sample without any gets its original caption as its only concept.

    This and the other annotations may be joined in any order. Annotated keys that the source lacks are passed over. A
    source that has concepts of its own, as packed shards may have, needs no annotation.

    Raises:
        UserError: when there is no such annotation, none of its keys is in the source, or a value is no list of texts.
    """
    if source.has_concepts and not has_annotation(source, "concepts"):
        return AnnotatedSource(source, concepts=_OwnConcepts(source))
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
    gives as its ``image``, else by :func:`~rebind.data.annotation_files.negative_picture_key`. None is read before it
    is asked for. A source that has negatives of its own, as TripletData has, needs no annotation.

    Args:
        source: the samples.
        families: take negatives of these families only; all when None.
        with_images: join the pictures, too.

    Raises:
        UserError: as :func:`with_concepts`; when no negative is of a family that was asked for; when pictures were and
            there is none, or one that was named is not in ``annotations/negative_images``.
    """
    if source.has_negatives and not has_annotation(source, "negatives"):
        return AnnotatedSource(source) if families is None else FamilySource(source, families)
    read = _NegativeReader(source, families, with_images)
    negatives = _join(source, "negatives", read, _pack_negatives)
    read.check_complete()
    return AnnotatedSource(source, negatives=negatives, negative_images=read.pictures)


def _join(
    source: Source, name: str, read: Callable[[str, Any], Any], pack: Callable[[Iterable[Any]], Column[Any]]
) -> Column[Any]:
    """An annotation as one column with a value for each sample, None where there is no line for it."""
    lines = np.full(len(source), -1)

    def values() -> Iterator[Any]:
        rows = {key: row for row, key in enumerate(source.keys)}
        for line, (row, value) in enumerate(match_annotation(source, name, rows, read)):
            lines[row] = line
            yield value

    return pack(values()).take(lines)


def _texts(name: str) -> Callable[[str, Any], list[str]]:
    def read(key: str, value: Any) -> list[str]:
        if not isinstance(value, list):
            raise ValueError(f"`{name}` must be a list of texts, not {type(value).__name__}")
        return [text_field(text, name) for text in value]

    return read


class _NegativeReader:
    """Checks the negatives of one sample after the other, and finds the rows of their pictures."""

    def __init__(self, source: Source, families: Iterable[str] | None, with_images: bool) -> None:
        self.source = source
        self.families = None if families is None else frozenset(families)
        self.with_images = with_images
        self.seen: set[str] = set()
        self.pictured = False
        self.pictures: Source | None = None
        self._rows: dict[str, int] = {}
        if with_images and is_begun(folder := source.annotations / NEGATIVE_IMAGES):
            require_finished(folder)
            self.pictures = open_source(folder)
            self._rows = {key: row for row, key in enumerate(self.pictures.keys)}

    def __call__(self, key: str, value: Any) -> list[dict[str, Any]]:
        return [record for each in require_negatives(value) if (record := self._record(key, each)) is not None]

    def check_complete(self) -> None:
        """Say what was asked for and found with no sample at all."""
        place = annotation_place(self.source, "negatives")
        if unknown := sorted((self.families or frozenset()) - self.seen):
            there = ", ".join(sorted(self.seen - {""})) or "none"
            raise UserError(f"{place} has no negatives of the family {unknown[0]!r}; its families are: {there}")
        if self.with_images and not self.pictured:
            command = f"rebind pictures {quote(str(self.source.path))}"
            raise UserError(
                f"no negative in {place} has a picture; make them with `{command}`, or choose an objective that needs "
                "captions only"
            )

    def _record(self, key: str, value: dict[str, Any]) -> dict[str, Any] | None:
        record = read_negative(value)
        self.seen.add(record["family"])
        if self.families is not None and record["family"] not in self.families:
            return None
        return {**record, "picture": self._row(key, record["caption"], value.get("image"))}

    def _row(self, key: str, caption: str, image: Any) -> int:
        """The row of a negative's picture: the one it names, which must be there, else the one that was made for it."""
        if not self.with_images:
            return -1
        if image is not None and (not isinstance(image, str) or image not in self._rows):
            raise ValueError(f"the `image` {image!r} is no key of {self.source.annotations / NEGATIVE_IMAGES}")
        row = self._rows.get(negative_picture_key(key, caption) if image is None else image, -1)
        self.pictured |= row >= 0
        return row


def _pack_negatives(values: Iterable[list[dict[str, Any]]]) -> Column[Any]:
    return Column.of_records(values, column_type(picture="int64"))


class _OwnConcepts(Sequence[tuple[str, ...]]):
    """The concepts that a source has by itself, as a column."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: Any) -> Any:
        return self.source.concepts(index)


class AnnotatedSource(Source):
    """A source whose samples carry what was joined to them; made by :func:`with_concepts` and its siblings.

    Args:
        source: the samples; what is not given here stays as it is there.
        concepts: of each sample; None where it has none.
        rewrites: more captions of each sample, or None.
        negatives: hard negatives of each sample as records of caption, family, `of`, `edits` and picture, or None.
        negative_images: the pictures, by row; a negative without one has row -1.
    """

    def __init__(
        self,
        source: Source,
        *,
        concepts: Sequence[Any] | None = None,
        rewrites: Column[Any] | None = None,
        negatives: Column[Any] | None = None,
        negative_images: Source | None = None,
    ) -> None:
        self.path, self.root, self.annotations = source.path, source.root, source.annotations
        self.keys, self.broken, self.notes = source.keys, source.broken, source.notes
        self.skipped, self.left_out = dict(source.skipped), source.left_out
        self.has_concepts = source.has_concepts or concepts is not None
        self.has_negatives = source.has_negatives or negatives is not None
        self._source, self._concepts, self._rewrites = source, concepts, rewrites
        self._negatives, self._negative_images = negatives, negative_images

    @property
    def opened(self) -> Source:
        """The samples before anything was joined."""
        return self._source.opened

    def captions(self, index: int) -> tuple[str, ...]:
        """The captions of the sample, the original one first, its rewrites last."""
        captions = self._source.captions(index)
        return captions if self._rewrites is None else tuple(dict.fromkeys(captions + (self._rewrites[index] or ())))

    def image(self, index: int) -> Path | bytes:
        """The image of the sample."""
        return self._source.image(index)

    def urls(self) -> Iterator[str | None]:
        """Where each image was downloaded from."""
        return self._source.urls()

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
            as_negative(record, self._picture(record) if with_images else None)
            for record in self._negatives[index] or ()
        )

    def pictured(self, index: int) -> list[bool]:
        """Which of the hard negatives that were joined have a picture; none is read."""
        return [] if self._negatives is None else [each["picture"] >= 0 for each in self._negatives[index] or ()]

    def negative_image(self, index: int, number: int) -> Path | bytes | None:
        """The picture of one hard negative of the sample."""
        if self._negatives is None:
            return self._source.negative_image(index, number)
        return self._picture(self._negatives[index][number])

    def _picture(self, record: dict[str, Any]) -> Path | bytes | None:
        if self._negative_images is None or record["picture"] < 0:
            return None
        return self._negative_images.image(record["picture"])


class FamilySource(AnnotatedSource):
    """A source with hard negatives of its own, of which some families are taken; made by :func:`with_negatives`.

    Raises:
        UserError: when it has none of a family.
    """

    def __init__(self, source: Source, families: Iterable[str]) -> None:
        super().__init__(source)
        self.families = frozenset(families)
        seen = {each.family for index in range(len(source)) for each in source.negatives(index, with_images=False)}
        if unknown := sorted(self.families - seen):
            there = ", ".join(sorted(seen - {""})) or "none"
            raise UserError(f"{source.path} has no negatives of the family {unknown[0]!r}; its families are: {there}")

    def negatives(self, index: int, with_images: bool = True) -> tuple[Negative, ...]:
        """The hard negatives of the families."""
        return tuple(each for each in self._source.negatives(index, with_images) if each.family in self.families)

    def negative_image(self, index: int, number: int) -> Path | bytes | None:
        """The picture of one of them."""
        every = self._source.negatives(index, with_images=False)
        places = [place for place, each in enumerate(every) if each.family in self.families]
        return self._source.negative_image(index, places[number])
