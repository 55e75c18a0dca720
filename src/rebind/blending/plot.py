"""Composition against what recognition loses, along alpha."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from rebind.blending.choice import Point
from rebind.storage import atomic_path

INK, MUTED, RULE, BLUE, ORANGE = "#1b1d21", "#5d636e", "#dfdcd6", "#0072b2", "#d04a02"
STYLE: dict[Any, Any] = {
    "text.parse_math": False,
    "font.size": 10.5,
    "axes.edgecolor": RULE,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.7,
    "text.color": INK,
}


def write_plot(curve: Sequence[Point], chosen: float, max_loss: float, out: Path, caution: str) -> None:
    """Write ``curve.png`` and ``curve.svg`` into ``out``: 95 % intervals of the change against the base.

    Args:
        curve: alpha ascending.
        chosen: the alpha that is kept.
        max_loss: in points; what lies left of it is shaded.
        out: folder.
        caution: goes below the plot.
    """
    with mpl.rc_context(STYLE):
        figure = draw(curve, chosen, max_loss, caution)
        for kind in ("png", "svg"):
            with atomic_path(out / f"curve.{kind}") as temporary:
                figure.savefig(temporary, format=kind, dpi=160)


def draw(curve: Sequence[Point], chosen: float, max_loss: float, caution: str) -> Figure:
    """The plot as a figure."""
    figure = Figure(figsize=(6.4, 5.2), layout="constrained")
    axes = figure.add_subplot()
    across = [100 * point.worst.difference for point in curve]
    up = [100 * point.composition.tuned for point in curve]
    axes.plot(across, up, color=MUTED, linewidth=1, zorder=2)
    for point, x, y in zip(curve, across, up, strict=True):
        kept = point.alpha == chosen
        axes.errorbar(
            x, y,
            xerr=_reach(point.worst.low, point.worst.high, point.worst.difference),
            yerr=_reach(point.composition.low, point.composition.high, point.composition.difference),
            fmt="*" if kept else "o", color=ORANGE if kept else BLUE, markersize=15 if kept else 6,
            elinewidth=0.8, ecolor=f"{ORANGE if kept else BLUE}55", zorder=4 if kept else 3,
        )  # fmt: skip
        name = {0.0: "base", 1.0: "tuned"}.get(point.alpha, f"{point.alpha:g}")
        label = f"{name}, kept" if kept else name
        axes.annotate(
            label, (x, y), (7, 6), textcoords="offset points", fontsize=9, color=ORANGE if kept else INK, zorder=5
        )
    limit = -max_loss
    left, right = axes.get_xlim()
    if limit > left - (right - left):  # a limit far away would squeeze the curve
        left = min(left, limit - 0.08 * (right - limit))
        axes.axvspan(left, limit, color=RULE, alpha=0.45, linewidth=0, zorder=0)
        axes.axvline(limit, color=MUTED, linewidth=1, linestyle=(0, (2, 3)), zorder=1)
        axes.annotate(
            f"−{max_loss:g}, the most that may be lost",
            (limit, 0),
            (4, 4),
            ("data", "axes fraction"),
            "offset points",
            fontsize=9,
            color=MUTED,
        )
    axes.set_xlim(left, right)
    axes.set_xlabel("recognition: the task that loses most, points against the base")
    axes.set_ylabel("composition, per cent")
    figure.suptitle("Between base and tuned", x=0.02, ha="left", fontsize=13)
    note = f"Bars: 95 % interval of the change against the base. {caution}"
    figure.supxlabel("\n".join(textwrap.wrap(note, 92)), x=0.02, ha="left", fontsize=8.5, color=MUTED)
    return figure


def _reach(low: float, high: float, middle: float) -> list[list[float]]:
    return [[100 * max(0.0, middle - low)], [100 * max(0.0, high - middle)]]
