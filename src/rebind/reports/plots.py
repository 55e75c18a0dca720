"""Plots as inline SVG whose colours are the page's CSS variables, so that they follow dark mode."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rebind.reports.arms import (
    C2LIP,
    MARKERS,
    Arm,
    Measure,
    composition_measure,
    is_foil_score,
    name_of,
    recognition_measures,
    score_keys,
)
from rebind.reports.families import family_split
from rebind.reports.published import PublishedTable, published_values
from rebind.types import HEADLINES

# Drawn in these stand-ins, then replaced by CSS variables in the SVG text.
INK, MUTED, RULE, PAPER = "#010101", "#020202", "#030303", "#040404"
VARIABLES = {INK: "var(--ink)", MUTED: "var(--muted)", RULE: "var(--rule)", PAPER: "var(--card)"}
STYLE: dict[Any, Any] = {
    "text.parse_math": False,  # a label may hold a dollar sign
    "svg.fonttype": "none",
    "font.size": 10.5,
    "axes.edgecolor": RULE,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.7,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}
WIDTH = 4.6  # inches; narrow, so that letters stay readable when a phone shows the plot at full width
POINTS = 160  # a loss curve is averaged down to at most this many points
NO_LOSS = {
    "step", "epoch", "seconds", "learning_rate", "gradient_norm", "images_per_second", "logit_scale", "logit_bias"
}  # fmt: skip
LOSS_NAMES = {
    "loss": "total",
    "concept": "concept (NPC)",
    "attention": "attention (XAC)",
    "negative_pair": "negative pair (TripletCLIP)",
}


def _stand_in(arm: Arm) -> str:
    return f"#0a0a{arm.paint + 16:02x}"


def _svg(figure: Figure, name: str, description: str, arms: Sequence[Arm]) -> str:
    """The figure as an SVG element: colours by CSS variable, ids prefixed by ``name``, no metadata."""
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": name}):
        figure.savefig(
            buffer,
            format="svg",
            metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
        )
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r'<metadata>.*?</metadata>| xmlns(:xlink)?="[^"]*"', "", text, flags=re.DOTALL)
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", text)
    for colour, variable in (VARIABLES | {_stand_in(arm): f"var(--arm-{arm.paint})" for arm in arms}).items():
        text = text.replace(colour, variable)
    return text.replace("<svg ", f'<svg role="img" aria-label="{html.escape(description)}" ', 1)


def _axes(height: float, width: float = WIDTH) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


@mpl.rc_context(STYLE)
def trade_off_plot(arms: Sequence[Arm]) -> str | None:
    """Composition (y) against retention, or else retrieval R@1 (x), in per cent; None when either is missing.

    A faint point per seed, a large marker for the arm's mean with its 95 % intervals.
    """
    composition = composition_measure(arms)
    recognition = recognition_measures(arms)
    across = next((m for name in ("retention", "retrieval") for m in recognition if m.name == name), None)
    if composition is None or across is None:
        return None
    figure, axes = _axes(4.4)
    means: dict[str, tuple[float, float]] = {}
    for arm in arms:
        x, y = across.of(arm), composition.of(arm)
        if x is None or y is None:
            continue
        colour = _stand_in(arm)
        seeds = [seed for seed in x.by_seed if seed in y.by_seed]
        axes.plot(
            [100 * x.by_seed[seed] for seed in seeds],
            [100 * y.by_seed[seed] for seed in seeds],
            MARKERS[arm.paint], color=colour, alpha=0.45, markersize=5, markeredgewidth=0,
        )  # fmt: skip
        axes.errorbar(
            100 * x.value, 100 * y.value,
            xerr=[[100 * (x.value - x.low)], [100 * (x.high - x.value)]],
            yerr=[[100 * (y.value - y.low)], [100 * (y.high - y.value)]],
            fmt=MARKERS[arm.paint], color=colour, markersize=13 if arm.paint == C2LIP else 9,
            elinewidth=1.2, markeredgecolor=PAPER, markeredgewidth=1.2, zorder=4,
        )  # fmt: skip
        means[arm.label] = (100 * x.value, 100 * y.value)
    if all(is_foil_score(key) for key in composition.keys):
        axes.axhline(50, color=MUTED, linewidth=1, linestyle=(0, (2, 3)))
        axes.annotate("guessing", (0, 50), (3, 3), ("axes fraction", "data"), "offset points", color=MUTED, fontsize=9)
    axes.margins(0.16, 0.12)
    name = "retention top-1" if across.name == "retention" else "retrieval R@1"
    axes.set_xlabel(f"{name}, % →")
    axes.set_ylabel(f"{composition.name}, % →")
    figure.draw_without_rendering()  # settles the layout, so that positions are final
    _label(axes, means)
    return _svg(figure, "trade-off", f"Composition against {across.name}, one marker per arm", arms)


def _label(axes: Axes, means: dict[str, tuple[float, float]]) -> None:
    """Write each name beside its marker, at the first of eight places that hides no marker and no other name."""
    height, letter = 13.0, 7.4  # points: about the size of a bold letter, which is the reader's font, not ours
    scale = 72 / axes.figure.dpi
    anchors = {label: axes.transData.transform(mean) * scale for label, mean in means.items()}
    taken = [(x - 5, y - 5, x + 5, y + 5) for x, y in anchors.values()]
    for label, (x, y) in anchors.items():
        width = letter * len(label)
        places = [(x + dx if dx > 0 else x + dx - width, y + dy) for dy in (5, -17, 20, -32) for dx in (8, -8)]
        boxes = [(left, low, left + width, low + height) for left, low in places]
        box = min(boxes, key=lambda box: sum(_overlap(box, other) for other in taken))
        taken.append(box)
        axes.annotate(
            label, means[label], xytext=(box[0] - x, box[1] - y + 2), textcoords="offset points", weight=700, zorder=5
        )


def _overlap(first: tuple[float, ...], second: tuple[float, ...]) -> float:
    """Area that two boxes (left, low, right, high) share."""
    across = min(first[2], second[2]) - max(first[0], second[0])
    upward = min(first[3], second[3]) - max(first[1], second[1])
    return max(0.0, across) * max(0.0, upward)


def category_plot(arms: Sequence[Arm]) -> str | None:
    """A dot and its 95 % interval for each arm and foil category, in per cent; None without any.

    What others have published of the same category stands behind as grey ticks.
    """
    keys = [key for key in score_keys(arms) if key[2] == "accuracy" and key[1] not in HEADLINES]
    if not keys:
        return None
    several = len({key[0] for key in keys}) > 1
    split = family_split(arms)
    seen = split.seen if split else ()
    names = [f"{name_of(key)} · {key[0]}" if several else name_of(key) for key in keys]
    marked = [f"{name}\nseen in training" if key in seen else name for name, key in zip(names, keys, strict=True)]
    measures = [Measure(name, (key,)) for name, key in zip(marked, keys, strict=True)]
    return _dot_plot(arms, measures, "categories", "Accuracy by foil category and arm", "accuracy, %")


def published_plot(arms: Sequence[Arm], tables: Sequence[PublishedTable]) -> str | None:
    """The same for every measure that others have published; None without any."""
    measures = [Measure(f"{each.name} · {table.benchmark}", each.keys) for table in tables for each in table.measures]
    return _dot_plot(arms, measures, "published", "Measured and published numbers", "%") if measures else None


@mpl.rc_context(STYLE)
def _dot_plot(arms: Sequence[Arm], measures: Sequence[Measure], name: str, description: str, unit: str) -> str:
    """A row for each measure: grey ticks for what others have published, a dot and an interval for each arm."""
    figure, axes = _axes(0.5 + len(measures) * (0.07 * len(arms) + 0.12))
    spread = 0.78 / max(1, len(arms))
    foils = all(is_foil_score(key) for measure in measures for key in measure.keys)
    published = published_values(arms)
    lowest = 0.5
    for place, measure in enumerate(measures):
        others = published.get(frozenset(measure.keys), ())
        lowest = min(lowest, *others, 1.0)
        axes.vlines([100 * value for value in others], place - 0.42, place + 0.42, MUTED, linewidth=1.3, alpha=0.5)
        for position, arm in enumerate(arms):
            found = measure.of(arm)
            if found is None:
                continue
            lowest = min(lowest, found.low)
            y = place + (position - (len(arms) - 1) / 2) * spread
            colour = _stand_in(arm)
            axes.plot([100 * found.low, 100 * found.high], [y, y], color=colour, linewidth=1.6, alpha=0.75)
            axes.plot(
                100 * found.value, y, MARKERS[arm.paint], color=colour, markersize=8 if arm.paint == C2LIP else 4.5
            )
        if place:
            axes.axhline(place - 0.5, color=RULE, linewidth=0.7)
    if foils:
        axes.axvline(50, color=MUTED, linewidth=1, linestyle=(0, (2, 3)))
    axes.set_yticks(range(len(measures)), [measure.name for measure in measures], color=INK)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    axes.set_ylim(len(measures) - 0.5, -0.5)
    axes.set_xlim(100 * max(0.0, lowest - 0.02), 101)
    axes.set_xlabel(unit)
    return _svg(figure, name, description, arms)


@mpl.rc_context(STYLE)
def loss_plots(arms: Sequence[Arm], name: str = "loss") -> list[str]:
    """One small plot for each loss part that any run has logged: a thin line per seed, in the arm's colour."""
    metrics = [run.metrics for arm in arms for run in arm.runs]
    logged = dict.fromkeys(part for rows in metrics for row in rows for part in row if part not in NO_LOSS)
    parts = [part for part in logged if any(len(_curve(rows, part)) for rows in metrics)]
    return [
        _loss_plot(arms, part, LOSS_NAMES.get(part, part.replace("_", " ")), f"{name}-{number}")
        for number, part in enumerate(parts)
    ]


