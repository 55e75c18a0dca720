"""Before and after tuning, on composition and on recognition together."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.table import Table
from rich.text import Text

from rebind.benchmarks.comparison import compare_runs, incomparable, nothing_shared, with_reasons
from rebind.benchmarks.coverage import LEAST_COVERAGE, coverage_shares
from rebind.benchmarks.items import FILE
from rebind.reports.arms import CLASSIFICATION, COMPOSITION, RETRIEVAL, name_of, subject_of
from rebind.reports.runs import Run, read_run
from rebind.reports.statistics import difference, estimate
from rebind.types import COVERAGE, Score

RECOGNITION = "recognition"  # retrieval and classification
Key = tuple[str, str, str]


@dataclass(frozen=True)
class Change:
    """One score, or the mean of several, before and after tuning; shares between 0 and 1.

    Attributes:
        group: ``composition`` or ``recognition``.
        benchmark: its name; empty for the mean of a group.
        name: what a reader calls the score.
        base: before.
        tuned: after.
        low: lower end of the 95 % interval of the difference.
        high: its upper end.
        n: items; 0 for a mean.
        paired: whether the interval is over items that both models were scored on.
    """

    group: str
    benchmark: str
    name: str
    base: float
    tuned: float
    low: float
    high: float
    n: int
    paired: bool

    @property
    def title(self) -> str:
        """Benchmark and name: two benchmarks may have scores of one name."""
        return f"{self.benchmark} · {self.name}"

    @property
    def difference(self) -> float:
        """After minus before."""
        return self.tuned - self.base

    @property
    def real(self) -> bool:
        """Whether the interval of the difference leaves out zero."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Forgetting:
    """What tuning changed.

    Attributes:
        changes: score by score, composition first.
        composition: mean over the tasks of composition; None when there is none.
        recognition: mean over the tasks of recognition; None when there is none.
        tasks: the tasks of recognition; what one of them loses, the mean may hide.
        left_out: benchmarks that enter no mean, each with the reason.
    """

    changes: tuple[Change, ...]
    composition: Change | None
    recognition: Change | None
    tasks: tuple[Change, ...]
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def worst(self) -> Change | None:
        """The task of recognition that loses most, or gains least."""
        return min(self.tasks, key=lambda task: task.difference, default=None)

    @property
    def verdict(self) -> str:
        """Binding +x, recognition −y, which differences are real, a loss that the mean hides, and what is left out."""
        said = [
            f"{word} {_said(mean)}"
            for word, mean in (("binding", self.composition), ("recognition", self.recognition))
            if mean
        ]
        if self.worst and len(self.tasks) > 1 and self.worst.real and self.worst.difference < 0:
            said[-1] += f"; it loses most in {self.worst.title}: {_said(self.worst)}"
        missing = [
            f"no benchmark speaks of {group} for both models"
            for group, mean in ((COMPOSITION, self.composition), (RECOGNITION, self.recognition))
            if not mean
        ]
        text = ", ".join(said + missing)
        left_out = f" Left out: {with_reasons(self.left_out)}." if self.left_out else ""
        return f"{text[:1].upper()}{text[1:]}.{left_out}"


def forgetting(base: Path, tuned: Path, benchmarks: Collection[str] | None = None) -> Forgetting:
    """Compare two evaluations on the scores that both hold.

    Composition is everything with foils, each benchmark being one task, which speaks through its ``macro`` scores where
    it has any. Recognition is retrieval and classification, each split being a task, which speaks through recall@1 both
    ways or top-1. Tasks weigh alike in a group's mean. Where both folders kept their outcomes item by item, the
    intervals are paired; else the two scores are taken as independent, which makes intervals too wide rather than too
    narrow. In a mean, the ends of intervals are averaged within a task, whose scores share items, and combined as
    independent between tasks. A benchmark of which less than 99 % of the items could be scored has no say in a mean.

    Args:
        base: folder with the ``results.json`` of the model before tuning.
        tuned: the same for the model after it.
        benchmarks: names to look at; all if not given.

    Raises:
        UserError: when a folder cannot be read, or the two share no score of the same items.
    """
    base, tuned = Path(base), Path(tuned)
    before, after = read_run(base), read_run(tuned)
    apart = incomparable(base, tuned, benchmarks)
    left_out = {**_without_headlines(before, after, benchmarks), **apart}
    keys = [
        key
        for key in before.scores
        if key in after.scores and key[2] != COVERAGE and not key[2].endswith("_per_class") and key[0] not in apart
    ]
    keys = [key for key in keys if benchmarks is None or key[0] in benchmarks]
    if not keys:
        raise nothing_shared(base, tuned, left_out)
    paired = paired_intervals(base, tuned, {key[0] for key in keys})
    found = {key: _change(key, before, after, paired.get(key)) for key in keys}
    speaking = [key for key in keys if key[0] not in left_out]
    tasks = {
        group: [_task([found[key] for key in task]) for task in _tasks(speaking, group)]
        for group in (COMPOSITION, RECOGNITION)
    }
    order = sorted(found, key=lambda key: group_of(key) == RECOGNITION)
    changes = tuple(found[key] for key in order)
    composition, recognition = tasks[COMPOSITION], tasks[RECOGNITION]
    return Forgetting(changes, _mean(composition), _mean(recognition), tuple(recognition), left_out)


