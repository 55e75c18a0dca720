"""A sample as the members of a WebDataset shard: its picture, its caption, and what else is known of it."""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from rebind.data.broken import BrokenImageError
from rebind.data.images import decode_image
from rebind.data.negative_records import as_record
from rebind.types import BrokenSample, Sample

QUALITY = 95  # of pictures that are saved as JPEG anew
_SAFE = re.compile(r"[A-Za-z0-9_-]{1,80}")  # keys that can name members of any archive


@dataclass(frozen=True)
class Made:
    """One sample, ready to be written: names and contents, none if it is broken; and what of it was broken."""

    members: list[tuple[str, bytes]]
    broken: list[BrokenSample]


def make_members(number: int, sample: Sample | BrokenSample, *, with_annotations: bool, max_side: int | None) -> Made:
    """Decode the pictures of a sample and name its members.

    Args:
        number: of the sample, for a stem where the key cannot be one.
        sample: or what is wrong with it.
        with_annotations: take in concepts and negatives.
        max_side: pictures with a longer side are scaled down to so many pixels.
    """
    if isinstance(sample, BrokenSample):
        return Made([], [sample])
    stem = sample.key if _SAFE.fullmatch(sample.key) else f"+{number:09d}"
    try:
        extension, picture = _encoded(sample.image, max_side)
    except BrokenImageError as error:
        return Made([], [BrokenSample(sample.key, str(error))])
    fields: dict[str, Any] = {"key": sample.key, "captions": list(sample.captions)}
    members = [(f"{stem}.{extension}", picture), (f"{stem}.txt", sample.captions[0].encode())]
    broken: list[BrokenSample] = []
    if with_annotations and sample.concepts:
        fields["concepts"] = list(sample.concepts)
    if with_annotations and sample.negatives:
        fields["negatives"] = []
        for index, negative in enumerate(sample.negatives):
            record = as_record(negative)
            if negative.image is not None:
                try:
                    extension, picture = _encoded(negative.image, max_side)
                    record["image"] = f"negative-{index}.{extension}"
                    members.append((f"{stem}.{record['image']}", picture))
                except BrokenImageError as error:
                    broken.append(BrokenSample(f"{sample.key}, negative {index + 1}", str(error)))
            fields["negatives"].append(record)
    members.append((f"{stem}.json", json.dumps(fields, ensure_ascii=False).encode()))
    return Made(members, broken)


def _encoded(image: Path | bytes, max_side: int | None) -> tuple[str, bytes]:
    """Extension and bytes of a picture: as they are, unless it is too large or of a kind that shards do not hold.

    Raises:
        BrokenImageError: when it cannot be decoded.
    """
    picture = decode_image(image)
    data = image if isinstance(image, bytes) else image.read_bytes()
    if max_side is not None and max(picture.size) > max_side:
        scale = max_side / max(picture.size)
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        return "jpg", _saved(picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3), "JPEG", quality=QUALITY)
    if data.startswith(b"\xff\xd8\xff"):
        return "jpg", data
    if data.startswith(b"\x89PNG"):
        return "png", data
    if data.startswith(b"RIFF"):
        return "webp", data
    return "png", _saved(picture, "PNG")


def _saved(picture: Image.Image, form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()
