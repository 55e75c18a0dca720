"""Which differences between two evaluated models are real: paired tests, item by item, of all that they share."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rebind.benchmarks.items import FILE as ITEMS
from rebind.benchmarks.items import Items, read_items, row_name
from rebind.benchmarks.results import Evaluation, read_results, torn
from rebind.benchmarks.score_table import short_name
from rebind.metrics import holm, paired_difference
from rebind.types import Score, UserError

if TYPE_CHECKING:
    from rich.table import Table

LEVEL = 0.05
NO_DIFFERENCE = "no difference shown"
STYLES = {"better": "green", "worse": "red", NO_DIFFERENCE: "dim"}


@dataclass(frozen=True)
class Difference:
    """One row of the results of two models, B against A; shares between 0 and 1.

    Attributes:
        benchmark: as in the results.
        split: likewise.
        metric: likewise.
        first: the value of A.
        second: the value of B.
        difference: ``second - first``.
        low: lower end of its 95 % interval, a bootstrap over pairs, clustered by image.
        high: upper end.
        n: items.
        first_better: items on which A does better.
        second_better: items on which B does better.
        test: ``mcnemar``, exact, or ``sign_flip`` of whole clusters where they hold several items.
        p: its two-sided p-value.
        p_adjusted: the same after Holm's correction over all rows that were compared.
        verdict: ``better`` or ``worse``, said of B, where ``p_adjusted`` < 0.05; else ``no difference shown``.
    """

    benchmark: str
    split: str
    metric: str
    first: float
    second: float
    difference: float
    low: float
    high: float
    n: int
    first_better: int
    second_better: int
    test: str
    p: float
    p_adjusted: float = 1.0
    verdict: str = NO_DIFFERENCE

    def as_dict(self) -> dict[str, Any]:
        """The row for JSON."""
        return asdict(self)


def compare_runs(first: Path, second: Path, benchmarks: Collection[str] | None = None) -> list[Difference]:
    """Compare what two models scored on the same items: every row that both folders hold.

    Args:
        first: folder that holds ``results.json`` and ``items.safetensors`` of A.
        second: the same of B.
        benchmarks: names to look at; all if not given. :func:`incomparable` ones are passed over.

    Returns:
        One row for each that they share, in the order of the first, p-values corrected for their number.

    Raises:
        UserError: when a file is missing or damaged, or they share no row that was scored on the same items.
    """
    apart = incomparable(first, second, benchmarks)
    evaluations = [read_results(folder)[1] for folder in (first, second)]
    items = [read_items(folder) for folder in (first, second)]
    names = {row_name(score) for score in evaluations[1].scores}.intersection(*items)
    shared = [
        score
        for score in evaluations[0].scores
        if row_name(score) in names
        and score.benchmark not in apart
        and (benchmarks is None or score.benchmark in benchmarks)
    ]
    if not shared:
        raise nothing_shared(first, second, apart)
    rows = [_difference(score, *(of_run[row_name(score)] for of_run in items)) for score in shared]
    adjusted = holm([row.p for row in rows])
    return [replace(row, p_adjusted=p, verdict=_verdict(row, p)) for row, p in zip(rows, adjusted, strict=True)]


def incomparable(first: Path, second: Path, benchmarks: Collection[str] | None = None) -> dict[str, str]:
    """Those benchmarks of two folders on which their models cannot be compared, each with the reason.

    Args:
        first: folder that holds ``results.json`` of A.
        second: the same of B.
        benchmarks: names to look at; all if not given.

    Raises:
        UserError: when a file is missing or damaged; ``items.safetensors`` may be missing.
    """
    runs = [_read(folder) for folder in (first, second)]
    names = dict.fromkeys(score.benchmark for run in runs for score in run.evaluation.scores)
    found = {name: _reason(name, runs) for name in names if benchmarks is None or name in benchmarks}
    return {name: why for name, why in found.items() if why}


def with_reasons(left_out: Mapping[str, str]) -> str:
    """What is left out, each with its reason in brackets, for the middle of a sentence."""
    return ", ".join(f"{name} ({why})" for name, why in left_out.items())


def nothing_shared(first: Path, second: Path, left_out: Mapping[str, str]) -> UserError:
    """The error to raise when two folders have nothing that can be compared."""
    reasons = f": {with_reasons(left_out)}" if left_out else ""
    return UserError(
        f"{first} and {second} share no score{reasons}; evaluate both models on the same benchmarks and files"
    )


def comparison_table(differences: Sequence[Difference], first: str = "A", second: str = "B") -> Table:
    """The rows for a terminal: per cent, and differences in points.

    Args:
        differences: what :func:`compare_runs` returned.
        first: what to call A.
        second: what to call B.
    """
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    caption = f"verdict on {escape(second)}; a dash: no difference shown"
    table = Table("per cent", box=None, pad_edge=False, caption=caption, caption_justify="left")
    for title in (escape(first), escape(second), "difference", "95 % interval", "n", "p (Holm)", "verdict"):
        table.add_column(title, justify="right", no_wrap=title != "verdict")
    benchmark = ""
    for row in differences:
        if row.benchmark != benchmark:
            benchmark = row.benchmark
            table.add_row(Text(benchmark, style="bold"))
        values = f"{100 * row.first:.1f}", f"{100 * row.second:.1f}", f"{100 * row.difference:+.1f}"
        interval = f"{100 * row.low:+.1f} … {100 * row.high:+.1f}"
        p = "< 0.001" if row.p_adjusted < 0.001 else f"{row.p_adjusted:.3f}"
        verdict = Text("–" if row.verdict == NO_DIFFERENCE else row.verdict, STYLES[row.verdict])
        table.add_row(Text(f"  {short_name(row.split, row.metric)}"), *values, interval, f"{row.n:,}", p, verdict)
    return table


@dataclass(frozen=True)
class _Run:
    """What a folder holds; no items where it has no file of them."""

    folder: Path
    evaluation: Evaluation
    items: dict[str, Items]
    torn: Collection[str]

    def rows(self, benchmark: str) -> dict[str, Items | None]:
        names = [row_name(score) for score in self.evaluation.scores if score.benchmark == benchmark]
        return {name: self.items.get(name) for name in names}


def _read(folder: Path) -> _Run:
    evaluation = read_results(folder)[1]
    if not (folder / ITEMS).is_file():
        return _Run(folder, evaluation, {}, ())
    items = read_items(folder)
    return _Run(folder, evaluation, items, torn(evaluation, items))


def _reason(benchmark: str, runs: Sequence[_Run]) -> str:
    """Why two runs cannot be compared on a benchmark; empty where they can.

    Files of older versions do not say how pictures were decoded; of the oldest, only the items have digests.
    """
    rows = [run.rows(benchmark) for run in runs]
    if not all(rows):
        return f"only in {next(run.folder for run, own in zip(runs, rows, strict=True) if own)}"
    for run in runs:
        if benchmark in run.torn:
            return f"its evaluation into {run.folder} was stopped while it wrote; evaluate it again"
    sources = [run.evaluation.sources.get(benchmark, {}) for run in runs]
    pairs = [(row, other) for name, row in rows[0].items() if row and (other := rows[1].get(name))]
    digests = {source.get("items") for source in sources} | {row.digest for own in rows for row in own.values() if row}
    if len(digests - {None}) > 1 or any(len(row.correct) != len(other.correct) for row, other in pairs):
        return "scored on other items"
    return "" if sources[0].get("pictures") == sources[1].get("pictures") else "its pictures were decoded differently"


def _difference(score: Score, first: Items, second: Items) -> Difference:
    paired = paired_difference(first.correct, second.correct, first.clusters)
    return Difference(
        score.benchmark,
        score.split,
        score.metric,
        float(np.mean(first.correct, dtype=np.float64)),
        float(np.mean(second.correct, dtype=np.float64)),
        paired.value,
        paired.low,
        paired.high,
        len(first.correct),
        paired.first_better,
        paired.second_better,
        "mcnemar" if paired.exact else "sign_flip",
        paired.p,
    )


def _verdict(row: Difference, p_adjusted: float) -> str:
    if p_adjusted >= LEVEL:
        return NO_DIFFERENCE
    return "better" if row.difference > 0 else "worse"
