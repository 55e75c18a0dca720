"""Checkpoints on disk: which one to continue from after a kill, and whether the same run is meant."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import yaml

from rebind.storage import write_text
from rebind.training.recipe import Recipe, read_settings
from rebind.types import UserError

_STATE = "trainer_state.json"  # Trainer writes it last: without it a checkpoint is half-written
# Settings that do not change what is learnt, or that a message of ours asks to change.
_MAY_DIFFER = {
    "out", "data", "label", "workers", "cache_images", "keep_checkpoints", "tensorboard", "max_broken_share",
}  # fmt: skip


def last_checkpoint(folder: Path) -> Path | None:
    """The newest complete checkpoint in ``folder``, if there is one."""
    complete = (path for path in folder.glob("checkpoint-*") if _state(path) is not None)
    return max(complete, key=step_of, default=None)


def step_of(checkpoint: Path) -> int:
    """The optimiser step that a checkpoint was written after."""
    return int(checkpoint.name.rpartition("-")[2])


def is_final(checkpoint: Path) -> bool:
    """Whether a complete checkpoint was written after the last step of its run."""
    state = _state(checkpoint)
    return state is not None and state["global_step"] >= state["max_steps"]


def remove_half_written(run: Path) -> None:
    """Remove from a run's folder the checkpoints and files that a kill interrupted."""
    incomplete = (path for path in (run / "checkpoints").glob("checkpoint-*") if _state(path) is None)
    for path in [*incomplete, *run.rglob(".*.partial"), *run.rglob(".*.replaced")]:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _state(checkpoint: Path) -> dict[str, Any] | None:
    try:
        return json.loads((checkpoint / _STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def claim_run(recipe: Recipe) -> None:
    """Write the recipe into the run's folder, or check that the run found there is this one.

    Raises:
        UserError: when the folder holds a run with other settings, or something that is no run.
    """
    written, settings = recipe.out / "recipe.yaml", recipe.as_dict()
    before = read_settings(written) if written.is_file() else settings
    if differing := _differing(before, settings):
        raise UserError(
            f"{recipe.out} holds a run with other settings ({differing}); choose another --out or remove that folder"
        )
    if not written.is_file() and recipe.out.exists() and not _is_empty(recipe.out):
        raise UserError(f"{recipe.out} holds files that are no run; choose another --out")
    if not written.is_file() or before != settings:
        write_text(written, yaml.safe_dump(settings, sort_keys=False, allow_unicode=True))


def _is_empty(folder: Path) -> bool:
    """Whether it is a folder without files, but for those that a kill left half-written."""
    return folder.is_dir() and all(path.name.endswith(".partial") for path in folder.iterdir())


def _differing(old: dict[str, Any], new: dict[str, Any]) -> str:
    names = [name for name in new if name not in _MAY_DIFFER and old.get(name) != new[name]]
    return "; ".join(f"{name} is {old.get(name)!r} there and {new[name]!r} here" for name in names)
