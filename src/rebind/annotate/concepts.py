"""Concepts of a whole source, or of a file of captions."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rebind.annotate.blocks import SourceBlocks, require_no_file
from rebind.annotate.captions_file import CaptionsFileBlocks
from rebind.concepts import ConceptReport, ConceptStage
from rebind.concepts.frequency import FrequentStage
from rebind.data import open_source
from rebind.engine import Blocks, PartBlocks, Parts, Workforce, join_parts, run_stage
from rebind.types import UserError


@dataclass(frozen=True)
class ConceptSummary:
    """What was written: where, and what the corpus speaks of."""

    place: Path
    report: ConceptReport


def annotate_concepts(
    data: str | Path,
    backend: str = "textblob",
    min_frequency: int = 1,
    workforce: Workforce | None = None,
    **options: Any,
) -> ConceptSummary:
    """Extract the concepts of every sample, over all its captions, each concept once, into ``annotations/concepts``.

    Args:
        data: anything that ``rebind.data.open_source`` opens.
        backend: of the extraction.
        min_frequency: leave out concepts of fewer images; an image that is left without any has none.
        workforce: who does the work.
        options: of :class:`rebind.concepts.ConceptOptions` and of the backend.

    Raises:
        UserError: when the source cannot be opened, or the annotation was made otherwise or cannot be written.
    """
    source = open_source(data)
    require_no_file(source, "concepts")
    stage = ConceptStage(backend, options)
    folder = source.annotations / "concepts"
    blocks = SourceBlocks(source, stage.part_size)
    return _extract(stage, blocks, folder, min_frequency, workforce)


def extract_file(
    captions: Path,
    out: Path,
    backend: str = "textblob",
    min_frequency: int = 1,
    workforce: Workforce | None = None,
    **options: Any,
) -> ConceptSummary:
    """Write the concepts of every caption in a file, ``{"key", "caption"}`` a line, to ``{"key", "concepts"}``.

    The file is read block by block, so that its size does not matter. Until the last block is done, the parts lie
    beside ``out`` in ``<out>.parts``.

    Raises:
        UserError: as :func:`annotate_concepts`, and naming file, row and field of what is wrong in the captions.
    """
    stage = ConceptStage(backend, options)
    parts = Parts(out.with_name(f"{out.name}.parts"), "jsonl")
    blocks = CaptionsFileBlocks.of(captions, stage.part_size)
    summary = _extract(stage, blocks, parts.folder, min_frequency, workforce)
    join_parts(parts, out)
    return ConceptSummary(out, summary.report)


def _extract(
    stage: ConceptStage, blocks: Blocks, folder: Path, min_frequency: int, workforce: Workforce | None
) -> ConceptSummary:
    if min_frequency < 1:
        raise UserError(f"the option min_frequency is {min_frequency}; it must be a whole number from 1 on")
    if min_frequency == 1:
        tally = run_stage(stage, blocks, folder, workforce)["tally"]
        return ConceptSummary(folder, _report(folder, tally))
    every = folder.with_name(f"{folder.name}.all")  # frequencies are known when every caption was read
    tally = run_stage(stage, blocks, every, workforce)["tally"]
    counts = dict(_report(every, tally).counts)
    kept = FrequentStage(stage.settings, counts, min_frequency, stage.part_size)
    run_stage(kept, PartBlocks.of(every), folder, workforce)
    shutil.rmtree(every)
    return ConceptSummary(folder, _report(folder, tally))


def _report(folder: Path, tally: dict[str, int]) -> ConceptReport:
    lists = (row["concepts"] for part in PartBlocks.of(folder) for row in part)
    return ConceptReport.of(lists, tally["captions"], tally["without_noun_phrase"])
