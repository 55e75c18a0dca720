"""The report: one HTML page that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from rebind.reports.arms import COLOURS, DARK_COLOURS, Arm, is_foil_score, read_arms
from rebind.reports.pictures import data_uri
from rebind.reports.plots import category_plot, loss_plots, published_plot, trade_off_plot
from rebind.reports.published import published_tables, published_values, sources
from rebind.reports.scenes import example_scenes, gazes
from rebind.reports.table import percent, tabulate
from rebind.reports.verdict import judge
from rebind.storage import write_text

NAMED_BROKEN = 20  # broken images named on the page; the rest are counted


def write_report(runs: Sequence[Path], out: Path, title: str | None = None) -> Path:
    """Write one self-contained HTML page about ``runs`` to ``out`` and return its path.

    Each run is a folder with a ``results.json``; ``summary.json``, ``metrics.jsonl`` and ``examples.json`` are used
    when they are there. Runs of one ``settings.label`` (else of one objective) are the seeds of one arm.

    Raises:
        UserError: when a run folder cannot be read or ``out`` cannot be written.
    """
    arms = read_arms([Path(run) for run in runs])
    write_text(Path(out), render(arms, title or "Which attribute belongs to which object?"))
    return Path(out)


def render(arms: Sequence[Arm], title: str) -> str:
    """The page as text, for arms read already."""
    environment = Environment(
        loader=PackageLoader("rebind", "reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "data_uri": data_uri}
    table = tabulate(arms)
    published = published_tables(arms)
    bases = [arm for arm in arms if arm.is_base]
    tuned = [arm for arm in arms if not arm.is_base]
    return environment.get_template("page.html.j2").render(
        title=title,
        verdict=judge(arms).splitlines(),
        arms=arms,
        css=Markup(environment.get_template("page.css").render()),
        colours=list(zip(COLOURS, DARK_COLOURS, strict=True)),
        table=table,
        groups=[(group, list(rows)) for group, rows in groupby(table.rows, key=lambda row: row.group)],
        published=published,
        sources=sources(published),
        published_figure=_markup(published_plot(arms, published)),
        ticks=any(len(keys) == 1 and is_foil_score(*keys) for keys in published_values(arms)),
        trade_off=_markup(trade_off_plot(arms)),
        categories=_markup(category_plot(arms)),
        losses=[Markup(svg) for svg in loss_plots(tuned)],
        base_losses=[Markup(svg) for svg in loss_plots(bases, "base-loss")],
        scenes=example_scenes(arms),
        gazes=gazes(arms),
        training=[(arm, _training(arm)) for arm in arms],
        environments=_variants(each for arm in arms for run in arm.runs for each in run.results.environments),
        broken=_broken(arms),
        missing=_missing(arms),
        settings=_settings(arms),
        mixed=[(arm, names) for arm in arms if (names := _differing_numbers(arm))],
    )


def _markup(svg: str | None) -> Markup | None:
    return None if svg is None else Markup(svg)


def _training(arm: Arm) -> dict[str, str]:
    """How an arm was trained, over its seeds: a mean where the seeds differ."""
    facts = {"seeds": ", ".join(str(seed) for seed in arm.scores), "objective": arm.objective or "–"}
    facts["started from"] = ", ".join(dict.fromkeys(run.results.model for run in arm.runs))
    for name, key in (("steps", "steps"), ("samples seen", "samples_seen"), ("seconds", "seconds")):
        values = [run.summary[key] for run in arm.runs if isinstance(run.summary.get(key), int | float)]
        mean = sum(values) / len(values) if values else 0
        facts[name] = (f"{mean:,.0f}" if len(set(values)) == 1 else f"≈ {mean:,.0f}") if values else "–"
    return facts


def _broken(arms: Iterable[Arm]) -> tuple[list[tuple[str, str]], int]:
    """Broken images that any run's summary names, each once, and how many more there are than are listed."""
    named: dict[str, str] = {}
    for arm in arms:
        for run in arm.runs:
            broken = run.summary.get("broken") or {}
            named |= {str(key): str(reason) for key, reason in broken.items()} if isinstance(broken, dict) else {}
    rows = sorted(named.items())
    return rows[:NAMED_BROKEN], max(0, len(rows) - NAMED_BROKEN)


def _missing(arms: Iterable[Arm]) -> list[tuple[str, list[str]]]:
    return [(str(run.folder), run.missing) for arm in arms for run in arm.runs if run.missing]


def _variants(records: Iterable[dict[str, Any]]) -> dict[str, str]:
    """Each name with the values it took across runs."""
    values: dict[str, list[str]] = {}
    for record in records:
        for name, value in record.items():
            values.setdefault(name, []).append(_said(value))
    return {name: ", ".join(dict.fromkeys(said)) for name, said in values.items()}


def _settings(arms: Sequence[Arm]) -> list[tuple[str, list[str], bool]]:
    """Rows of (setting, value per arm, whether arms differ)."""
    by_arm = [_variants(run.results.settings for run in arm.runs) for arm in arms]
    names = dict.fromkeys(name for settings in by_arm for name in settings)
    rows = [(name, [settings.get(name, "–") for settings in by_arm]) for name in names]
    return [(name, values, len(set(values)) > 1) for name, values in rows]


def _differing_numbers(arm: Arm) -> list[str]:
    """Numeric settings besides the seed in which the runs of one arm differ: they are then not mere seeds of it."""
    values: dict[str, set[Any]] = {}
    for run in arm.runs:
        for name, value in run.results.settings.items():
            if isinstance(value, int | float) and name != "seed":
                values.setdefault(name, set()).add(value)
    return sorted(name for name, found in values.items() if len(found) > 1)


def _said(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return ", ".join(_said(item) for item in value)
    return str(value)
