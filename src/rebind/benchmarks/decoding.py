"""Pictures read, decoded and preprocessed by a pool of threads, ahead of the model; each file once."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rebind.benchmarks.contract import AsStored, Crop, Picture
from rebind.benchmarks.embedding_cache import EmbeddingCache, content_digest, file_state, picture_key
from rebind.types import BrokenSample

if TYPE_CHECKING:
    from rebind.models import Encoder

Box = tuple[int, int, int, int]
PICTURES_A_TASK = 8  # few, so that the first batch is soon there and little is decoded at a time


@dataclass
class Prepared:
    """What became of some pictures, by their place in the list.

    Attributes:
        places: those that are to be embedded, in the order of ``inputs``.
        inputs: of the image tower.
        keys: of ``places``, to keep the embeddings by; empty where they are not to be kept.
        known: embeddings that were kept.
        broken: those that cannot be read.
        files: path, digest and earlier state of files that were read, to be remembered.
    """

    places: list[int] = field(default_factory=list)
    inputs: dict[str, Any] = field(default_factory=dict)
    keys: list[bytes] = field(default_factory=list)
    known: dict[int, np.ndarray] = field(default_factory=dict)
    broken: dict[int, BrokenSample] = field(default_factory=dict)
    files: list[tuple[Path, bytes, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class _Source:
    """One file or encoded picture, how it is decoded, and what is wanted of it: the whole (None) or rectangles."""

    encoded: Path | bytes
    as_stored: bool
    wanted: list[tuple[int, Box | None]]  # by their places


def prepared_pictures(
    encoder: Encoder, pictures: Sequence[Picture], cache: EmbeddingCache | None
) -> Iterator[Prepared]:
    """Prepare distinct pictures for the encoder, a few at a time and a little ahead of the consumer.

    What the cache holds of files that have not changed comes first, without a file being opened.
    """
    first = Prepared()
    wanted: dict[tuple[Path | bytes, bool], list[tuple[int, Box | None]]] = {}
    for place, picture in enumerate(pictures):
        if isinstance(picture, BrokenSample):
            first.broken[place] = picture
        else:
            encoded, box = source_of(picture)
            wanted.setdefault((encoded, isinstance(picture, AsStored)), []).append((place, box))
    sources = [_without_known(_Source(*how, places), cache, first) for how, places in wanted.items()]
    yield first
    tasks = list(_tasks([source for source in sources if source.wanted]))
    yield from _ahead(lambda task: _prepare(encoder, task, cache), tasks)


def source_of(picture: Path | bytes | Crop | AsStored) -> tuple[Path | bytes, Box | None]:
    """The file or encoded picture, and the rectangle of it or None."""
    picture = picture.picture if isinstance(picture, AsStored) else picture
    return (picture.path, picture.box) if isinstance(picture, Crop) else (picture, None)


def name_of(picture: Picture, place: int) -> str:
    """What to call a picture in an error."""
    if isinstance(picture, BrokenSample):
        return picture.key
    encoded, _ = source_of(picture)
    return str(encoded) if isinstance(encoded, Path) else f"picture {place}"


def _without_known(source: _Source, cache: EmbeddingCache | None, into: Prepared) -> _Source:
    """Take out what the cache has of a file that it remembers."""
    if cache is None or isinstance(source.encoded, bytes):
        return source
    digest = cache.digest_of_file(source.encoded)
    return source if digest is None else _take_known(source, digest, cache, into)


def _take_known(source: _Source, digest: bytes, cache: EmbeddingCache, into: Prepared) -> _Source:
    rest = []
    for place, box in source.wanted:
        row = cache.images.get(picture_key(digest, box, source.as_stored))
        if row is None:
            rest.append((place, box))
        else:
            into.known[place] = row
    return _Source(source.encoded, source.as_stored, rest)


def _tasks(sources: Iterable[_Source]) -> Iterator[list[_Source]]:
    """Sources put together until they have enough pictures."""
    task: list[_Source] = []
    for source in sources:
        task.append(source)
        if sum(len(each.wanted) for each in task) >= PICTURES_A_TASK:
            yield task
            task = []
    if task:
        yield task


def _prepare(encoder: Encoder, task: list[_Source], cache: EmbeddingCache | None) -> Prepared:
    from rebind.data.broken import BrokenImageError
    from rebind.data.images import MAX_PIXELS, decode_image

    done, pictures = Prepared(), []
    for source in task:
        encoded, digest = source.encoded, b""
        if cache is not None:
            encoded, digest = _read(source.encoded, done)
            source = _take_known(source, digest, cache, done)
            if not source.wanted:
                continue
        try:
            picture = decode_image(encoded, as_stored=source.as_stored)
        except BrokenImageError as error:
            done.broken |= {
                place: BrokenSample(name_of(source.encoded, place), str(error)) for place, _ in source.wanted
            }
            continue
        for place, box in source.wanted:
            if box is not None and (box[2] - box[0]) * (box[3] - box[1]) > MAX_PIXELS:
                reason = f"the rectangle {box} has more than the {MAX_PIXELS} pixels allowed"
                done.broken[place] = BrokenSample(name_of(source.encoded, place), reason)
                continue
            pictures.append(picture if box is None else picture.crop(box))
            done.places.append(place)
            done.keys.append(picture_key(digest, box, source.as_stored) if digest else b"")
    done.inputs = encoder.images(pictures) if pictures else {}
    return done


def _read(encoded: Path | bytes, done: Prepared) -> tuple[Path | bytes, bytes]:
    """The encoded picture and its digest; of a file that cannot be read, its path and nothing."""
    if isinstance(encoded, bytes):
        return encoded, content_digest(encoded)
    state = file_state(encoded)
    if state is None:
        return encoded, b""
    try:
        content = encoded.read_bytes()
    except OSError:  # decoding it will find the same and say it
        return encoded, b""
    digest = content_digest(content)
    done.files.append((encoded, digest, state))
    return content, digest


def _ahead(prepare: Callable, tasks: Sequence) -> Iterator:
    """Yield ``prepare(task)`` in order, a few tasks ahead of the consumer so that memory stays bounded."""
    workers = min(8, os.cpu_count() or 1)
    with ThreadPoolExecutor(workers) as pool:
        pending: deque[Future] = deque()
        for task in tasks:
            pending.append(pool.submit(prepare, task))
            if len(pending) > 4 * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
