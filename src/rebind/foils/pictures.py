"""The pictures of a benchmark: what they are called in its files, and how they come onto its page."""

from __future__ import annotations

import base64
import io
import os
import re
from hashlib import blake2b
from pathlib import Path

from PIL import Image

from rebind.data.images import decode_image
from rebind.data.source import Source

FOLDER = "images"
SIDE = 200  # pixels of the longer side of a thumbnail
_SIGNATURES = {b"\x89PNG": "png", b"RIFF": "webp", b"GIF8": "gif", b"BM": "bmp", b"II*\0": "tif", b"MM\0*": "tif"}


def picture_name(source: Source, row: int) -> tuple[str, Path | bytes]:
    """The file name of a sample's picture, and the picture.

    A file within the source's folder keeps its path relative to that folder; a picture out of a shard is called
    ``images/<key>.jpg|png|…`` after its key, letters that file names cannot hold replaced.

    Raises:
        BrokenImageError: when the picture cannot be had.
    """
    image = source.image(row)
    if isinstance(image, Path) and image.is_relative_to(source.root):
        return image.relative_to(source.root).as_posix(), image
    key = source.keys[row]
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", key)[:80]
    if stem != key:  # other keys may have become the same
        stem += "-" + blake2b(key.encode(), digest_size=4).hexdigest()
    data = image.read_bytes() if isinstance(image, Path) else image
    extension = next((name for start, name in _SIGNATURES.items() if data.startswith(start)), "jpg")
    return f"{FOLDER}/{stem}.{extension}", data


def thumbnail(image: Path | bytes) -> str:
    """The picture as a data URI, longer side 200 pixels at most.

    Raises:
        BrokenImageError: when it cannot be decoded.
    """
    picture = decode_image(image)
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=78, method=2)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def below(root: Path, out: Path) -> str:
    """The way from the folder ``out`` to the folder ``root``, as a path; empty when equal."""
    way = Path(os.path.relpath(root.resolve(), out.resolve())).as_posix()
    return "" if way == "." else way + "/"
