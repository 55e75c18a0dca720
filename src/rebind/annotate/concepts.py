"""Concepts of a whole source, or of a file of captions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rebind.annotate.blocks import SourceBlocks, require_no_file
from rebind.annotate.captions_file import CaptionsFileBlocks, require_other_file
from rebind.annotate.language_model import one_process_asks, with_answers_kept
from rebind.concepts import ConceptReport, ConceptStage
from rebind.concepts.frequency import FrequentStage
from rebind.data import open_source
from rebind.engine import CANDIDATES, Blocks, PartBlocks, Parts, Workforce, join_parts, run_stage
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
        min_frequency: leave out concepts of fewer images; an image that is left without any has none. All of them
            then lie in the folder ``candidates`` of the annotation.
        workforce: who does the work; one process when None and a language model is asked, which answers many at once.
        options: of :class:`rebind.concepts.ConceptOptions` and of the backend.

    Raises:
        UserError: when the source cannot be opened, or the annotation was made otherwise or cannot be written.
    """
    source = open_source(data)
    require_no_file(source, "concepts")
    stage = _stage(backend, options, source.annotations)
    folder = source.annotations / "concepts"
    blocks = SourceBlocks(source, stage.part_size)
    return _extract(stage, blocks, folder, min_frequency, one_process_asks(backend, workforce))


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
    require_other_file(captions, out)
    stage = _stage(backend, options, out.parent)
    parts = Parts(out.with_name(f"{out.name}.parts"), "jsonl")
    blocks = CaptionsFileBlocks.of(captions, stage.part_size)
    summary = _extract(stage, blocks, parts.folder, min_frequency, one_process_asks(backend, workforce))
    join_parts(parts, out)
    return ConceptSummary(out, summary.report)


def _stage(backend: str, options: dict[str, Any], folder: Path) -> ConceptStage:
    return ConceptStage(backend, with_answers_kept(options, folder) if backend == "llm" else options)


def _extract(
    stage: ConceptStage, blocks: Blocks, folder: Path, min_frequency: int, workforce: Workforce
) -> ConceptSummary:
    if min_frequency < 1:
        raise UserError(f"the option min_frequency is {min_frequency}; it must be a whole number from 1 on")
    if min_frequency == 1:
        tally = run_stage(stage, blocks, folder, workforce)["tally"]
        return ConceptSummary(folder, _report(folder, tally))
    every = folder / CANDIDATES  # frequencies are known when every caption was read
    frequent = FrequentStage(stage.settings, {}, min_frequency, stage.part_size)
    # The whole folder is claimed first: other settings are refused before any work is done.
    with Parts(folder, "jsonl").opened({**frequent.settings, "part_size": frequent.part_size}):
        tally = run_stage(stage, blocks, every, workforce)["tally"]
    frequent = replace(frequent, counts=_report(every, tally).counts)
    run_stage(frequent, PartBlocks.of(every), folder, workforce)
    return ConceptSummary(folder, _report(folder, tally))


def _report(folder: Path, tally: dict[str, int]) -> ConceptReport:
    lists = (row["concepts"] for part in PartBlocks.of(folder) for row in part)
    return ConceptReport.of(lists, tally["captions"], tally["without_noun_phrase"])
