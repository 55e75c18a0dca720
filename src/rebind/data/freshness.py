"""Whether an annotation still speaks of the captions that it was made of."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from rebind.data.rows import read_rows
from rebind.data.source import Source
from rebind.engine.parts import CANDIDATES, Parts, digest
from rebind.types import RebindWarning, UserError

_FROM_OTHER_ROWS = {"refined", "min_frequency"}  # settings of stages that read rows of another stage


def item_of(source: Source, row: int) -> dict[str, Any]:
    """What the data engine reads of a sample: ``key`` and ``captions``, and ``concepts`` where it has any."""
    item: dict[str, Any] = {"key": source.keys[row], "captions": list(source.captions(row))}
    concepts = source.concepts(row)
    return {**item, "concepts": list(concepts)} if concepts else item


def require_fresh(source: Source, name: str) -> None:
    """Refuse an annotation that was written part by part, of captions or samples that have changed since.

    Samples that were added at the end of the source change nothing: they have no annotation yet, which is warned of.
    Files written by hand say nothing of captions and are not looked at; nor are refined negatives and concepts of a
    minimal frequency whose candidates were deleted: these, not what was kept of them, were made of captions.

    Args:
        source: what is annotated, whatever was joined to it or left out of it.
        name: of the annotation.

    Raises:
        UserError: saying whether captions or samples have changed, and naming the sample that the first part where
            they did begins with; when the record of a part is damaged.
    """
    folder = source.annotations / name
    for parts in (Parts(folder / CANDIDATES, "jsonl"), Parts(folder, "jsonl")):
        settings = parts.settings()
        if settings and not _FROM_OTHER_ROWS & settings.keys():
            _require_same(source.opened, parts, settings.get("part_size", 0), name)
            return


def _require_same(source: Source, parts: Parts, size: int, name: str) -> None:
    records = parts.records()
    for number, record in records.items():
        rows = range(number * size, min(number * size + record["rows"], len(source)))
        if digest([item_of(source, row) for row in rows]) != record["made_of"]:
            same = _keys(parts.path(number)) == [source.keys[row] for row in rows]
            what = ("captions of", "have changed") if same else ("samples of", "were added, removed or moved")
            where = f"among the {len(rows):,} samples from {source.keys[rows[0]]!r} on" if rows else "in the end"
            raise UserError(
                f"{what[0]} {source.path} {what[1]} since `rebind {name}` ran ({where}); give that command again: it "
                "makes anew what has changed"
            )
    more = len(source) - sum(record["rows"] for record in records.values())
    if records and more:
        text = f"{more:,} of the {len(source):,} samples in {source.path} have no {name} yet; run `rebind {name}` again"
        warnings.warn(text, RebindWarning, stacklevel=2)


def _keys(part: Path) -> list[str]:
    return [row["key"] for _, row in read_rows(part, ("key",))] if part.is_file() else []
