"""``results.json``: the one file that evaluations write and reports read."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rebind.benchmarks.coverage import coverage_notes
from rebind.benchmarks.items import FILE as ITEMS
from rebind.benchmarks.items import Items, items_of, outcome_digests, read_items, row_name, write_items
from rebind.benchmarks.naming import count_notes
from rebind.metrics.bootstrap import RESAMPLES
from rebind.storage import only_writer, write_json
from rebind.types import BrokenSample, Score, UserError

FILE = "results.json"
BOOTSTRAP = {"level": 0.95, "method": "percentile", "resamples": RESAMPLES, "seed": 0}
PACKAGES = (  # those that may move a number, as far as they are installed
    *("rebind", "torch", "transformers", "tokenizers", "pillow", "numpy", "datasets", "open_clip_torch", "timm"),
    *("torchvision", "spacy", "en_core_web_sm", "nltk"),  # the last three make the foils of ARO-Order
)


@dataclass(frozen=True)
class EvaluatedModel:
    """Whose results they are.

    Attributes:
        name: folder or hub name.
        objective: what it was trained with, ``base`` when it was only loaded.
        seed: of its training run.
        settings: of its training run; anything that JSON holds.
        encoder: digest of its weights, preprocessing, padding, dtype: what makes it give the numbers that it gives.
    """

    name: str
    objective: str = "base"
    seed: int = 0
    settings: dict[str, Any] = field(default_factory=dict)
    encoder: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluation:
    """What one evaluation found.

    Attributes:
        scores: benchmark by benchmark.
        broken: images that could not be read.
        sources: by benchmark: ``items``, the digest of its content, ``pictures``, how they were decoded if it has any,
            and perhaps ``files``, the SHA-256 of each of its annotation files (see
            :func:`rebind.benchmarks.files.file_digests`). Once read again also ``outcomes``, the digest of who was
            right on which item, and the ``environment`` that it was measured in.
        notes: sentences that the user should see, besides those that follow from the scores.
    """

    scores: Sequence[Score]
    broken: Sequence[BrokenSample] = ()
    sources: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: Sequence[str] = ()


def write_results(folder: Path, model: EvaluatedModel, evaluation: Evaluation) -> Path:
    """Write ``results.json`` and ``items.safetensors`` into ``folder``, each atomically; return the former's path.

    What is there of the same model on other benchmarks stays; the same benchmark's rows are replaced. Results of
    another model, or of the same one with other preprocessing, are replaced as a whole, and ``notes`` says so.
    Processes that write into one folder take turns, and each adds to what the others wrote. If one is killed between
    the two files, :func:`read_outcomes` finds out.

    Raises:
        UserError: when the file system refuses.
    """
    with only_writer(folder, wait=True):
        return _write_results(folder, model, evaluation)


def _write_results(folder: Path, model: EvaluatedModel, evaluation: Evaluation) -> Path:
    path = folder / FILE
    before, items, notes = Evaluation([]), dict[str, Items](), []
    if path.is_file():
        try:
            _, before, items = results_of(folder, model.encoder)
        except UserError as error:
            notes = [f"older results were replaced, not added to: {error}"]
    measured = {score.benchmark for score in evaluation.scores} | set(evaluation.sources)
    kept = [score for score in before.scores if score.benchmark not in measured]
    scores = [*kept, *evaluation.scores]
    items = {row_name(score): items[row_name(score)] for score in kept if row_name(score) in items}
    items |= items_of(evaluation.scores, {name: source["items"] for name, source in evaluation.sources.items()})
    broken = {each.key: each.reason for each in [*(before.broken if kept else ()), *evaluation.broken]}
    here = environment()
    sources = {name: source for name, source in before.sources.items() if name not in measured}
    outcomes = outcome_digests(evaluation.scores, items)
    for name in dict.fromkeys([*evaluation.sources, *outcomes]):
        source = evaluation.sources.get(name, {})
        sources[name] = {**source, "outcomes": outcomes.get(name), "environment": here}
    content = {
        "model": model.name,
        "objective": model.objective,
        "seed": model.seed,
        "settings": model.settings,
        "encoder": model.encoder,
        "environment": here,
        "bootstrap": BOOTSTRAP,
        "benchmarks": {name: _entry(source, here) for name, source in sources.items()},
        "scores": [score.as_dict() for score in scores],
        "notes": list(dict.fromkeys([*notes, *evaluation.notes, *coverage_notes(scores), *count_notes(scores)])),
        "broken_images": [{"image": image, "reason": reason} for image, reason in broken.items()],
    }
    write_items(folder, items)
    write_json(path, content)
    return path


def read_results(folder: Path) -> tuple[EvaluatedModel, Evaluation]:
    """What :func:`write_results` wrote, but for the items.

    Raises:
        UserError: when ``results.json`` is not there or holds something else.
    """
    path = folder / FILE
    if not path.is_file():
        raise UserError(f"{folder} holds no {FILE}; pass a folder that `rebind eval` has written to")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        known = {each.name for each in dataclasses.fields(Score)}
        scores = [Score(**{name: row[name] for name in row if name in known}) for row in content["scores"]]
        broken = [BrokenSample(row["image"], row["reason"]) for row in content.get("broken_images", [])]
        model = EvaluatedModel(
            content["model"], content["objective"], content["seed"], content["settings"], content.get("encoder", {})
        )
        sources = {score.benchmark: {"environment": content.get("environment", {})} for score in scores}
        for name, source in content.get("benchmarks", {}).items():
            sources[name] = {**sources.get(name, {}), **source}
        return model, Evaluation(scores, broken, sources, content.get("notes", []))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is not what an evaluation writes ({error!r}); evaluate the model again") from error


def read_outcomes(folder: Path) -> tuple[Evaluation, dict[str, Items]]:
    """What :func:`write_results` wrote, with the items.

    Raises:
        UserError: when a file is missing or damaged, or the two are not of the same evaluations.
    """
    evaluation, items = read_results(folder)[1], read_items(folder)
    if apart := ", ".join(torn(evaluation, items)):
        raise UserError(
            f"{folder}: {FILE} and {ITEMS} are of different evaluations of {apart}, one of which was stopped while it "
            f"wrote them; evaluate {apart} again"
        )
    return evaluation, items


def torn(evaluation: Evaluation, items: Mapping[str, Items]) -> list[str]:
    """Those benchmarks whose scores and items are of different evaluations, one of which was stopped as it wrote."""
    found = outcome_digests(evaluation.scores, items)
    known = {name: source.get("outcomes") for name, source in evaluation.sources.items()}
    return [name for name, digest in known.items() if digest not in (None, found.get(name))]


def same_content(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Whether two of the ``sources`` are of the same items, with pictures that were decoded alike."""
    return all(first.get(part) == second.get(part) for part in ("items", "pictures"))


def results_of(folder: Path, encoder: dict[str, Any]) -> tuple[EvaluatedModel, Evaluation, dict[str, Items]]:
    """What a folder holds of the model that describes itself so, with the items.

    Raises:
        UserError: when a file is missing or damaged, or they are of another model.
    """
    model, evaluation = read_results(folder)
    now = json.loads(json.dumps(encoder))  # as JSON has it: a tuple is a list
    if model.encoder == now:
        return model, evaluation, read_items(folder)
    apart = sorted(name for name in model.encoder.keys() | now.keys() if model.encoder.get(name) != now.get(name))
    what = f"a model that differs in {', '.join(apart)}" if model.encoder else "an older version"
    raise UserError(f"those in {folder} came from {what} ({model.name})")


def _entry(source: dict[str, Any], newest: dict[str, Any]) -> dict[str, Any]:
    """What stands in the file of a benchmark: its environment only where that is not the newest evaluation's."""
    return {name: value for name, value in source.items() if (name, value) != ("environment", newest)}


def environment() -> dict[str, Any]:
    """Versions, machine and threads: what else may move a number."""
    import torch

    return {
        **{package: found for package in PACKAGES if (found := _version(package))},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
    }


def _version(package: str) -> str:
    """Empty for a package that is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
