"""WebDataset shards: tar archives read in place, in any order, and never unpacked."""

from __future__ import annotations

import json
import re
import tarfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from rebind.data.broken import BrokenImageError
from rebind.data.captions import join_captions, key_field, text_field
from rebind.data.downloads import SUCCESS, failed_downloads
from rebind.data.source import Column, Source
from rebind.types import BrokenSample, Negative, UserError

IMAGE_EXTENSIONS = ("jpg", "jpeg", "png", "webp")
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

Span = tuple[int, int]
"""Offset and size of a member, in bytes."""


class _DownloadError(Exception):
    """A sample whose json says that its image could not be had; the message is the reason."""


@dataclass(frozen=True)
class _Record:
    """What a shard says of one sample."""

    key: str
    captions: tuple[str, ...]
    concepts: list[str]
    negatives: list[dict[str, Any]]


@dataclass
class _Entry:
    """Where a shard holds what of one sample."""

    image: Span | None = None
    text: bytes | None = None
    json: bytes | None = None
    negative: bytes | None = None  # caption
    json_span: Span = _NOWHERE
    pictures: dict[str, Span] = field(default_factory=dict)  # of negatives

    def read(self, stem: str) -> _Record:
        """Key, captions and annotations; ValueError says what is missing or wrong."""
        fields = {} if self.json is None else json.loads(self.json)
        if not isinstance(fields, dict):
            raise ValueError("its json is not an object")
        if self.image is None:
            if (status := fields.get("status")) not in (None, SUCCESS):
                raise _DownloadError(str(fields.get("error_message") or status))
            raise ValueError(f"it has no image ({', '.join(IMAGE_EXTENSIONS)})")
        caption = fields.get("caption") if self.text is None else self.text.decode("utf-8")
        key = stem if fields.get("key") is None else key_field(fields["key"])
        concepts = fields.get("concepts") or []
        if not isinstance(concepts, list):
            raise ValueError(f"`concepts` must be a list of texts, not {type(concepts).__name__}")
        concepts = [text_field(text, "concepts") for text in concepts]
        return _Record(key, join_captions(caption, fields.get("captions")), concepts, self._negatives(fields))

    def _negatives(self, fields: dict[str, Any]) -> list[dict[str, Any]]:
        values = fields.get("negatives") or []
        if self.negative is not None and (caption := self.negative.decode("utf-8").strip()):
            picture = "neg_image" if "neg_image" in self.pictures else None
            values = [{"caption": caption, "image": picture}]
        if not isinstance(values, list) or not all(isinstance(each, dict) for each in values):
            raise ValueError('`negatives` must be a list of objects like {"caption": "..."}')
        return [self._negative(value) for value in values]

    def _negative(self, value: dict[str, Any]) -> dict[str, Any]:
        picture = value.get("image")
        if picture is not None and (not isinstance(picture, str) or picture not in self.pictures):
            raise ValueError(f"the picture {picture!r} of a negative is not among its members")
        offset, size = _NOWHERE if picture is None else self.pictures[picture]
        family = str(value.get("family") or "")
        return {"caption": text_field(value.get("caption"), "caption"), "family": family, "at": offset, "size": size}