def group_of(key: Key) -> str:
    """What a (benchmark, split, metric) says something of: composition or recognition; coverage is of neither."""
    subject = subject_of(key)
    return RECOGNITION if subject in (RETRIEVAL, CLASSIFICATION) else subject


def points(share: float) -> str:
    """A difference of shares in points with its sign: ``+2.1``, ``−0.4``, ``±0.0``."""
    text = f"{100 * abs(share):.1f}"
    return f"±{text}" if float(text) == 0 else f"{'+' if share > 0 else '−'}{text}"


def forgetting_table(outcome: Forgetting) -> Table:
    """The changes for the terminal, in per cent and points; the headline means below each group."""
    table = Table("per cent", box=None, pad_edge=False, header_style="bold")
    for title in ("base", "tuned", "difference", "95 % interval", "n"):
        table.add_column(title, justify="right", no_wrap=True)
    several = len({change.benchmark for change in outcome.changes}) > 1
    for group, mean in ((COMPOSITION, outcome.composition), (RECOGNITION, outcome.recognition)):
        rows = [change for change in outcome.changes if change.group == group]
        if rows:
            table.add_row(Text(group.capitalize(), style="bold"))
        for change in rows:
            _add(table, change, f"  {change.title if several else change.name}", "")
        if mean:
            _add(table, mean, f"  {mean.name}", "bold")
    return table


def _add(table: Table, change: Change, name: str, style: str) -> None:
    cells = [f"{100 * change.base:.1f}", f"{100 * change.tuned:.1f}", points(change.difference)]
    interval = Text(f"{points(change.low)} to {points(change.high)}", style="" if change.real else "dim")
    table.add_row(Text(name), *cells, interval, f"{change.n:,}" if change.n else "", style=style)


def paired_intervals(base: Path, tuned: Path, benchmarks: Collection[str]) -> dict[Key, tuple[float, float]]:
    """Ends of the paired 95 % intervals of tuned − base by score; empty where outcomes of items were not kept."""
    if not all((folder / FILE).is_file() for folder in (base, tuned)):
        return {}
    rows = compare_runs(base, tuned, benchmarks)
    return {(row.benchmark, row.split, row.metric): (row.low, row.high) for row in rows}


def _without_headlines(before: Run, after: Run, benchmarks: Collection[str] | None) -> dict[str, str]:
    """Those benchmarks for the whole of which no number of one of the runs speaks."""
    shares = [*coverage_shares(before.scores.values()).items(), *coverage_shares(after.scores.values()).items()]
    why = f"less than {100 * LEAST_COVERAGE:g} % of its items could be scored"
    refused = dict.fromkeys(name for name, share in shares if share < LEAST_COVERAGE)
    return {name: why for name in refused if benchmarks is None or name in benchmarks}


def _change(key: Key, before: Run, after: Run, interval: tuple[float, float] | None) -> Change:
    first, second = before.scores[key], after.scores[key]
    low, high = interval or _independent(first, second)
    n = min(first.n, second.n)
    return Change(group_of(key), key[0], name_of(key), first.value, second.value, low, high, n, interval is not None)


def _independent(first: Score, second: Score) -> tuple[float, float]:
    apart = difference(estimate({0: second}), estimate({0: first}))
    return apart.low, apart.high


def _tasks(keys: Sequence[Key], group: str) -> list[list[Key]]:
    """The scores of one group, task by task, that speak for their task."""
    by_task: dict[tuple[str, ...], list[Key]] = {}
    for key in keys:
        if group_of(key) == group:
            by_task.setdefault(key[:2] if group == RECOGNITION else key[:1], []).append(key)
    chosen = []
    for own in by_task.values():
        macro = [key for key in own if key[1] == "macro"]
        first = [key for key in own if key[2].endswith("to_image_recall@1") or key[2].endswith("to_text_recall@1")]
        chosen.append(macro or first or [key for key in own if key[2] == "top1"] or own)
    return chosen


def _task(rows: Sequence[Change]) -> Change:
    """The mean of the scores of one task, and of the ends of their intervals."""
    base, tuned, low, high = (_average(getattr(row, side) for row in rows) for side in ("base", "tuned", "low", "high"))
    names = list(dict.fromkeys(row.name for row in rows))
    both = len(names) == 2 and all(name.endswith(" R@1") for name in names)
    name = "both ways R@1" if both else " and ".join(names)
    n = min(row.n for row in rows)
    return Change(rows[0].group, rows[0].benchmark, name, base, tuned, low, high, n, all(row.paired for row in rows))


def _mean(tasks: Sequence[Change]) -> Change | None:
    """The mean of tasks that share no items."""
    if not tasks:
        return None
    base, tuned = (_average(getattr(task, side) for task in tasks) for side in ("base", "tuned"))
    below = math.hypot(*(task.difference - task.low for task in tasks)) / len(tasks)
    above = math.hypot(*(task.high - task.difference for task in tasks)) / len(tasks)
    gain, paired = tuned - base, all(task.paired for task in tasks)
    name = f"mean of {len(tasks)} tasks" if len(tasks) > 1 else f"mean: {tasks[0].title}"
    return Change(tasks[0].group, "", name, base, tuned, gain - below, gain + above, 0, paired)


def _said(change: Change) -> str:
    end = "" if change.real else ", not told from chance"
    return f"{points(change.difference)} points (95 % {points(change.low)} to {points(change.high)}{end})"


def _average(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found)