def _loss_plot(arms: Sequence[Arm], part: str, title: str, name: str) -> str:
    figure, axes = _axes(2.5, 4.0)
    smallest, largest = np.inf, -np.inf
    for arm in arms:
        for run in arm.runs:
            curve = _curve(run.metrics, part)
            if not len(curve):
                continue
            marker: dict[str, Any] = {
                "marker": MARKERS[arm.paint],
                "markevery": [-1],
                "markersize": 9 if arm.paint == C2LIP else 6,
            }
            axes.plot(curve[:, 0], curve[:, 1], color=_stand_in(arm), linewidth=1.4, alpha=0.75, **marker)
            smallest, largest = min(smallest, curve[:, 1].min()), max(largest, curve[:, 1].max())
    if smallest > 0 and largest > 20 * smallest:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("")
    axes.set_title(title, fontsize=11, loc="left", weight=700)
    axes.set_xlabel("step")
    return _svg(figure, name, f"Loss part {title} over steps", arms)


def _curve(metrics: Sequence[dict[str, object]], part: str) -> np.ndarray:
    """(points, 2) steps and values, averaged down to POINTS; rows without a finite value are left out."""
    rows = [(row.get("step"), row.get(part)) for row in metrics]
    kept = [pair for pair in rows if all(isinstance(v, int | float) and np.isfinite(v) for v in pair)]
    values = np.array(kept, dtype=float).reshape(-1, 2)
    if len(values) <= POINTS:
        return values
    return np.array([chunk.mean(axis=0) for chunk in np.array_split(values, POINTS)])