class ShardSource(Source):
    """Samples of tar archives with members ``stem.jpg|jpeg|png|webp``, ``stem.txt`` and ``stem.json``.

    The caption is the txt, else ``caption`` of the json, whose ``captions`` may add others; the key is ``key`` of the
    json, else the stem. Opening reads the headers and the texts, and remembers where the images lie. A sample without
    image or caption is listed in ``broken``.

    Known besides: what img2dataset says of failed downloads (``skipped``); ``stem.image|caption|neg_image|neg_caption``
    of TripletData; and what :func:`rebind.data.packing.pack` writes, ``concepts`` and ``negatives`` in the json and
    ``stem.negative-0.jpg`` with the picture of a negative.

    Raises:
        UserError: naming the archive that is cut short or not a tar, or the key that occurs twice.
    """

    def __init__(self, shards: Sequence[Path], path: Path, root: Path, annotations: Path) -> None:
        self.path, self.root, self.annotations = path, root, annotations
        self._shards = tuple(shards)
        homes: dict[str, int] = {}  # the shard of each key
        spans: list[tuple[Span, Span]] = []
        records: tuple[list, list, list] = ([], [], [])
        broken: list[BrokenSample] = []
        skipped: Counter[str] = Counter()
        for number, shard in enumerate(self._shards):
            skipped += failed_downloads(shard)
            for stem, entry in _index(shard).items():
                try:
                    record = entry.read(stem)
                except (ValueError, RecursionError) as error:
                    broken.append(BrokenSample(f"{shard.name}:{stem}", str(error)))
                    continue
                except _DownloadError as failure:
                    skipped[str(failure)] += 1
                    continue
                if record.key in homes:
                    raise UserError(
                        f"{shard}: the key {record.key!r} (sample {stem!r}) was already used in "
                        f"{self._shards[homes[record.key]]}; keys must differ"
                    )
                assert entry.image is not None
                homes[record.key] = number
                spans.append((entry.image, entry.json_span))
                for column, value in zip(records, (record.captions, record.concepts, record.negatives), strict=True):
                    column.append(value)
        if not homes:
            example = f"; {broken[0].key}: {broken[0].reason}" if broken else ""
            raise UserError(f"{path} holds no sample with an image and a caption (stem.jpg, stem.txt){example}")
        self.keys: Sequence[str] = Column.of_texts(homes)
        self.broken, self.skipped = tuple(broken), dict(skipped)
        self._homes = np.array(list(homes.values()), dtype=np.int32)
        self._spans = np.array(spans, dtype=np.int64)  # (n, 2, 2): of image and json, offset and size
        self._keep(*records)

    def _keep(self, captions: list, concepts: list, negatives: list) -> None:
        self._captions = Column.of_tuples(captions)
        self.has_concepts, self.has_negatives = any(concepts), any(negatives)
        self._concepts = Column.of_tuples(concepts) if self.has_concepts else None
        fields = {"caption": "large_string", "family": "large_string", "at": "int64", "size": "int64"}
        self._negatives = Column.of_records(negatives, **fields) if self.has_negatives else None

    def captions(self, index: int) -> tuple[str, ...]:
        """The captions of a sample, the original one first."""
        return self._captions[index]

    def image(self, index: int) -> bytes:
        """The encoded image.

        Raises:
            BrokenImageError: when the archive is gone or was cut short since it was opened.
        """
        return self._read(index, *self._spans[index, 0].tolist())

    def concepts(self, index: int) -> tuple[str, ...]:
        """The concepts in the json; where others have some and this sample has none, its original caption."""
        return () if self._concepts is None else self._concepts[index] or self._captions[index][:1]

    def negatives(self, index: int, with_images: bool = True) -> tuple[Negative, ...]:
        """The hard negatives in the shard."""
        return tuple(
            Negative(each["caption"], each["family"], self._picture(index, each) if with_images else None)
            for each in (self._negatives[index] if self._negatives is not None else ())
        )

    def negative_image(self, index: int, number: int) -> bytes | None:
        """The encoded picture of a hard negative; None where it has none."""
        assert self._negatives is not None
        return self._picture(index, self._negatives[index][number])

    def urls(self) -> Iterator[str | None]:
        """The ``url`` of each sample's json, read anew from the shards."""
        for index, (offset, size) in enumerate(self._spans[:, 1].tolist()):
            url = json.loads(self._read(index, offset, size)).get("url") if offset >= 0 else None
            yield url if isinstance(url, str) else None

    def _picture(self, index: int, negative: dict[str, Any]) -> bytes | None:
        return None if negative["at"] < 0 else self._read(index, negative["at"], negative["size"])

    def _read(self, index: int, offset: int, size: int) -> bytes:
        shard = self._shards[self._homes[index]]
        try:
            # Opened anew each time: 10 µs against 500 for decoding, and nothing is shared between processes.
            with shard.open("rb") as file:
                file.seek(offset)
                data = file.read(size)
        except OSError as error:
            raise BrokenImageError(f"cannot read {shard}: {error.strerror}") from error
        if len(data) < size:
            raise BrokenImageError(f"{shard} was cut short since it was opened")
        return data


def _index(shard: Path) -> dict[str, _Entry]:
    """The samples of one archive by stem, in order of first appearance."""
    entries: dict[str, _Entry] = {}
    with shard.open("rb") as file:
        for member in _members(file, shard):
            match = _MEMBER.fullmatch(member.name)
            if not match or not member.isreg() or member.issparse():
                continue
            stem, extension = match[1], match[2].lower()
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
