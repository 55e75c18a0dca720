"""What a shard holds: its samples' texts, and where in the archive their pictures lie, as one Arrow table."""

from __future__ import annotations

import json
import re
import tarfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from rebind.data.captions import join_captions, key_field, text_field
from rebind.data.downloads import SUCCESS
from rebind.data.negative_records import column_type, read_negative, require_negatives
from rebind.types import UserError

if TYPE_CHECKING:
    import pyarrow

IMAGE_EXTENSIONS = ("jpg", "jpeg", "png", "webp")
SPANS = ("image_at", "image_size", "json_at", "json_size")  # in bytes; of no json, -1 and 0
_MEMBER = re.compile(r"(?:\./)?((?:.*/)?[^./]+)\.([^/]+)")  # a sample's stem ends at the first dot, as in webdataset
_PICTURE = re.compile(rf"negative-\d+\.({'|'.join(IMAGE_EXTENSIONS)})|neg_image")
_SLOTS = {
    **dict.fromkeys((*IMAGE_EXTENSIONS, "image"), "image"),
    **dict.fromkeys(("txt", "caption"), "text"),
    "json": "json",
    "neg_caption": "negative",
}
_BLOCK = 512  # bytes; tar archives are made of such blocks and end with two of zeros
_NOWHERE = (-1, 0)
_LEFT_OUT = b"left out"

Span = tuple[int, int]
"""Offset and size of a member, in bytes."""


class _DownloadError(Exception):
    """A sample whose json says that its image could not be had; the message is the reason."""


@dataclass
class _Entry:
    """Where a shard holds what of one sample."""

    image: Span | None = None
    text: bytes | None = None
    json: bytes | None = None
    negative: bytes | None = None  # caption
    json_span: Span = _NOWHERE
    pictures: dict[str, Span] = field(default_factory=dict)  # of negatives

    def read(self, stem: str) -> dict[str, Any]:
        """The sample's row of the table; ValueError says what is missing or wrong."""
        fields = {} if self.json is None else json.loads(self.json)
        if not isinstance(fields, dict):
            raise ValueError("its json is not an object")
        if self.image is None:
            if (status := fields.get("status")) not in (None, SUCCESS):
                raise _DownloadError(str(fields.get("error_message") or status))
            raise ValueError(f"it has no image ({', '.join(IMAGE_EXTENSIONS)})")
        caption = fields.get("caption") if self.text is None else self.text.decode("utf-8")
        concepts = fields.get("concepts") or []
        if not isinstance(concepts, list):
            raise ValueError(f"`concepts` must be a list of texts, not {type(concepts).__name__}")
        row = {
            "key": stem if fields.get("key") is None else key_field(fields["key"]),
            "stem": stem,
            "captions": join_captions(caption, fields.get("captions")),
            "concepts": [text_field(text, "concepts") for text in concepts],
            "negatives": self._negatives(fields),
        }
        return row | dict(zip(SPANS, (*self.image, *self.json_span), strict=True))

    def _negatives(self, fields: dict[str, Any]) -> list[dict[str, Any]]:
        values = fields.get("negatives") or []
        if self.negative is not None and (caption := self.negative.decode("utf-8").strip()):
            picture = "neg_image" if "neg_image" in self.pictures else None
            values = [{"caption": caption, "image": picture}]
        return [self._negative(value) for value in require_negatives(values)]

    def _negative(self, value: dict[str, Any]) -> dict[str, Any]:
        picture = value.get("image")
        if picture is not None and (not isinstance(picture, str) or picture not in self.pictures):
            raise ValueError(f"the picture {picture!r} of a negative is not among its members")
        offset, size = _NOWHERE if picture is None else self.pictures[picture]
        return {**read_negative(value), "at": offset, "size": size}


def read_shard(shard: Path) -> pyarrow.Table:
    """Read the headers and the texts of an archive.

    Returns:
        A row for each sample: ``key``, ``stem``, ``captions``, ``concepts``, ``negatives`` (with ``at`` and ``size`` of
        a picture in the archive) and ``SPANS``. :func:`left_out` tells of the others.

    Raises:
        UserError: naming the archive that is cut short or not a tar, or the sample with two images.
    """
    import pyarrow

    schema = _schema()
    columns: dict[str, list[Any]] = {name: [] for name in schema.names}
    broken: list[tuple[str, str]] = []
    skipped: Counter[str] = Counter()
    for stem, entry in _entries(shard).items():
        try:
            row = entry.read(stem)
        except (ValueError, RecursionError) as error:
            broken.append((stem, str(error)))
        except _DownloadError as failure:
            skipped[str(failure)] += 1
        else:
            for name, value in row.items():
                columns[name].append(value)
    return pyarrow.table(columns, schema.with_metadata({_LEFT_OUT: json.dumps([broken, skipped])}))


def left_out(table: pyarrow.Table) -> tuple[list[tuple[str, str]], Counter[str]]:
    """Stem and reason of every broken sample of a shard, and how many downloads failed for which reason."""
    broken, skipped = json.loads(table.schema.metadata[_LEFT_OUT])
    return broken, Counter(skipped)


def _schema() -> pyarrow.Schema:
    import pyarrow

    text, texts = pyarrow.large_string(), pyarrow.large_list(pyarrow.large_string())
    fields = {"key": text, "stem": text, "captions": texts, "concepts": texts}
    fields["negatives"] = column_type(at="int64", size="int64")
    return pyarrow.schema(fields | dict.fromkeys(SPANS, pyarrow.int64()))


def _entries(shard: Path) -> dict[str, _Entry]:
    """The samples of one archive by stem, in order of first appearance."""
    entries: dict[str, _Entry] = {}
    with shard.open("rb") as file:
        for member in _members(file, shard):
            match = _MEMBER.fullmatch(member.name)
            if not match or not member.isreg() or member.issparse():
                continue
            # A name need not be Unicode, and a key must be.
            stem, extension = match[1].encode("utf-8", "backslashreplace").decode(), match[2].lower()
            slot, span = _SLOTS.get(extension), (member.offset_data, member.size)
            if slot is None:
                if _PICTURE.fullmatch(extension):
                    entries.setdefault(stem, _Entry()).pictures[extension] = span
                continue
            entry = entries.setdefault(stem, _Entry())
            if getattr(entry, slot) is not None:
                raise UserError(f"{shard}: the sample {stem!r} has two {slot} members ({member.name!r} is the second)")
            if slot == "image":
                entry.image = span
            else:
                file.seek(member.offset_data)
                setattr(entry, slot, file.read(member.size))
            if slot == "json":
                entry.json_span = span
    return entries


def _members(file: BinaryIO, shard: Path) -> Iterator[tarfile.TarInfo]:
    """The members of an archive, checked to be whole up to its end mark (which tarfile itself does not ask for)."""
    whole = current = "none"
    try:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            for member in archive:
                whole, current = current, member.name
                yield member
            file.seek(archive.offset)
            whole = current
            if file.read(_BLOCK) != bytes(_BLOCK):
                raise tarfile.ReadError("no end mark")
    except tarfile.TarError as error:
        if current == "none":
            raise UserError(f"{shard} is not an uncompressed tar archive ({error})") from error
        raise UserError(
            f"{shard} is cut short or damaged: its last whole member is {whole}; copy or download it again"
        ) from error
