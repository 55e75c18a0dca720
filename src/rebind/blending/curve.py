"""Blend two checkpoints at several alphas, evaluate each, keep the one that is chosen."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rebind.benchmarks import Benchmark, evaluate_model
from rebind.benchmarks.comparison import with_reasons
from rebind.benchmarks.evaluation import content_of
from rebind.benchmarks.results import read_outcomes, read_results
from rebind.blending.alphas import TENTHS, folder_name
from rebind.blending.choice import RULE, Choice, Point, choose
from rebind.blending.grounds import check_grounds
from rebind.blending.plot import write_plot
from rebind.evaluate import model_folder
from rebind.forgetting import Change, forgetting
from rebind.storage import only_writer, write_json
from rebind.types import UserError

if TYPE_CHECKING:
    from rebind.models import DualEncoder

SAME = (
    "Alpha was chosen on the benchmarks that are reported here, so its numbers flatter it; "
    "report benchmarks of their own to see what it is worth."
)
OTHERS = "Alpha was chosen on {select}; {report} had no say in it."


@dataclass(frozen=True)
class Blend:
    """What came of it.

    Attributes:
        choice: the point that is kept.
        curve: all points, alpha ascending.
        model: folder of the chosen checkpoint.
        caution: what the choice does to its own numbers.
    """

    choice: Choice
    curve: tuple[Point, ...]
    model: Path
    caution: str


def blend(
    base: str,
    tuned: str,
    benchmarks: Sequence[Benchmark],
    out: Path,
    alphas: Sequence[float] = TENTHS,
    max_loss: float = 1.0,
    report: Sequence[Benchmark] = (),
    cache: str | Path | None = "none",
) -> Blend:
    """Evaluate θ = (1 − α) θ_base + α θ_tuned along alpha and write the checkpoint that is chosen to ``out/model``.

    Beside it come ``curve.json``, ``curve.png`` and ``curve.svg``. Each alpha's results stay in ``out/alpha-0.30`` and
    are not evaluated again. At most two models are in memory. Source: WiSE-FT, Wortsman et al. 2022, arXiv 2109.01903.

    Args:
        base: a run's folder, a model folder or a hub name.
        tuned: the same of a checkpoint that was tuned from it.
        benchmarks: what alpha is chosen on: some of composition and some of recognition.
        out: folder to write to.
        alphas: the points; 0 is added if missing.
        max_loss: how much any task of recognition may lose against the base, in points of per cent.
        report: further benchmarks, scored at every alpha and without a say in the choice.
        cache: where embeddings of the two models are kept, as :func:`rebind.benchmarks.evaluate_model` has it. Those of
            the checkpoints between them are not: nobody else has their weights, and ``out`` keeps their results.

    Raises:
        UserError: when the models do not fit, a benchmark is given twice or covers less than 99 % of its items, one of
            the two kinds is missing, or the folder holds an evaluation of something else.
    """
    names = [benchmark.name for benchmark in (*benchmarks, *report)]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"benchmark {name} is given twice; choose alpha on some benchmarks and report on others")
    check_grounds(benchmarks)
    base, tuned = model_folder(base), model_folder(tuned)
    from rebind.models.description import weights_digest

    with only_writer(out):
        tuned_encoder = _load(tuned)
        alphas = sorted({0.0, *alphas})
        weights = [weights_digest(_between(base, tuned_encoder, alpha, tuned).model) for alpha in (0, 1)]
        items = {each.name: content_of(each, np.ones(len(each.images), bool)) for each in (*benchmarks, *report)}
        of_all = {"base": base, "tuned": tuned, "weights": weights, "benchmarks": items}
        curve: tuple[Point, ...] = ()
        for alpha in alphas:
            folder = out / folder_name(alpha)
            _evaluate(alpha, of_all, tuned_encoder, [*benchmarks, *report], folder, cache)
            curve += (_point(alpha, out / folder_name(0.0), folder, [benchmark.name for benchmark in benchmarks]),)
        choice = choose(curve, max_loss)
        _between(base, tuned_encoder, choice.point.alpha, tuned).save(out / "model")
        caution = OTHERS.format(select=_list(benchmarks), report=_list(report)) if report else SAME
        _write_curve(out, of_all, curve, choice, max_loss, caution)
        write_plot(curve, choice.point.alpha, max_loss, out, caution)
    return Blend(choice, curve, out / "model", caution)


def _load(name: str) -> DualEncoder:
    from rebind.models import DualEncoder

    return DualEncoder.from_pretrained(name)


def _between(base: str, tuned: DualEncoder, alpha: float, tuned_name: str) -> DualEncoder:
    from rebind.models.interpolation import interpolate

    return interpolate(base, tuned, alpha, tuned_name)


def _is_done(folder: Path, settings: dict[str, Any]) -> bool:
    """Whether the results of one alpha are there and whole.

    Raises:
        UserError: when they are those of something else.
    """
    try:
        found = read_results(folder)[0].settings
    except UserError:  # missing or damaged
        return False
    if _is_older(found):
        raise UserError(
            f"{folder} is of an older version of rebind, which did not note all that it was measured on; choose "
            f"another folder for this one, or remove {folder.parent}"
        )
    if found != settings:
        raise UserError(f"{folder} is of another blend or other benchmarks; choose another folder for this one")
    try:
        read_outcomes(folder)
    except UserError:
        return False
    return True


def _is_older(settings: dict[str, Any]) -> bool:
    """Whether a version began the blend that noted only the benchmarks' names, or not how pictures are decoded."""
    noted = settings.get("benchmarks")
    contents = list(noted.values()) if isinstance(noted, dict) else [noted]
    return "alpha" in settings and not all(isinstance(each, dict) for each in contents)


