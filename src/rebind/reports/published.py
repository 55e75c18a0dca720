"""Published numbers beside the measured ones: for the eye to compare, never part of an average."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.table import Table as RichTable
from rich.text import Text

from rebind.reference import Reference, references
from rebind.reports.arms import Arm, Measure, score_keys
from rebind.reports.statistics import Estimate


@dataclass(frozen=True)
class Published:
    """A number of somebody else's: a share between 0 and 1, the model's name and where it stands."""

    value: float
    reference: Reference


@dataclass(frozen=True)
class PublishedRow:
    """One measure as the arms have it and as others have published it.

    Attributes:
        benchmark: its name.
        name: what the sources call the measure.
        cells: one estimate per arm; None where the arm lacks it.
        published: others' numbers, ascending.
    """

    benchmark: str
    name: str
    cells: tuple[Estimate | None, ...]
    published: tuple[Published, ...]


def published_rows(arms: Sequence[Arm]) -> list[PublishedRow]:
    """The measures that some arm and some published number share, in the order of the reference table."""
    keys = score_keys(arms)
    found: dict[tuple[str, str], tuple[Measure, list[Published]]] = {}
    for reference in references().values():
        for number in reference.numbers:
            wanted = number.keys(reference.benchmark, keys)
            if wanted:
                row = found.setdefault((reference.benchmark, number.name), (Measure(number.name, wanted), []))
                row[1].append(Published(number.value / 100, reference))
    rows = [
        PublishedRow(
            benchmark,
            name,
            tuple(measure.of(arm) for arm in arms),
            tuple(sorted(others, key=lambda each: each.value)),
        )
        for (benchmark, name), (measure, others) in found.items()
    ]
    return [row for row in rows if any(row.cells)]


def sources(rows: Sequence[PublishedRow]) -> list[str]:
    """Where the published numbers of the rows stand, each source once."""
    return list(dict.fromkeys(each.reference.source for row in rows for each in row.published))


def published_table(arms: Sequence[Arm], rows: Sequence[PublishedRow]) -> RichTable:
    """The rows for the terminal, the published numbers dimmed."""
    table = RichTable(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, show_edge=False, header_style="bold")
    table.add_column("per cent", no_wrap=True)
    for arm in arms:
        table.add_column(Text(arm.label), justify="right")
    table.add_column("published")
    for row in rows:
        cells = ["–" if cell is None else f"{100 * cell.value:.1f}" for cell in row.cells]
        others = ", ".join(f"{each.reference.model} {100 * each.value:.1f}" for each in row.published)
        table.add_row(Text(f"{row.benchmark} · {row.name}"), *cells, Text(others, style="dim"))
    return table
