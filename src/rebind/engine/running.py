"""Running a stage over its input: what is up to date stays, the rest is made, and the report comes last."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from rebind.engine.engines import PartMaker, make_parts
from rebind.engine.parts import Parts
from rebind.engine.stage import Blocks, Stage, corpus_of


@dataclass(frozen=True)
class Workforce:
    """Who does the work.

    Attributes:
        engine: ``local`` for processes of this machine, ``ray`` for Ray Data.
        jobs: how many workers; one for each processor core when None.
        address: of a Ray cluster; a local one is started when None.
    """

    engine: str = "local"
    jobs: int | None = None
    address: str | None = None

    @property
    def workers(self) -> int:
        """The number of workers."""
        usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
        return self.jobs or len(usable)


def run_stage(
    stage: Stage, blocks: Blocks, folder: Path, workforce: Workforce | None = None, extension: str = "jsonl"
) -> dict[str, Any]:
    """Bring the parts of an annotation up to date.

    Parts that were made of the same items (and with the same corpus in mind, see :class:`Stage`) stay as they are, so
    that a run that was killed continues, and one whose input changed makes anew what is behind the change.

    Args:
        stage: what to do.
        blocks: what to do it to.
        folder: where the parts go.
        workforce: who does it; every core of this machine when None.
        extension: ``jsonl``, or ``tar`` for rows that hold pictures.

    Returns:
        The report: ``parts``, ``rows``, and ``tally``, the sums of what the stage counted.

    Raises:
        UserError: when the folder holds something made with other settings, or another process writes there; what the
            engine and the stage raise. Parts that are done stay.
    """
    workforce = workforce or Workforce()
    parts = Parts(folder, extension)
    with parts.opened({**stage.settings, "part_size": stage.part_size}):
        count, corpus = len(blocks), corpus_of(stage)
        todo = [number for number in range(count) if not parts.is_current(number, blocks[number], corpus)]
        if todo:
            parts.begin()
        done = blocks.items - sum(len(blocks[number]) for number in todo)
        with _progress(stage.name, blocks.items, done) as advance:
            maker = PartMaker(stage, blocks, parts)
            for items in make_parts(maker, todo, workforce.engine, workforce.workers, workforce.address):
                advance(items)
        return parts.finish(count)


@contextmanager
def _progress(name: str, items: int, done: int) -> Iterator[Any]:
    screen = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task(name.replace("_", " "), total=items, completed=done)
        yield lambda count: bar.advance(task, count)
