"""Files of annotations: what was found out about each sample, beside the source, one record a line."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

from rebind.data.freshness import require_fresh
from rebind.data.rows import READERS, place, read_rows
from rebind.data.source import Source
from rebind.storage import atomic_path, write_json
from rebind.types import UserError

#: Annotation -> how a user comes by it.
_ORIGINS = {
    "concepts": "write it with `rebind concepts {path}`",
    "negatives": "write it with `rebind negatives {path}`",
    "negative_images": "write it with `rebind pictures {path}`",
    "rewrites": 'put a line {{"key": ..., "rewrites": ["...", "..."]}} there for each sample that has any',
    "neighbours": "write it with `rebind neighbours {path} --model MODEL`",
}
NEGATIVE_IMAGES = "negative_images"
_SETTINGS, _REPORT = "settings.json", "report.json"  # the engine writes the first at once, the second in the end


def negative_picture_key(key: str, caption: str) -> str:
    """The key of the picture of a negative caption: 32 hex digits that follow from the sample's key and the caption."""
    return blake2b(f"{key}\0{caption}".encode(), digest_size=16).hexdigest()


def origin(source: Source, name: str) -> str:
    """How a user comes by an annotation of this source, as a part of a sentence."""
    return _ORIGINS[name].format(path=shlex.quote(str(source.path)))


def annotation_files(source: Source, name: str) -> list[Path]:
    """The files of an annotation: ``<name>.jsonl|csv|parquet``, or all parts of the folder ``<name>``, in order.

    Raises:
        UserError: when there is none (saying how to come by it) or more than one, or the folder is not finished.
    """
    folder = source.annotations / name
    files = [file for suffix in READERS if (file := source.annotations / f"{name}{suffix}").is_file()]
    if len(files) + is_begun(folder) > 1:
        raise UserError(f"{source.annotations} holds the annotation {name} more than once; remove all but one")
    if files:
        return files
    if not is_begun(folder):
        raise UserError(f"{folder} does not exist; {origin(source, name)}")
    require_finished(folder)
    return [part for part in sorted(folder.glob("part-*")) if part.suffix in READERS]


def has_annotation(source: Source, name: str) -> bool:
    """Whether there is anything that :func:`annotation_files` would look at."""
    files = (source.annotations / f"{name}{suffix}" for suffix in READERS)
    return is_begun(source.annotations / name) or any(file.is_file() for file in files)


def annotation_place(source: Source, name: str) -> Path:
    """What to call an annotation in a sentence: its one file, or the folder of its parts."""
    files = annotation_files(source, name)
    return source.annotations / name if is_begun(source.annotations / name) else files[0]


def is_begun(folder: Path) -> bool:
    """Whether an annotation is there, or a part of one: a command that failed before its first part leaves a folder."""
    if not (folder / _SETTINGS).is_file() or (folder / _REPORT).is_file():
        return folder.is_dir()
    return any(folder.rglob("part-*"))


def require_finished(folder: Path) -> None:
    """Refuse a folder that the engine has begun to write and not ended.

    Raises:
        UserError: when it is one.
    """
    if (folder / _SETTINGS).is_file() and not (folder / _REPORT).is_file():
        raise UserError(f"{folder} is not finished; the command that writes it continues when it is given again")


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

    A list is one in JSON Lines and Parquet, and in CSV the same as JSON; there an empty cell is an empty list.

    Raises:
        UserError: as :func:`annotation_files`, naming the line that is wrong, or when captions have changed since the
            annotation was made of them.
    """
    return ((key, value) for _, key, value in _lines(source, name))


def _lines(source: Source, name: str) -> Iterator[tuple[Path, str, Any]]:
    keys: set[str] = set()
    files = annotation_files(source, name)
    require_fresh(source, name)
    for file in files:
        for number, row in read_rows(file, ("key", name)):
            if missing := {"key", name} - row.keys():
                raise UserError(f"{place(file, number)}: the field `{sorted(missing)[0]}` is missing")
            if not isinstance(row["key"], str) or row["key"] in keys:
                raise UserError(f"{place(file, number)}: the key {row['key']!r} is no text or occurs twice")
            keys.add(row["key"])
            try:
                value = json.loads(row[name] or "[]") if file.suffix in (".csv", ".tsv") else row[name]
            except ValueError:
                raise UserError(f"{place(file, number)}: `{name}` must be a JSON list") from None
            yield file, row["key"], value


def match_annotation(
    source: Source, name: str, rows: dict[str, int], read: Callable[[str, Any], Any]
) -> Iterator[tuple[int, Any]]:
    """Yield the row of each annotated sample and what ``read`` makes of it, passing over keys not in ``rows``.

    Args:
        source: what is annotated.
        name: of the annotation.
        rows: key -> row in the source.
        read: makes something of key and value; raises ValueError saying what is wrong with the value.

    Raises:
        UserError: as :func:`read_annotation`; naming file and key of a wrong value; when no key is in ``rows``.
    """
    matches = 0
    for file, key, value in _lines(source, name):
        if key not in rows:
            continue
        matches += 1
        try:
            found = read(key, value)
        except ValueError as error:
            raise UserError(f"{file}, key {key!r}: {error}") from None
        yield rows[key], found
    if not matches:
        place = annotation_place(source, name)
        raise UserError(f"none of the keys in {place} is a key of {source.path}; {origin(source, name)}")
