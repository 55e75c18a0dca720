"""How the data engine grows with its captions: seconds and peak memory of whole commands, 10³ to 10⁶ captions.

``python -m benchmarks engine`` prints the rows. Each size is a command of its own, ``rebind concepts`` or ``rebind
negatives`` with a file of captions, on as many processes as there are cores; memory is the sum over its processes. So
is the opening of shards, without an index, with a new one and with that.
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
from rebind.data.writing import write_shards

SIZES = {"concepts": (1_000, 10_000, 100_000, 1_000_000), "negatives": (1_000, 10_000, 100_000, 1_000_000)}
SAMPLES = 200_000
_OPEN = "import sys; from rebind.data import open_source; open_source(sys.argv[1])"
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
        return _timed("-m", "rebind", command, "--captions", str(file), "--out", f"{folder}/out.jsonl")


def open_shards() -> Iterator[tuple[str, float, float]]:
    """What is opened, and seconds and megabytes of a process that opens it and ends."""
    with tempfile.TemporaryDirectory() as folder:
        shards, cache = Path(folder) / "shards", f"{folder}/cache"
        samples = ((f"{number:09d}", b"\x89PNG", caption) for number, caption in enumerate(captions(SAMPLES)))
        write_shards(shards, samples, samples_per_shard=5_000)
        for shard in shards.iterdir():
            os.utime(shard, (0, 0))
        for name, place in (("no index", "none"), ("a new index", cache), ("an index", cache)):
            yield f"opening shards with {name}", *_timed("-c", _OPEN, str(shards), REBIND_CACHE=place)


def _timed(*words: str, **environment: str) -> tuple[float, float]:
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL, env={**os.environ, **environment})
    peak = [0.0]
    watcher = threading.Thread(target=_watch, args=(process, peak), daemon=True)
    watcher.start()
    if process.wait():
        raise RuntimeError(f"python {' '.join(words)} failed")
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
    for name, seconds, memory in open_shards():
        about = {"samples": SAMPLES, "processes": os.cpu_count()}
        rows.append(_row(name, SAMPLES / seconds, "samples/s", about))
        rows.append(_row(f"{name}, all processes at their peak", memory, "MB", about))
    for command, sizes in SIZES.items():
        for count in sizes:
            seconds, memory = run(command, count)
            about = {"captions": count, "processes": os.cpu_count()}
            rows.append(_row(f"rebind {command}", count / seconds, "captions/s", about))
            rows.append(_row(f"rebind {command}, all processes at their peak", memory, "MB", about))
    return rows


def _row(name: str, value: float, unit: str, settings: dict) -> dict:
    return {"name": name, "value": value, "unit": unit, "device": "cpu", "settings": settings}
