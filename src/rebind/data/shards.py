"""WebDataset shards: tar archives read in place, in any order, and never unpacked."""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from rebind.data.broken import BrokenImageError
from rebind.data.captions import join_captions, key_field
from rebind.data.source import Column, Source
from rebind.types import BrokenSample, UserError

IMAGE_EXTENSIONS = ("jpg", "jpeg", "png", "webp")
_MEMBER = re.compile(r"(?:\./)?((?:.*/)?[^./]+)\.([^/]+)")  # a sample's stem ends at the first dot, as in webdataset
_BLOCK = 512  # bytes; tar archives are made of such blocks and end with two of zeros


@dataclass
class _Entry:
    """What a shard holds of one sample."""

    image: tuple[int, int] | None = None  # offset and size in bytes
    text: bytes | None = None
    json: bytes | None = None

    def read(self, stem: str) -> tuple[str, tuple[str, ...]]:
        """Key and captions; ValueError says what is missing or wrong."""
        fields = {} if self.json is None else json.loads(self.json)
        if not isinstance(fields, dict):
            raise ValueError("its json is not an object")
        if self.image is None:
            raise ValueError(f"it has no image ({', '.join(IMAGE_EXTENSIONS)})")
        caption = fields.get("caption") if self.text is None else self.text.decode("utf-8")
        key = stem if fields.get("key") is None else key_field(fields["key"])
        return key, join_captions(caption, fields.get("captions"))


class ShardSource(Source):
    """Samples of tar archives with members ``stem.jpg|jpeg|png|webp``, ``stem.txt`` and ``stem.json``.

    The caption is the txt, else ``caption`` of the json, whose ``captions`` may add others; the key is ``key`` of the
    json, else the stem. Opening reads the headers and the texts, and remembers where the images lie. A sample without
    image or caption is listed in ``broken``.

    Raises:
        UserError: naming the archive that is cut short or not a tar, or the key that occurs twice.
    """

    def __init__(self, shards: Sequence[Path], path: Path, root: Path, annotations: Path) -> None:
        self.path, self.root, self.annotations = path, root, annotations
        self._shards = tuple(shards)
        homes: dict[str, int] = {}  # the shard of each key
        spans: list[tuple[int, int]] = []
        captions: list[tuple[str, ...]] = []
        broken: list[BrokenSample] = []
        for number, shard in enumerate(self._shards):
            for stem, entry in _index(shard).items():
                try:
                    key, texts = entry.read(stem)
                except (ValueError, RecursionError) as error:
                    broken.append(BrokenSample(f"{shard.name}:{stem}", str(error)))
                    continue
                if key in homes:
                    raise UserError(
                        f"{shard}: the key {key!r} (sample {stem!r}) was already used in {self._shards[homes[key]]}; "
                        "keys must differ"
                    )
                assert entry.image is not None
                homes[key] = number
                spans.append(entry.image)
                captions.append(texts)
        if not homes:
            example = f"; {broken[0].key}: {broken[0].reason}" if broken else ""
            raise UserError(f"{path} holds no sample with an image and a caption (stem.jpg, stem.txt){example}")
        self.keys: Sequence[str] = Column.of_texts(homes)
        self.broken = tuple(broken)
        self._homes = np.array(list(homes.values()), dtype=np.int32)
        self._spans = np.array(spans, dtype=np.int64)
        self._captions = Column.of_tuples(captions)

    def captions(self, index: int) -> tuple[str, ...]:
        """The captions of a sample, the original one first."""
        return self._captions[index]

    def image(self, index: int) -> bytes:
        """The encoded image.

        Raises:
            BrokenImageError: when the archive is gone or was cut short since it was opened.
        """
        shard = self._shards[self._homes[index]]
        offset, size = self._spans[index].tolist()
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
            slot = "image" if extension in IMAGE_EXTENSIONS else {"txt": "text", "json": "json"}.get(extension)
            if slot is None:
                continue
            entry = entries.setdefault(stem, _Entry())
            if getattr(entry, slot) is not None:
                raise UserError(f"{shard}: the sample {stem!r} has two {slot} members ({member.name!r} is the second)")
            if slot == "image":
                entry.image = (member.offset_data, member.size)
            else:
                file.seek(member.offset_data)
                setattr(entry, slot, file.read(member.size))
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
