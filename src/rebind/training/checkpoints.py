"""Checkpoints on disk: which one to continue from after a kill, and whether the same run is meant."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import yaml

from rebind.storage import write_text
from rebind.training.recipe import Recipe
from rebind.types import UserError

_STATE = "trainer_state.json"  # Trainer writes it last: without it a checkpoint is half-written
_MAY_DIFFER = {"out", "data", "workers", "cache_images", "keep_checkpoints", "tensorboard", "label"}


def last_checkpoint(folder: Path) -> Path | None:
    """The newest complete checkpoint in ``folder``; half-written ones, left by a kill, are removed."""
    complete = []
    for checkpoint in folder.glob("checkpoint-*"):
        if _is_complete(checkpoint):
            complete.append(checkpoint)
        else:
            shutil.rmtree(checkpoint)
    return max(complete, key=step_of, default=None)


def step_of(checkpoint: Path) -> int:
    """The optimiser step that a checkpoint was written after."""
    return int(checkpoint.name.rpartition("-")[2])


def _is_complete(checkpoint: Path) -> bool:
    try:
        json.loads((checkpoint / _STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return True


def claim_run(recipe: Recipe) -> None:
    """Write the recipe into the run's folder, or check that the run found there is this one.

    Raises:
        UserError: when the folder holds a run with other settings, or something that is no run.
    """
    written = recipe.out / "recipe.yaml"
    if written.is_file():
        differing = _differing(yaml.safe_load(written.read_text(encoding="utf-8")), recipe.as_dict())
        if differing:
            raise UserError(
                f"{recipe.out} holds a run with other settings ({differing}); choose another --out or remove it"
            )
    elif recipe.out.is_dir() and any(recipe.out.iterdir()):
        raise UserError(f"{recipe.out} holds files that are no run; choose another --out")
    else:
        write_text(written, yaml.safe_dump(recipe.as_dict(), sort_keys=False, allow_unicode=True))


def _differing(old: dict[str, Any], new: dict[str, Any]) -> str:
    names = [name for name in new if name not in _MAY_DIFFER and old.get(name) != new[name]]
    return "; ".join(f"{name} is {old.get(name)!r} there and {new[name]!r} here" for name in names)
