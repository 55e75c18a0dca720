"""Published numbers beside the measured ones: for the eye to compare, never part of an average."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from rebind.reference import PublishedNumber, Reference, references
from rebind.reports.arms import Arm, Measure, ScoreKey, score_keys

ROOM = 10  # columns of a terminal that a measure takes, its name folded


@dataclass(frozen=True)
class Line:
    """One model: an arm, or somebody else's as it was published.

    Attributes:
        model: an arm of the report, or the reference that its numbers stand in.
        values: a share between 0 and 1 for each measure; None where an arm lacks it.
    """

    model: Arm | Reference
    values: tuple[float | None, ...]

    @property
    def measured(self) -> bool:
        """Whether it is an arm."""
        return isinstance(self.model, Arm)

    @property
    def name(self) -> str:
        """What to call the model."""
        return self.model.label if isinstance(self.model, Arm) else self.model.model


@dataclass(frozen=True)
class PublishedTable:
    """Measures of one benchmark that the same sources give: models as lines, the best first.

    Attributes:
        benchmark: its name.
        measures: with the names that the sources use.
        lines: the arms among the others.
    """

    benchmark: str
    measures: tuple[Measure, ...]
    lines: tuple[Line, ...]

    @property
    def wide(self) -> bool:
        """Whether it takes the whole width of a page, with nothing beside it."""
        return len(self.measures) > 3


def published_values(arms: Sequence[Arm]) -> dict[frozenset[ScoreKey], tuple[float, ...]]:
    """What others have published for the mean of the scores named by the key, where the arms hold these scores."""
    values: dict[frozenset[ScoreKey], tuple[float, ...]] = {}
    for _, number, keys in _shared(arms):
        values[frozenset(keys)] = (*values.get(frozenset(keys), ()), number.value / 100)
    return values


def published_tables(arms: Sequence[Arm]) -> list[PublishedTable]:
    """The measures that some arm and some published number share, in the order of the arms' benchmarks."""
    measures: dict[tuple[str, str], Measure] = {}
    found: dict[tuple[str, str], dict[str, float]] = {}
    for reference, number, keys in _shared(arms):
        name = (reference.benchmark, number.name)
        measures[name] = Measure(number.name, keys)
        found.setdefault(name, {})[reference.name] = number.value / 100
    groups: dict[tuple[str, frozenset[str]], list[tuple[str, str]]] = {}
    for name, values in found.items():
        if any(measures[name].of(arm) for arm in arms):
            groups.setdefault((name[0], frozenset(values)), []).append(name)
    tables = []
    for (benchmark, others), names in groups.items():
        own = tuple(measures[name] for name in names)
        lines = [Line(references()[other], tuple(found[name][other] for name in names)) for other in others]
        cells = [(arm, [measure.of(arm) for measure in own]) for arm in arms]
        lines += [Line(arm, tuple(None if it is None else it.value for it in row)) for arm, row in cells if any(row)]
        tables.append(PublishedTable(benchmark, own, tuple(sorted(lines, key=_rank))))
    order = list(dict.fromkeys(key[0] for key in score_keys(arms)))
    return sorted(tables, key=lambda table: order.index(table.benchmark))


def _shared(arms: Sequence[Arm]) -> Iterator[tuple[Reference, PublishedNumber, tuple[ScoreKey, ...]]]:
    """Each published number that is the mean of scores of which some arm holds each."""
    held = score_keys(arms)
    for reference in references().values():
        for number in reference.numbers:
            if keys := number.keys(reference.benchmark, held):
                yield reference, number, keys


def _rank(line: Line) -> tuple[bool, float, str]:
    known = [value for value in line.values if value is not None]
    return len(known) < len(line.values), -sum(known) / len(known), line.name


def sources(tables: Sequence[PublishedTable]) -> list[str]:
    """Where the published numbers of the tables stand, each source once."""
    models = (line.model for table in tables for line in table.lines)
    return list(dict.fromkeys(model.source for model in models if isinstance(model, Reference)))


def print_published(arms: Sequence[Arm], console: Console, benchmarks: Collection[str] | None = None) -> None:
    """Print the tables to the terminal, others' lines dimmed and with their source; nothing when there are none.

    Args:
        arms: with the measured scores.
        console: to print on.
        benchmarks: names to look at; all if not given.
    """
    tables = [each for each in published_tables(arms) if benchmarks is None or each.benchmark in benchmarks]
    if not tables:
        return
    known = sources(tables)
    console.print("\nBeside published numbers", style="bold")
    for table in tables:
        name = max(len(line.name) for line in table.lines) + 4
        most = max(1, (console.width - max(name, len(table.benchmark))) // ROOM)
        for first in range(0, len(table.measures), most):
            console.print(_rich(table, slice(first, first + most), known))
    said = "; ".join(f"[{number}] {source}" for number, source in enumerate(known, start=1))
    note = "Dimmed: not measured here; splits, averages and preprocessing may differ."
    console.print(Text(f"{note} {said}.", style="dim"))


def _rich(table: PublishedTable, shown: slice, known: Sequence[str]) -> RichTable:
    rich = RichTable(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, header_style="bold")
    rich.add_column(Text(table.benchmark), no_wrap=True)
    for measure in table.measures[shown]:
        rich.add_column(Text(measure.name), justify="right", max_width=ROOM - 1)
    for line in table.lines:
        source = f" [{known.index(line.model.source) + 1}]" if isinstance(line.model, Reference) else ""
        cells = ["–" if value is None else f"{100 * value:.1f}" for value in line.values[shown]]
        rich.add_row(Text(line.name + source), *cells, style="" if line.measured else "dim")
    rich.add_row()
    return rich