def _evaluate(
    alpha: float,
    of_all: dict[str, Any],
    tuned: DualEncoder,
    benchmarks: Sequence[Benchmark],
    folder: Path,
    cache: str | Path | None,
) -> None:
    """Write the results of one alpha unless they are there; the checkpoint is removed again."""
    settings = {"label": f"alpha {alpha:g}", "alpha": alpha, **of_all}
    if _is_done(folder, settings):
        return
    checkpoint = folder / "model"
    try:
        _between(of_all["base"], tuned, alpha, of_all["tuned"]).save(checkpoint)
        evaluate_model(checkpoint, benchmarks, folder, settings, cache=cache if alpha in (0, 1) else "none")
    finally:
        shutil.rmtree(checkpoint, ignore_errors=True)


def _point(alpha: float, base: Path, folder: Path, names: Sequence[str]) -> Point:
    outcome = forgetting(base, folder, names)
    if outcome.left_out:
        raise UserError(f"alpha cannot be chosen on {with_reasons(outcome.left_out)}; mend that or leave it out")
    return Point(alpha, outcome)


def _list(benchmarks: Sequence[Benchmark]) -> str:
    return ", ".join(benchmark.name for benchmark in benchmarks)


def _write_curve(
    out: Path, of_all: dict[str, Any], curve: Sequence[Point], choice: Choice, max_loss: float, caution: str
) -> None:
    rows = [
        {
            "alpha": point.alpha,
            "composition": _row(point.composition),
            "recognition": _row(point.recognition),
            "tasks": {task.title: _row(task) for task in point.outcome.tasks},
            "results": f"{folder_name(point.alpha)}/results.json",
        }
        for point in curve
    ]
    chosen = {"chosen": choice.point.alpha, "why": choice.why, "rule": RULE, "max_loss": max_loss, "caution": caution}
    write_json(out / "curve.json", {**of_all, **chosen, "points": rows})


def _row(change: Change) -> dict[str, Any]:
    """A score and its change against the base; shares between 0 and 1."""
    return {
        "value": change.tuned,
        "difference": change.difference,
        "low": change.low,
        "high": change.high,
        "paired": change.paired,
    }
