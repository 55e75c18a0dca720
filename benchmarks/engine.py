"""How the data engine grows with its captions: seconds and peak memory of whole commands, 10³ to 10⁶ captions.

``python -m benchmarks engine`` prints the rows. Each size is a command of its own, ``rebind concepts`` or ``rebind
negatives`` with a file of captions, on as many processes as there are cores; memory is the sum over its processes.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.attention import Rows

SIZES = {"concepts": (1_000, 10_000, 100_000, 1_000_000), "negatives": (1_000, 10_000, 100_000)}
_COLOURS = ["red", "green", "blue", "white", "black", "brown", "yellow", "grey", "wooden", "plastic", "small", "old"]
_THINGS = ["cup", "chair", "table", "dog", "cat", "bicycle", "umbrella", "bench", "kite", "bowl", "train", "horse"]
_RELATIONS = ["on top of", "under", "next to", "in front of", "behind"]
_PEOPLE = ["man", "woman", "boy", "girl", "child"]
_DEEDS = ["holding", "looking at", "standing near", "sitting beside"]


def captions(count: int) -> Iterator[str]:
    """Different captions of 15 words or so."""
    words = itertools.product(_COLOURS, _THINGS, _RELATIONS, _COLOURS, _THINGS, _PEOPLE, _DEEDS, _COLOURS, _THINGS)
    every = itertools.islice(words, 0, None, 97)
    for colour, thing, relation, other, second, person, deed, third, last in itertools.islice(every, count):
        yield f"A {colour} {thing} {relation} the {other} {second}, and a {person} {deed} two {third} {last}s."


def run(command: str, count: int) -> tuple[float, float]:
    """Seconds and megabytes of a command on so many captions."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "captions.jsonl"
        with file.open("w") as lines:
            lines.writelines(
                json.dumps({"key": str(number), "caption": caption}) + "\n"
                for number, caption in enumerate(captions(count))
            )
        words = ["-m", "rebind", command, "--captions", str(file), "--out", f"{folder}/out.jsonl"]
        start = time.perf_counter()
        process = subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL)
        peak = [0.0]
        watcher = threading.Thread(target=_watch, args=(process, peak), daemon=True)
        watcher.start()
        if process.wait():
            raise RuntimeError(f"rebind {command} failed on {count} captions")
        watcher.join()
        return time.perf_counter() - start, peak[0]


def _watch(process: subprocess.Popen, peak: list[float]) -> None:
    """Keep the highest sum of the resident memory of a process and its children."""
    while process.poll() is None:
        peak[0] = max(peak[0], sum(map(_resident, _family(process.pid))))
        time.sleep(0.05)


def _family(pid: int) -> Iterator[int]:
    yield pid
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:  # gone already
        return
    for child in children:
        yield from _family(int(child))


def _resident(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return sum(float(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS:"))


def measure() -> Rows:
    """Captions per second and megabytes of every command and size."""
    rows: Rows = []
    for command, sizes in SIZES.items():
        for count in sizes:
            seconds, memory = run(command, count)
            about = {"captions": count, "processes": os.cpu_count()}
            rows.append(_row(f"rebind {command}", count / seconds, "captions/s", about))
            rows.append(_row(f"rebind {command}, all processes at their peak", memory, "MB", about))
    return rows


def _row(name: str, value: float, unit: str, settings: dict) -> dict:
    return {"name": name, "value": value, "unit": unit, "device": "cpu", "settings": settings}
