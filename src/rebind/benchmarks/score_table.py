"""The scores of an evaluation as a table for the terminal: none without its interval, chance, blind score and ties."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rebind.types import Score

if TYPE_CHECKING:
    from rich.table import Table

CAPTION = "95 % bootstrap over test items; blind: with the mean of all images for each"


def score_table(scores: Sequence[Score]) -> Table:
    """The rows in per cent, benchmark by benchmark, in the order in which they were measured; 80 columns suffice."""
    from rich.table import Table
    from rich.text import Text

    table = Table("per cent", box=None, pad_edge=False, caption=CAPTION, caption_justify="left")
    for title in ("value", "95 % interval", "chance", "blind", "ties", "n"):
        table.add_column(title, justify="right", no_wrap=True)
    benchmark = ""
    for score in scores:
        if score.benchmark != benchmark:
            benchmark = score.benchmark
            table.add_row(Text(benchmark, style="bold"))
        interval = f"{_per_cent(score.low)} … {_per_cent(score.high)}"
        baselines = (_per_cent(score.chance), _per_cent(score.blind))
        name = short_name(score.split, score.metric)
        table.add_row(
            Text(f"  {name}"), _per_cent(score.value), interval, *baselines, f"{score.ties:,}", f"{score.n:,}"
        )
    return table


def short_name(split: str, metric: str) -> str:
    """Split and metric in few letters: a terminal has 80 columns."""
    if metric == "accuracy":
        return split
    if "recall@" in metric:  # of one split only
        return metric.replace("_recall", "").replace("_to_", "→")
    return f"{split} {metric.replace('_per_class', '/class')}"


def _per_cent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"
