"""``metrics.jsonl``: one row of losses and rates every few steps, gapless across kills."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from rebind.storage import atomic_path, disk_errors


class MetricsFile:
    """Appends rows; on resuming, rows written after the checkpoint are dropped, since they will be written again.

    Args:
        path: the file.
        resume_step: keep rows up to this step.
        writes: False in all processes but one: they keep count of the last row only.

    Attributes:
        last: the last row; before the first, all zero.
    """

    def __init__(self, path: Path, resume_step: int, writes: bool = True) -> None:
        self.path, self.writes = path, writes
        kept = [row for row in read_metrics(path) if row["step"] <= resume_step]
        self.last: dict[str, Any] = kept[-1] if kept else {"step": 0, "seconds": 0.0}
        if writes:
            with atomic_path(path) as temporary:
                temporary.write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")

    def append(self, row: dict[str, Any]) -> None:
        """Add one row and hand it to the disk, so that a kill loses none."""
        self.last = row
        if not self.writes:
            return
        with disk_errors(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
            file.flush()
            os.fsync(file.fileno())


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """All whole rows; a last line that a kill cut short is left out. No file, no rows."""
    if not path.is_file():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows
