"""Neighbours of every sample of a source: the samples that a model takes for the most alike."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rebind import __version__
from rebind.annotate.embeddings import embed_in_parts
from rebind.data import open_source
from rebind.data.annotation_files import write_annotation
from rebind.data.broken import BrokenTally
from rebind.engine import Workforce
from rebind.types import UserError


@dataclass(frozen=True)
class NeighbourSummary:
    """What was written: the file, how many samples have neighbours in it, and the samples left out, with the reason.

    ``broken`` counts those whose image cannot be read; ``named`` has the first of them as ``{"key", "reason"}``.
    ``made_by`` says how neighbours were found, and by an index with what recall.
    """

    file: Path
    samples: int
    broken: int
    named: list[dict[str, str]]
    made_by: dict[str, Any]


def annotate_neighbours(
    data: str | Path, model: str, by: str = "image", workforce: Workforce | None = None, **mining: Any
) -> NeighbourSummary:
    """Find the samples that a model takes for the most alike, and write the annotation ``neighbours``.

    Samples of equal captions are no neighbours of each other. A run that was killed continues: embeddings lie beside
    the annotation until it is written.

    Args:
        data: anything that ``rebind.data.open_source`` opens.
        model: folder or hub name of a checkpoint.
        by: what to compare: "image", or "text" for the original captions.
        workforce: who embeds; one worker for each GPU, or one, when None.
        mining: settings of :class:`rebind.negatives.mining.Mining`.

    Raises:
        UserError: when the source or model cannot be opened, more than a tenth of the images is broken, an embedding is
            not finite, a setting makes no sense, or the annotation cannot be written.
    """
    from rebind.negatives.mining import Mining, mine, on_gpu_if_it_fits

    how = Mining(**mining)
    source = open_source(data)
    tally = BrokenTally(source=source)
    embedded = embed_in_parts(source, model, by, workforce)
    reasons = {sample.key: sample.reason for sample in embedded.broken}
    tally.load_state_dict({"seen": len(source), "broken": len(reasons), "reasons": reasons})
    try:
        tally.check(final=True)
    except UserError:
        shutil.rmtree(embedded.folder)  # so that mended images are looked at
        raise
    captions = [source.captions(row)[0].casefold() for row in embedded.rows]
    groups = np.unique(captions, return_inverse=True)[1]
    try:
        mined = mine(on_gpu_if_it_fits(embedded.vectors), how, groups)
    except ValueError as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{model} cannot compare the samples of {data}: {error}; use another checkpoint") from None
    keys = [source.keys[row] for row in embedded.rows]
    lines = (
        (key, [keys[other] for other in others if other >= 0]) for key, others in zip(keys, mined.rows, strict=True)
    )
    made_by = {"model": str(model), "by": by, "neighbours": how.count, **mined.made_by, "rebind": __version__}
    file = write_annotation(source, "neighbours", lines, made_by)
    shutil.rmtree(embedded.folder)
    counted = tally.summary()
    return NeighbourSummary(file, len(keys), counted["distinct"], counted["samples"], mined.made_by)
