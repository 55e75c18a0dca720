"""The built-in world's benchmark: foils, retrieval, zero-shot classes and retention, read from one folder."""

from __future__ import annotations

from pathlib import Path

from rebind.benchmarks.foils import FoilBenchmark, read_foils
from rebind.benchmarks.joint import JointBenchmark
from rebind.benchmarks.retrieval import read_retrieval
from rebind.benchmarks.zero_shot import read_zero_shot
from rebind.types import UserError

NAME = "world"
HELD_OUT = "held_out"  # shape-colour pairs that training never showed: a question of its own, kept out of averages


def read_world(folder: Path) -> JointBenchmark:
    """Read the ``test`` folder of what ``rebind world`` wrote.

    It holds ``scenes/`` (a source of captioned images), ``foils/CATEGORY.json`` in the format of SugarCrepe with file
    names relative to ``test``, ``zero_shot/`` and ``retention/`` (see :func:`rebind.benchmarks.read_zero_shot`).

    Args:
        folder: the world's folder, or its ``test`` folder.

    Raises:
        UserError: naming what is missing or wrong.
    """
    test = test_folder(folder)
    for part in ("scenes", "foils", "zero_shot", "retention"):
        if not (test / part).is_dir():
            raise UserError(
                f"{folder} is not a world: {test / part} is missing; write one with `rebind world --out DIR`"
            )
    return JointBenchmark(
        NAME,
        [
            FoilBenchmark(NAME, read_foils(test / "foils", test), apart=frozenset([HELD_OUT])),
            read_retrieval(test / "scenes", NAME),
            read_zero_shot(test / "zero_shot", NAME, "zero_shot"),
            read_zero_shot(test / "retention", NAME, "retention"),
        ],
    )


def test_folder(folder: Path) -> Path:
    """The ``test`` folder of a world, which may be the folder itself."""
    return folder / "test" if (folder / "test").is_dir() else folder
