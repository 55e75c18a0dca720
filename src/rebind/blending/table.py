"""The curve for the terminal."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from rebind.blending.curve import Blend
from rebind.forgetting import Change, points


def blend_table(outcome: Blend) -> Table:
    """Alpha by alpha, in per cent, with the change against the base and its 95 % interval in points.

    Recognition is shown as the mean of its tasks and as the task that loses most, on which the choice depends.
    """
    table = Table("alpha", box=None, pad_edge=False, header_style="bold")
    for title in ("composition", "change", "95 % interval", "recognition", "change", "worst task", "95 % interval", ""):
        table.add_column(title, justify="right")
    for point in outcome.curve:
        kept = point is outcome.choice.point
        cells: list[str | Text] = [
            f"{100 * point.composition.tuned:.1f}",
            points(point.composition.difference),
            _interval(point.composition),
            f"{100 * point.recognition.tuned:.1f}",
            points(point.recognition.difference),
            Text(f"{point.worst.title} {points(point.worst.difference)}" if point.alpha else ""),
            _interval(point.worst),
        ]
        table.add_row(Text(f"{point.alpha:g}"), *cells, "kept" if kept else "", style="bold" if kept else "")
    return table


def _interval(change: Change) -> str:
    return f"{points(change.low)} to {points(change.high)}"
