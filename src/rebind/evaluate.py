"""Evaluating a run or any other model: where the rooms ``training`` and ``benchmarks`` meet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rebind.benchmarks import Benchmark, evaluate_model
from rebind.training import load_recipe
from rebind.types import UserError


def model_folder(model: str) -> str:
    """The model to load: ``RUN/model`` if ``model`` is a run's folder, else ``model`` itself."""
    run = Path(model)
    if not (run / "recipe.yaml").is_file():
        return model
    if not (run / "model").is_dir():
        raise UserError(f"the run {run} has no model yet; start its training again, it will continue")
    return str(run / "model")


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
    if not (recipe_file := Path(model) / "recipe.yaml").is_file():
        if out is None:
            raise UserError(f"{model} is no run of rebind, so say where the results go: --out DIR")
        return evaluate_model(model, benchmarks, out, {"label": label or "base"}, cache=cache)
    recipe = load_recipe(recipe_file)
    return evaluate_model(
        model_folder(model),
        benchmarks,
        out or Path(model),
        {**recipe.as_dict(), "label": label or recipe.title},
        objective=recipe.objective if isinstance(recipe.objective, str) else " + ".join(recipe.objective),
        seed=recipe.seed,
        attention_scale=_attention_scale(recipe.objective_settings),
        cache=cache,
    )


def _attention_scale(objective_settings: dict[str, Any]) -> float:
    """What the recipe says, be it of a single objective or of one of several."""
    of_each = (each for each in objective_settings.values() if isinstance(each, dict))
    found = [each["attention_scale"] for each in (objective_settings, *of_each) if "attention_scale" in each]
    return float(found[0]) if found else 10.0
