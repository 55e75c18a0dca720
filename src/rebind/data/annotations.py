"""Annotations: what was found out about each sample, in files beside the source, joined by key."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rebind.data.captions import text_field
from rebind.data.rows import place, read_rows
from rebind.data.source import Column, Source
from rebind.storage import atomic_path, write_json
from rebind.types import UserError


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


def read_annotation(source: Source, name: str) -> dict[str, Any]:
    """Read an annotation as key -> value.

    Raises:
        UserError: when it was never written (naming the command that does), or naming the line that is wrong.
    """
    file = source.annotations / f"{name}.jsonl"
    if not file.is_file():
        raise UserError(f"{file} does not exist; write it with `rebind {name} {source.path}`")
    values: dict[str, Any] = {}
    for number, row in read_rows(file):
        if missing := {"key", name} - row.keys():
            raise UserError(f"{place(file, number)}: the field `{sorted(missing)[0]}` is missing")
        if not isinstance(row["key"], str) or row["key"] in values:
            raise UserError(f"{place(file, number)}: the key {row['key']!r} is no text or occurs twice")
        values[row["key"]] = row[name]
    return values


def with_concepts(source: Source) -> Source:
    """Join the annotation ``concepts`` into the samples of ``source``.

    A sample without concepts gets its original caption as its only concept; annotated keys that the source lacks are
    passed over.

    Raises:
        UserError: when there is no such annotation, none of its keys is in the source, or a value is no list of texts.
    """
    annotation = read_annotation(source, "concepts")
    file = source.annotations / "concepts.jsonl"
    concepts: list[tuple[str, ...]] = []
    matches = 0
    for index, key in enumerate(source.keys):
        matches += key in annotation
        found = annotation.get(key, [])
        try:
            if not isinstance(found, list):
                raise ValueError(f"`concepts` must be a list of texts, not {type(found).__name__}")
            concepts.append(tuple(text_field(text, "concepts") for text in found) or source.captions(index)[:1])
        except ValueError as error:
            raise UserError(f"{file}, key {key!r}: {error}") from None
    if not matches:
        raise UserError(
            f"none of the keys in {file} is a key of {source.path}; write it anew with `rebind concepts {source.path}`"
        )
    return ConceptSource(source, Column.of_tuples(concepts))


class ConceptSource(Source):
    """A source whose samples carry concepts; made by :func:`with_concepts`."""

    def __init__(self, source: Source, concepts: Column[tuple[str, ...]]) -> None:
        self.path, self.root, self.annotations = source.path, source.root, source.annotations
        self.keys, self.broken = source.keys, source.broken
        self._source, self._concepts = source, concepts

    def captions(self, index: int) -> tuple[str, ...]:
        """The captions of the sample, the original one first."""
        return self._source.captions(index)

    def concepts(self, index: int) -> tuple[str, ...]:
        """The concepts of the sample; never empty."""
        return self._concepts[index]

    def image(self, index: int) -> Path | bytes:
        """The image of the sample."""
        return self._source.image(index)
