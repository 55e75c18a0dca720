"""Whether an annotation still speaks of the captions that it was made of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rebind.data.source import Source
from rebind.engine.parts import CANDIDATES, digest
from rebind.types import UserError

_FROM_OTHER_ROWS = {"refined", "min_frequency"}  # settings of stages that read rows of another stage


def item_of(source: Source, row: int) -> dict[str, Any]:
    """What the data engine reads of a sample: ``key`` and ``captions``, and ``concepts`` where it has any."""
    item: dict[str, Any] = {"key": source.keys[row], "captions": list(source.captions(row))}
    concepts = source.concepts(row)
    return {**item, "concepts": list(concepts)} if concepts else item


def require_fresh(source: Source, name: str) -> None:
    """Refuse an annotation that was written part by part, of captions that have changed since.

    Samples that were added at the end of the source change nothing: they have no annotation yet. Files written by hand
    say nothing of captions and are not looked at; nor are refined negatives and concepts of a minimal frequency whose
    candidates were deleted: these, not what was kept of them, were made of captions.

    Args:
        source: what is annotated, whatever was joined to it or left out of it.
        name: of the annotation.

    Raises:
        UserError: naming the sample that the first part with such captions begins with.
    """
    folder = source.annotations / name
    for place in (folder / CANDIDATES, folder):
        settings = _read(place / "settings.json")
        if settings and not _FROM_OTHER_ROWS & settings.keys():
            _require_same(source.opened, place, settings.get("part_size", 0), name)
            return


def _require_same(source: Source, folder: Path, size: int, name: str) -> None:
    for number, file in enumerate(sorted((folder / "parts").glob("*.json"))):
        record = _read(file)
        rows = range(number * size, min(number * size + record["rows"], len(source)))
        if digest([item_of(source, row) for row in rows]) != record["made_of"]:
            where = f"among the {len(rows):,} samples from {source.keys[rows[0]]!r} on" if rows else "samples are gone"
            raise UserError(
                f"captions of {source.path} have changed since `rebind {name}` ran ({where}); give that command again: "
                f"it makes anew what has changed"
            )


def _read(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
