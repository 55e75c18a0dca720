"""Looking at pictures: whether they decode, how large they are, and which are the same."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice

import numpy as np
from PIL import Image

from rebind.data import Source
from rebind.data.broken import BrokenImageError
from rebind.data.images import decode_image

SIDE = 160  # pixels of the longer side of a thumbnail
NEAR_BITS = 4  # of 64, in which the outlines of near duplicates may differ
NEAR_COLOUR = 12  # of 255, by which their mean colours may differ
MOST_COMPARED = 20_000  # pictures that are compared with each other; the work grows with the square
_AT_ONCE = 1024


@dataclass(frozen=True)
class Look:
    """One picture.

    Attributes:
        row: of the sample.
        reason: why it cannot be decoded; empty when it can, and only then what follows is meant.
        width, height: in pixels, upright.
        size: of the encoded picture, in bytes.
        content: digest of the encoded picture.
        outline: 64 bits, whether it grows brighter to the right in each of 8 x 8 places (difference hash).
        colour: its mean red, green and blue, 0 to 255.
        thumbnail: data URI of a small JPEG; empty unless asked for.
    """

    row: int
    reason: str = ""
    width: int = 0
    height: int = 0
    size: int = 0
    content: bytes = b""
    outline: int = 0
    colour: tuple[int, int, int] = (0, 0, 0)
    thumbnail: str = ""


def look_at(source: Source, rows: Iterable[int], thumbnails: frozenset[int] = frozenset()) -> Iterator[Look]:
    """Decode the pictures of some rows, on all cores, and yield what was seen, in order.

    Args:
        source: the samples.
        rows: of the samples.
        thumbnails: rows of which a thumbnail is wanted.
    """

    def look(row: int) -> Look:
        try:
            image = source.image(row)
            picture = decode_image(image)
        except BrokenImageError as error:
            return Look(row, str(error))
        data = image if isinstance(image, bytes) else image.read_bytes()
        small = np.asarray(picture.convert("L").resize((9, 8), Image.Resampling.BOX)).astype(int)
        bits = np.packbits(small[:, 1:] > small[:, :-1])
        red, green, blue = picture.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))  # type: ignore[misc]
        thumbnail = _data_uri(picture) if row in thumbnails else ""
        content, outline = blake2b(data, digest_size=16).digest(), int.from_bytes(bits.tobytes(), "big")
        return Look(row, "", *picture.size, len(data), content, outline, (red, green, blue), thumbnail)

    rest = iter(rows)
    with ThreadPoolExecutor(os.cpu_count()) as threads:  # decoding leaves Python's lock free
        while block := list(islice(rest, _AT_ONCE)):
            yield from threads.map(look, block)


def same_pictures(looks: Sequence[Look]) -> list[list[int]]:
    """Groups of rows whose encoded pictures are equal to the byte, the largest first."""
    groups: dict[bytes, list[int]] = {}
    for look in looks:
        groups.setdefault(look.content, []).append(look.row)
    return sorted((rows for rows in groups.values() if len(rows) > 1), key=len, reverse=True)


def near_pictures(looks: Sequence[Look]) -> list[list[int]]:
    """Groups of rows whose pictures look alike though their bytes differ, the largest first.

    Two look alike when their outlines differ in at most 4 of 64 bits, and their mean colours by at most 12 of 255; one
    of each set of equal pictures is compared. At most 20,000 are.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    first = list({look.content: look for look in reversed(looks)}.values())[::-1][:MOST_COMPARED]
    if not first:
        return []
    words = np.array([look.outline for look in first], dtype=">u8")
    signs = np.unpackbits(words.view(np.uint8).reshape(-1, 8), axis=1).astype(np.float32) * 2 - 1  # (n, 64)
    colours = np.array([look.colour for look in first], dtype=np.int16)
    pairs = []
    for start in range(0, len(first), _AT_ONCE):
        block = slice(start, start + _AT_ONCE)
        near = signs[block] @ signs.T >= 64 - 2 * NEAR_BITS
        left, right = np.nonzero(near)
        left += start
        alike = (left < right) & (np.abs(colours[left] - colours[right]).max(axis=1, initial=0) <= NEAR_COLOUR)
        pairs.append(np.stack([left[alike], right[alike]]))
    left, right = np.concatenate(pairs, axis=1)
    graph = coo_array((np.ones(len(left), dtype=bool), (left, right)), shape=(len(first), len(first)))
    groups: dict[int, list[int]] = {}
    for look, label in zip(first, connected_components(graph, directed=False)[1].tolist(), strict=True):
        groups.setdefault(label, []).append(look.row)
    return sorted((rows for rows in groups.values() if len(rows) > 1), key=len, reverse=True)


def _data_uri(picture: Image.Image) -> str:
    small = picture.copy()
    small.thumbnail((SIDE, SIDE))
    file = io.BytesIO()
    small.save(file, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")
