"""Neighbours of every sample of a source: the samples that a model takes for the most alike."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import track

from rebind import __version__
from rebind.data import Source, open_source
from rebind.data.annotation_files import write_annotation
from rebind.data.broken import BrokenTally
from rebind.types import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from rebind.models import DualEncoder

_AT_ONCE = {"image": 128, "text": 512}


@dataclass(frozen=True)
class NeighbourSummary:
    """What was written: the file, how many samples have neighbours in it, and the samples left out, with the reason.

    ``broken`` counts those whose image cannot be read; ``named`` has the first of them as ``{"key", "reason"}``.
    """

    file: Path
    samples: int
    broken: int
    named: list[dict[str, str]]


def annotate_neighbours(data: str | Path, model: str, count: int = 8, by: str = "image") -> NeighbourSummary:
    """Find the samples that a model takes for the most alike, and write the annotation ``neighbours``.

    Args:
        data: anything that ``rebind.data.open_source`` opens.
        model: folder or hub name of a checkpoint.
        count: neighbours of each sample, at most; see :func:`rebind.negatives.neighbours.nearest`.
        by: what to compare: "image", or "text" for the original captions.

    Raises:
        UserError: when the source or model cannot be opened, more than a tenth of the images is broken, an embedding is
            not finite, or the annotation cannot be written.
    """
    import torch

    from rebind.models import DualEncoder
    from rebind.negatives.neighbours import nearest

    if by not in _AT_ONCE:
        raise UserError(f"samples cannot be compared by {by!r}; give image or text")
    source = open_source(data)
    tally = BrokenTally(source=source)
    encoder = DualEncoder.from_pretrained(model).eval().to("cuda" if torch.cuda.is_available() else "cpu")
    embeddings = torch.empty(len(source), encoder.width, device=encoder.device)
    whole: list[int] = []
    embed = _embed_images(encoder, source, tally) if by == "image" else _embed_captions(encoder, source)
    blocks = math.ceil(len(source) / _AT_ONCE[by])
    screen = Console(stderr=True)
    with torch.inference_mode():
        for rows, found in track(
            embed, f"embedding {by}s", blocks, console=screen, transient=True, disable=not screen.is_terminal
        ):
            embeddings[len(whole) : len(whole) + len(rows)] = found
            whole += rows
    tally.check(final=True)
    try:
        near = nearest(embeddings[: len(whole)], count)
    except ValueError as error:
        raise UserError(f"{model} cannot compare the samples of {data}: {error}; use another checkpoint") from None
    lines = (
        (source.keys[row], [source.keys[whole[other]] for other in others if other >= 0])
        for row, others in zip(whole, near, strict=True)
    )
    made_by = {"model": str(model), "by": by, "neighbours": count, "rebind": __version__}
    file = write_annotation(source, "neighbours", lines, made_by)
    counted = tally.summary()
    return NeighbourSummary(file, len(whole), counted["distinct"], counted["samples"])


def _embed_captions(encoder: DualEncoder, source: Source) -> Iterator[tuple[list[int], Tensor]]:
    """Rows of the source, block by block, with the embeddings of their original captions."""
    for start in range(0, len(source), _AT_ONCE["text"]):
        rows = list(range(start, min(start + _AT_ONCE["text"], len(source))))
        yield rows, encoder.encode_text(encoder.texts([source.captions(row)[0] for row in rows]))


def _embed_images(encoder: DualEncoder, source: Source, tally: BrokenTally) -> Iterator[tuple[list[int], Tensor]]:
    """Rows of the source, block by block, with the embeddings of their images; broken ones are counted instead."""
    from torch.utils.data import DataLoader

    from rebind.data.collation import Collator
    from rebind.data.dataset import CaptionedImages

    loader: DataLoader[Any] = DataLoader(
        CaptionedImages(source, encoder.images, captions="original"),
        batch_size=_AT_ONCE["image"],
        sampler=((row, 0) for row in range(len(source))),
        num_workers=min(8, os.cpu_count() or 1, len(source) // 1000),  # for a few images, not worth starting
        collate_fn=Collator(encoder.texts),
    )
    start = 0
    for batch in loader:
        tally.add(batch)
        tally.check()
        broken = {sample.key for sample in batch.broken}
        rows = range(start, start + len(batch.keys) + len(broken))
        start = rows.stop
        if batch.keys:
            whole = [row for row in rows if source.keys[row] not in broken]
            yield whole, encoder.encode_image(batch.images)[0]
