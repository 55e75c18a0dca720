"""Commands killed at random moments of their work, and folders compared byte by byte."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

TESTS = Path(__file__).parent


def contents(folder):
    """Every file below a folder, by its path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def start(words, **environment):
    """``python WORDS`` in a session of its own, so that what it leaves behind can be counted."""
    paths = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths, **environment}
    return subprocess.Popen(
        [sys.executable, *map(str, words)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def run_to_the_end(words, **environment):
    """What a command says that must succeed."""
    process = start(words, **environment)
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    return said


def kill_at_random(words, watched, kills=10, longest=1.0, seed=0, **environment):
    """Start a command again and again and kill it with SIGKILL at random moments after it began to write.

    Args:
        words: what follows ``python``.
        watched: a folder; the command is at work once something in it is newer than its start.
        kills: how often.
        longest: seconds that it may work at most before it is killed.

    Returns:
        How many of the kills met it at work, rather than done.
    """
    rng, met = random.Random(seed), 0
    for _ in range(kills):
        before = _newest(watched)
        process = start(words, **environment)
        deadline = time.monotonic() + 60
        while process.poll() is None and _newest(watched) == before and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(rng.uniform(0, longest))
        met += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)  # ends when workers, who hold the same pipe, have ended, too
    return met


def _newest(folder):
    times = []
    for parent, _, names in os.walk(folder):  # which passes over what is gone by then
        for path in (parent, *(os.path.join(parent, name) for name in names)):
            with suppress(FileNotFoundError):
                times.append((path, os.stat(path).st_mtime_ns))
    return sorted(times)
