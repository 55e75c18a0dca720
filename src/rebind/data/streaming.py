"""Samples one after the other, from any source, with or without random access."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from rebind.data.broken import BrokenImageError
from rebind.data.opening import SOURCE_FILES, open_source
from rebind.data.source import Source
from rebind.types import BrokenSample, Sample


def stream_samples(path: str | Path) -> Iterator[Sample | BrokenSample]:
    """Read the samples of anything that is a source, also of a dataset that can only be streamed.

    Args:
        path: as for :func:`rebind.data.open_source`, or a source file with ``streaming: true``.

    Yields:
        The samples in order, with their images, and in place of those that cannot be had what is wrong with them.

    Raises:
        UserError: as :func:`rebind.data.open_source`.
    """
    path = Path(path)
    return open_stream(path) if is_stream(path) else samples_at(source := open_source(path), range(len(source)))


def is_stream(path: Path) -> bool:
    """Whether a source can only be read from its beginning to its end."""
    if path.suffix not in SOURCE_FILES or not path.is_file():
        return False
    from rebind.data.source_files import describes_stream

    return describes_stream(path)


def open_stream(path: Path, start: int = 0) -> Iterator[Sample | BrokenSample]:
    """The samples from number ``start`` of a source that can only be streamed."""
    from rebind.data.source_files import stream_source_file

    return stream_source_file(path, start)


def samples_at(source: Source, rows: Iterable[int]) -> Iterator[Sample | BrokenSample]:
    """The samples of some rows; a negative's picture that cannot be had is empty bytes, which nothing decodes."""
    for row in rows:
        try:
            image = source.image(row)
        except BrokenImageError as error:
            yield BrokenSample(source.keys[row], str(error))
            continue
        negatives = tuple(
            replace(negative, image=_picture(source, row, number))
            for number, negative in enumerate(source.negatives(row, with_images=False))
        )
        yield Sample(source.keys[row], source.captions(row), image, source.concepts(row), negatives)


def _picture(source: Source, row: int, number: int) -> Path | bytes | None:
    try:
        return source.negative_image(row, number)
    except BrokenImageError:
        return b""
