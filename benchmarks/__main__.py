"""``python -m benchmarks [SUBJECT …] --json FILE``: measure, print one table, write JSON.

All ratios are of one run: what is compared is timed in turns, and the values are medians. An undisturbed machine helps.
"""

from __future__ import annotations

import argparse
import importlib
import platform
import sys
import time
from pathlib import Path
from typing import Any

import torch
import transformers
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.attention import Rows
from rebind.storage import write_json

SUBJECTS = ("attention", "steps", "caching", "world", "engine", "evaluation")


def environment() -> dict[str, Any]:
    """What the numbers depend on, apart from the code."""
    cuda = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    versions = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
    return {**versions, "threads": torch.get_num_threads(), "machine": platform.machine(), "cuda": cuda}


def print_table(rows: Rows) -> None:
    """One line a row; what is the same within a subject stands in the settings."""
    table = Table(box=box.SIMPLE, pad_edge=False)
    for title, justify in (("value", "right"), ("unit", "left"), ("what", "left"), ("device", "left")):
        table.add_column(title, justify=justify, no_wrap=title != "what")  # type: ignore[arg-type]
    table.add_column("settings", overflow="fold")
    for row in rows:
        settings = ", ".join(f"{name} {value}" for name, value in row["settings"].items())
        table.add_row(f"{row['value']:.4g}", row["unit"], row["name"], row["device"], settings)
    Console(width=None if sys.stdout.isatty() else 180).print(table)


def main() -> None:
    """Measure what is asked for, all if nothing is."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Ratios of one run, on CPU and CUDA.")
    parser.add_argument(
        "subjects", nargs="*", metavar="subject", help=f"of {', '.join(SUBJECTS)}; all if none is given"
    )
    parser.add_argument("--json", type=Path, default=Path("benchmarks.json"), help="file to write")
    asked = parser.parse_args()
    if unknown := set(asked.subjects) - set(SUBJECTS):
        parser.error(f"there is no {', '.join(sorted(unknown))}; known are {', '.join(SUBJECTS)}")
    rows: Rows = []
    for subject in asked.subjects or SUBJECTS:
        start = time.perf_counter()
        print(f"{subject} …", end=" ", file=sys.stderr, flush=True)
        found = importlib.import_module(f"benchmarks.{subject}").measure()
        rows += [{"subject": subject, **each} for each in found]
        print(f"{time.perf_counter() - start:.0f} s", file=sys.stderr)
        write_json(asked.json, {"environment": environment(), "rows": rows})
    print_table(rows)
    print(f"The numbers are in {asked.json}")


if __name__ == "__main__":
    main()
