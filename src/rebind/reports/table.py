"""The table of the report: one row per score, one column per arm; for HTML, a terminal and Markdown alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from rebind.reports.arms import (
    CLASSIFICATION,
    COMPOSITION,
    RETRIEVAL,
    Arm,
    Measure,
    ScoreKey,
    composition_measure,
    is_foil_score,
    listed,
    name_of,
    read_arms,
    score_keys,
    subject_of,
)
from rebind.reports.families import FamilySplit, family_split
from rebind.reports.published import print_published
from rebind.reports.statistics import Estimate
from rebind.types import COVERAGE

GROUPS = tuple(subject.capitalize() for subject in (COMPOSITION, RETRIEVAL, CLASSIFICATION, COVERAGE))


@dataclass(frozen=True)
class Row:
    """One score across the arms.

    Attributes:
        group: one of GROUPS, with the benchmark's name when there are several benchmarks.
        name: what the score is called.
        chance: what guessing gives, where that is known.
        blind: the least and the most that any run gives when it sees the mean image for every image.
        cells: one estimate per arm; None where the arm holds no such score.
    """

    group: str
    name: str
    chance: float | None
    blind: tuple[float, float] | None
    cells: tuple[Estimate | None, ...]

    @property
    def best(self) -> float:
        """The largest mean of the row."""
        return max(cell.value for cell in self.cells if cell is not None)

    @property
    def n(self) -> str:
        """Items per seed; a range when arms differ."""
        sizes = sorted({cell.n for cell in self.cells if cell is not None})
        return f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,}–{sizes[-1]:,}"


@dataclass(frozen=True)
class SummaryTable:
    """The arms as columns and the scores as rows."""

    arms: tuple[Arm, ...]
    rows: tuple[Row, ...]
    split: FamilySplit | None = None

    @property
    def note(self) -> str:
        """What the intervals are, and which families of foils were seen."""
        return " ".join([self._intervals, *([self.split.note] if self.split else [])])

    @property
    def warnings(self) -> list[str]:
        """What the evaluations noted, such as images that are missing, each once and with the arms that it is of."""
        noted: dict[str, dict[str, None]] = {}
        for arm in self.arms:
            for note in (note for run in arm.runs for note in run.results.notes):
                noted.setdefault(note, {})[arm.label] = None
        return [f"{listed(list(labels))}: {note}" for note, labels in noted.items()]

    @property
    def _intervals(self) -> str:
        kinds = {cell.over_seeds for row in self.rows for cell in row.cells if cell is not None}
        over_seeds = "Student's t over seeds"
        bootstrap = "the bootstrap over test items of its single seed"
        if kinds == {True}:
            return f"Per cent, mean over seeds; intervals: 95 %, {over_seeds}."
        if kinds == {False}:
            return f"Per cent, one seed per arm; intervals: 95 %, {bootstrap}."
        return f"Per cent, mean over seeds; intervals: 95 %, {over_seeds}; for an arm with one seed, {bootstrap}."


def summary_table(runs: Sequence[Path]) -> SummaryTable:
    """Gather run folders into the table.

    Raises:
        UserError: when a run folder cannot be read.
    """
    return tabulate(read_arms(runs))


def tabulate(arms: Sequence[Arm]) -> SummaryTable:
    """The table of arms read already; rows in the order composition, retrieval, recognition."""
    keys = score_keys(arms)
    several = len({key[0] for key in keys}) > 1
    rows = []
    composition = composition_measure(arms)
    if composition and len(composition.keys) > 1:
        name = "swaps, both" if composition.name == "swaps" else composition.name
        rows.append(_row(arms, composition, _group(composition.keys[0], several), name))
    if split := family_split(arms):
        for measure in split.measures:
            row = _row(arms, measure, _group(measure.keys[0], several), f"{measure.name}, mean")
            rows.append(replace(row, cells=tuple(split.of(measure, arm) for arm in arms)))
    rows += [_row(arms, Measure(name_of(key), (key,)), _group(key, several), name_of(key)) for key in keys]
    order = list(dict.fromkeys(row.group for row in rows))
    rows.sort(key=lambda row: (GROUPS.index(row.group.split(" · ")[0]), order.index(row.group)))
    return SummaryTable(tuple(arms), tuple(rows), split)


def _row(arms: Sequence[Arm], measure: Measure, group: str, name: str) -> Row:
    held = [[of_run[key] for key in measure.keys if key in of_run] for arm in arms for of_run in arm.scores.values()]
    whole = [scores for scores in held if len(scores) == len(measure.keys)]
    guesses = _means([[score.chance for score in scores] for scores in whole])
    blind = _means([[score.blind for score in scores] for scores in whole])
    chance = 0.5 if all(is_foil_score(key) for key in measure.keys) else min(guesses, default=None)
    seen = (min(blind), max(blind)) if blind else None
    return Row(group, name, chance, seen, tuple(measure.of(arm) for arm in arms))


def _means(rows: Sequence[Sequence[float | None]]) -> list[float]:
    """The mean of each row in which every number is known."""
    known = [[value for value in row if value is not None] for row in rows]
    return [sum(values) / len(values) for values, row in zip(known, rows, strict=True) if len(values) == len(row) > 0]


def _group(key: ScoreKey, several: bool) -> str:
    group = subject_of(key).capitalize()
    return f"{group} · {key[0]}" if several else group


def _headings(rows: Sequence[Row]) -> list[str]:
    """For each row the group that begins with it, where it takes the group to tell rows apart; else nothing."""
    several = any(" · " in row.group for row in rows)
    before = [None, *(row.group for row in rows)]
    return [row.group if several and row.group != last else "" for row, last in zip(rows, before, strict=False)]


def percent(value: float) -> str:
    """A share as per cent with one decimal, without the sign: ``0.9412`` → ``94.1``."""
    return f"{100 * value:.1f}"


def plus_minus(cell: Estimate | None) -> str:
    """Mean and half the interval's width in per cent: ``94.1±0.6``; a full score is ``100``, to stay as narrow."""
    return (
        "–" if cell is None else f"{percent(cell.value).replace('100.0', '100')}±{percent((cell.high - cell.low) / 2)}"
    )


def footnote(table: SummaryTable) -> str:
    """The note with what plain text has no room to show in the cells: seeds, chance and ties."""
    counts = {len(arm.scores) for arm in table.arms}
    seeds = ", ".join(f"{arm.label} {len(arm.scores)}" for arm in table.arms)
    parts = [table.note, "± is half the interval.", f"Seeds: {counts.pop() if len(counts) == 1 else seeds}."]
    if any(row.chance == 0.5 for row in table.rows):
        parts.append("Guessing gives 50 on foils.")
    ties = max((cell.ties for row in table.rows for cell in row.cells if cell is not None), default=0)
    parts.append(f"At most {ties} ties in a cell." if ties else "No ties.")
    return " ".join(parts)


def print_table(runs: Sequence[Path], console: Console | None = None) -> None:
    """Print the table to the terminal, in several blocks of arms where it is too wide for one; six fit into 80 columns.

    What others have published of the same measures follows.

    Raises:
        UserError: when a run folder cannot be read.
    """
    table = summary_table(runs)
    console = console or Console()
    for first, arms in enumerate(_blocks(table, console.width)):
        if first:
            console.print()
        console.print(_block(table, arms))
    console.print(Text(f"\n{footnote(table)}", style="dim"))
    for warning in table.warnings:
        console.print(Text(warning, style="yellow"))
    print_published(table.arms, console)


def _blocks(table: SummaryTable, width: int) -> list[range]:
    """Which arms stand side by side: as few blocks as fit, about as wide as each other."""
    cells = [len(plus_minus(cell)) for row in table.rows for cell in row.cells]
    names = max((len(name) for name in (*_headings(table.rows), *(row.name for row in table.rows))), default=0)
    room = width - names - max((len(row.n) + 1 for row in table.rows), default=0)
    most = max(1, room // (1 + max(cells, default=8)))
    blocks = math.ceil(len(table.arms) / most)
    ends = [round(len(table.arms) * block / blocks) for block in range(blocks + 1)]
    return [range(start, end) for start, end in pairwise(ends)]


def _block(table: SummaryTable, arms: range) -> RichTable:
    rich = RichTable(box=box.SIMPLE_HEAD, padding=0, pad_edge=False, show_edge=False, header_style="bold")
    rich.add_column("per cent", no_wrap=True)
    for arm in arms:
        rich.add_column(Text(table.arms[arm].label), justify="right", overflow="fold")
    rich.add_column("n", justify="right")
    several = zip(table.rows, (*table.rows[1:], None), _headings(table.rows), strict=True)
    for row, following, heading in several:
        if heading:
            rich.add_row(Text(heading, "bold"))
        shown = [row.cells[arm] for arm in arms]
        best = [cell is not None and cell.value == row.best for cell in shown]
        cells = [Text(plus_minus(cell), "bold" if top else "") for cell, top in zip(shown, best, strict=True)]
        rich.add_row(Text(row.name), *cells, row.n, end_section=following is None or following.group != row.group)
    return rich


def markdown_table(runs: Sequence[Path]) -> str:
    """The table as GitHub Markdown, with the note under it.

    Raises:
        UserError: when a run folder cannot be read.
    """
    table = summary_table(runs)
    lines = [["per cent", *(arm.label for arm in table.arms), "n"], ["---"] + ["---:"] * (len(table.arms) + 1)]
    for row, heading in zip(table.rows, _headings(table.rows), strict=True):
        lines += [[f"**{heading}**", *[""] * (len(table.arms) + 1)]] if heading else []
        lines.append([row.name, *(plus_minus(cell).replace("±", " ± ") for cell in row.cells), row.n])
    rows = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
    return "\n\n".join([rows, footnote(table), *table.warnings]) + "\n"
