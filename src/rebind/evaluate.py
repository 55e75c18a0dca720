"""Evaluating a run or any other model: where the rooms ``training`` and ``benchmarks`` meet."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from rebind.benchmarks import Benchmark, evaluate_model
from rebind.benchmarks.results import FILE, read_results, results_of, same_content, torn
from rebind.training import load_recipe
from rebind.types import UserError

RECIPE = "recipe.yaml"


def model_folder(model: str) -> str:
    """The model to load: ``RUN/model`` if ``model`` is a run's folder, else ``model`` itself."""
    run = Path(model)
    if not _is_run(run):
        return model
    if not (run / "model").is_dir():
        raise UserError(f"the run {run} has no model yet; start its training again, it will continue")
    return str(run / "model")


def check_model(model: str, out: Path | None) -> None:
    """Find out that a model cannot be evaluated before gigabytes are fetched for it.

    Raises:
        UserError: when there is no place for its results, or it cannot be loaded.
    """
    from rebind.models import load_encoder

    _results_folder(model, out)
    load_encoder(model_folder(model))


def evaluate_run(
    model: str, benchmarks: Sequence[Benchmark], out: Path | None, label: str | None, cache: str | None = "none"
) -> Path:
    """Evaluate and write ``results.json``.

    Args:
        model: a run's folder, whose recipe then goes into the results; a model folder or hub name.
        benchmarks: one or more.
        out: the folder for the results; may be left out for a run.
        label: what reports call it; the recipe's label, or "base" for a model that is no run.
        cache: where embeddings are kept; see :func:`rebind.benchmarks.embedding_cache.open_cache`.

    Returns:
        Path of the results.

    Raises:
        UserError: when there is no place to write to, or the model cannot be loaded or evaluated.
    """
    out = _results_folder(model, out)
    if not _is_run(Path(model)):
        return evaluate_model(model, benchmarks, out, {"label": label or "base"}, cache=cache)
    recipe = load_recipe(Path(model) / RECIPE)
    return evaluate_model(
        model_folder(model),
        benchmarks,
        out,
        {**recipe.as_dict(), "label": label or recipe.title},
        objective=recipe.objective if isinstance(recipe.objective, str) else " + ".join(recipe.objective),
        seed=recipe.seed,
        attention_scale=_attention_scale(recipe.objective_settings),
        cache=cache,
    )


def evaluate_base(base: str, benchmarks: Sequence[Benchmark], tuned: Path, cache: str | None = "none") -> Path:
    """Evaluate the model that another was tuned from, unless it has been; its own folder stays as it is.

    Results of all benchmarks are used if they are of the weights that lie there now, and of the items that the other
    was scored on, decoded alike. A folder with results and no model is taken as it is.

    Args:
        base: a run's folder, a model folder, a hub name, or a folder with results.
        benchmarks: those that the other was evaluated on just now.
        tuned: folder with the other's results.
        cache: as for :func:`evaluate_run`.

    Returns:
        The folder with the results of the base: its own if they suffice, else ``tuned/base``.

    Raises:
        UserError: when the base cannot be loaded or evaluated, or ``tuned/base`` is its own folder.
    """
    from rebind.models import load_encoder

    own, place = Path(base), tuned / "base"
    has_results = (own / FILE).is_file()
    if has_results and not (own / ("model" if _is_run(own) else "config.json")).exists():
        return own
    known = [folder for folder in (own, place) if (folder / FILE).is_file()]
    encoder = load_encoder(model_folder(base)).describe() if known else {}
    wanted = read_results(tuned)[1].sources
    label, missing = None, list(benchmarks)
    for folder in known:
        missing = list(benchmarks)
        with suppress(UserError):  # damaged, or of other weights
            model, evaluation, items = results_of(folder, encoder)
            label = label or model.settings.get("label")
            whole = evaluation.sources.keys() - torn(evaluation, items)
            fit = {name for name in whole & wanted.keys() if same_content(evaluation.sources[name], wanted[name])}
            missing = [each for each in benchmarks if each.name not in fit]
        if not missing:
            return folder
    if has_results and own.resolve() == place.resolve():
        raise UserError(f"the results of --base {base} would be replaced; give --out another folder than {tuned}")
    evaluate_run(base, missing, place, label, cache)
    return place


def _is_run(folder: Path) -> bool:
    return (folder / RECIPE).is_file()


def _results_folder(model: str, out: Path | None) -> Path:
    if out is None and not _is_run(Path(model)):
        raise UserError(f"{model} is no run of rebind, so say where the results go: --out DIR")
    return out or Path(model)


def _attention_scale(objective_settings: dict[str, Any]) -> float:
    """What the recipe says, be it of a single objective or of one of several."""
    of_each = (each for each in objective_settings.values() if isinstance(each, dict))
    found = [each["attention_scale"] for each in (objective_settings, *of_each) if "attention_scale" in each]
    return float(found[0]) if found else 10.0
