"""Where the parts are made: in this process, in several of this machine, or on a Ray cluster; always the same bytes."""

from __future__ import annotations

import logging
import multiprocessing
import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from typing import Any

from rebind.engine.parts import Parts
from rebind.engine.stage import Blocks, Stage, corpus_of
from rebind.types import UserError

ENGINES = ("local", "ray")
_CONNECTING = 10.0  # seconds that a Ray cluster has to answer
WORKER = "REBIND_WORKER"  # environment variable: the number of the worker, from 0


@dataclass(frozen=True)
class PartMaker:
    """Makes any part of a stage; pickled to whoever makes some."""

    stage: Stage
    blocks: Blocks
    parts: Parts

    def open(self) -> Callable[[int], int]:
        """A function from the number of a part to the number of its items; it writes the part."""
        work, corpus = self.stage.open(), corpus_of(self.stage)

        def make(number: int) -> int:
            items = self.blocks[number]
            self.parts.write(number, items, work(items), corpus)
            return len(items)

        return make


def make_parts(
    maker: PartMaker, numbers: Sequence[int], engine: str = "local", jobs: int = 1, address: str | None = None
) -> Iterator[int]:
    """Make some parts and yield the number of items of each as it is done.

    Args:
        maker: of the parts.
        numbers: of those to make.
        engine: ``local`` for processes of this machine, ``ray`` for Ray Data.
        jobs: how many workers.
        address: of a Ray cluster; a local one is started when None. A cluster must see the same file system.

    Raises:
        UserError: when the engine is unknown or not installed, or a worker process was killed.
    """
    if engine == "ray":
        yield from _on_ray(maker, numbers, jobs, address)
    elif engine != "local":
        raise UserError(f"unknown engine {engine!r}; choose one of {', '.join(ENGINES)}")
    elif address is not None:
        raise UserError(f"--address {address} is of a Ray cluster; it goes with --engine ray")
    elif min(jobs, len(numbers)) <= 1:
        os.environ[WORKER] = "0"
        yield from map(maker.open(), numbers)
    else:
        yield from _in_processes(maker, numbers, min(jobs, len(numbers)))


def _in_processes(maker: PartMaker, numbers: Sequence[int], jobs: int) -> Iterator[int]:
    # Not forked: the parent may have threads of torch or CUDA, which a fork does not survive.
    context = multiprocessing.get_context("spawn")
    ranks = context.SimpleQueue()
    for rank in range(jobs):
        ranks.put(rank)
    pool = ProcessPoolExecutor(jobs, context, _start_worker, (maker, ranks))
    try:
        rest = iter(numbers)
        running: set[Future[int]] = {pool.submit(_make_part, number) for number in islice(rest, 2 * jobs)}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            running |= {pool.submit(_make_part, number) for number in islice(rest, len(done))}
            for future in done:
                yield future.result()
    except BrokenProcessPool:
        raise UserError(
            "a worker process was killed, perhaps for lack of memory; the same command continues, with fewer --jobs"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


_opened: list[Callable[[int], int]] = []  # in a worker process: its maker


def _start_worker(maker: PartMaker, ranks: Any) -> None:
    os.environ[WORKER] = str(ranks.get())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _opened.append(maker.open())


def _make_part(number: int) -> int:
    return _opened[0](number)


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for work for ever, and keep the parts half made."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


class _RayWorker:
    def __init__(self, maker: PartMaker, numbers: Sequence[int]) -> None:
        self.make, self.numbers = maker.open(), numbers

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        try:
            return {"items": self.make(self.numbers[row["id"]]), "mistake": ""}
        except UserError as error:  # as a value: Ray wraps exceptions in pages of its own
            return {"items": 0, "mistake": str(error)}


def _on_ray(maker: PartMaker, numbers: Sequence[int], jobs: int, address: str | None) -> Iterator[int]:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    try:
        import ray
        import ray.data
    except ImportError:
        raise UserError("--engine ray needs the package ray; install it with: pip install 'rebind[ray]'") from None
    ours = not ray.is_initialized()
    if ours:
        _start_ray(ray, address, jobs)
    try:
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        ray.data.DataContext.get_current().enable_progress_bars = False
        rows = ray.data.range(len(numbers), override_num_blocks=len(numbers))
        gpus = getattr(maker.stage, "gpus", 0)
        pool = ray.data.ActorPoolStrategy(size=jobs)
        worker: Any = _RayWorker  # Ray's types speak of functions only
        made = rows.map(worker, fn_constructor_args=[maker, numbers], compute=pool, num_gpus=gpus)
        for row in made.iter_rows():
            if row["mistake"]:
                raise UserError(row["mistake"])
            yield row["items"]
    finally:
        if ours:
            ray.shutdown()


def _answers(address: str) -> bool:
    """Whether a Ray cluster may be at HOST:PORT; Ray itself would look for minutes, and print warnings meanwhile."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdecimal():  # such as "auto"; what else that may be is known to Ray at once
        return True
    try:
        with socket.create_connection((host.strip("[]"), int(port)), _CONNECTING) as server:
            server.settimeout(_CONNECTING)
            # gRPC servers greet first, with an HTTP/2 frame of type 4; those with TLS wait to be greeted.
            return os.environ.get("RAY_USE_TLS") == "1" or server.recv(4)[3:] == b"\x04"
    except (OSError, OverflowError):  # the latter of ports that cannot be
        return False


def _start_ray(ray: Any, address: str | None, jobs: int) -> None:
    if address is not None and not _answers(address):
        raise UserError(f"no Ray cluster answers at {address}; correct --address, or leave it out to use this machine")
    quiet = {"include_dashboard": False} if address is None else {}
    cpus = {"num_cpus": jobs} if address is None else {}
    try:
        ray.init(address=address or "local", logging_level="error", log_to_driver=False, **quiet, **cpus)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise UserError(f"no Ray cluster answers at {address}: {str(error).splitlines()[0]}") from None
