"""``results.json``: the one file that evaluations write and reports read."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rebind.storage import write_json
from rebind.types import BrokenSample, Score


def write_results(
    folder: Path,
    scores: Sequence[Score],
    *,
    model: str,
    objective: str,
    seed: int,
    settings: dict[str, Any],
    broken: Sequence[BrokenSample] = (),
) -> Path:
    """Write ``results.json`` into ``folder`` atomically and return its path.

    Args:
        folder: made when missing; an older results.json in it is replaced.
        scores: the rows.
        model: folder or name of the model that was scored.
        objective: what it was trained with, ``base`` when it was only loaded.
        seed: of its training run.
        settings: anything that JSON holds.
        broken: images that could not be read; ``broken_images`` names them.

    Raises:
        UserError: when the file system refuses.
    """
    path = folder / "results.json"
    content = {
        "model": model,
        "objective": objective,
        "seed": seed,
        "settings": settings,
        "environment": environment(),
        "scores": [score.as_dict() for score in scores],
        "broken_images": [{"image": each.key, "reason": each.reason} for each in broken],
    }
    write_json(path, content)
    return path


def environment() -> dict[str, Any]:
    """Versions, machine and threads: what else may move a number."""
    import torch

    return {
        **{package: version(package) for package in ("rebind", "torch", "transformers", "numpy")},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
    }
