"""Indexes of shards, kept in the cache folder: an archive is read once, and not at each opening in each process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from rebind.data.shard_index import read_shard
from rebind.storage import atomic_path, cache_folder, only_writer
from rebind.types import RebindWarning, UserError

if TYPE_CHECKING:
    import pyarrow

FORMAT = 2  # goes up whenever `read_shard` would make something else of the same archive
_DIGEST = 16  # bytes
_RACY = 2_000_000_000  # nanoseconds within which a file may change again without its time of change doing so
_STALE = 86_400  # seconds after which the index of what a shard was before may go
_PATIENCE = 2.0  # seconds of reading before other processes are started to help
_HELPERS = 15  # at most; disks are not faster than so many
_HELP = "from rebind.data.shard_cache import help_out; help_out()"


def read_shards(shards: Sequence[Path]) -> Iterator[pyarrow.Table]:
    """What :func:`~rebind.data.shard_index.read_shard` says of each shard, from its index where that is current.

    The index of a shard is ``shards/<digest of its path>/<size>-<time of change>-<format>.arrow`` in the
    :func:`~rebind.storage.cache_folder`. Its last bytes are a digest of the others: a damaged one is made anew. When it
    is written, those of the same path that are older than a day go; younger ones may belong to a machine that has
    another shard there. Processes that open the same shards at the same time, on one machine or several, share the
    work: each reads those that no other is at. What takes longer than two seconds is shared with processes that are
    started for it, one for each core, since reading headers is work for Python.

    Trouble with the folder costs time, never an opening: it is warned of, and nothing is kept.

    Raises:
        UserError: as ``read_shard``, for the first shard that is wrong.
    """
    cache = _Cache(cache_folder())
    missing = [shard for shard in shards if (file := cache.file(shard)) is None or not file.is_file()]
    with _progress(missing) as done, ExitStack() as stack:
        if cache.folder is not None:
            with suppress(UserError):  # raised again below, where the first wrong shard comes first
                _share(cache, missing, stack, done)
        for shard in shards:
            yield cache.table(shard)
            done(shard)


def help_out() -> None:
    """Index those shards of a list on standard input that no other process is at, as long as the caller runs."""
    caller, cache = os.getppid(), _Cache(cache_folder())
    warnings.simplefilter("ignore")
    for shard in sys.stdin.buffer.read().split(b"\0"):
        with suppress(UserError, OSError):
            cache.index_if_free(Path(os.fsdecode(shard)))
        if os.getppid() != caller:
            break


class _Cache:
    def __init__(self, folder: Path | None) -> None:
        self.folder = None if folder is None else folder / "shards"

    def file(self, shard: Path) -> Path | None:
        """Where the index of a shard is, or would be; None if it cannot be kept, as when the shard is just written."""
        state = shard.stat()
        if self.folder is None or time.time_ns() - state.st_mtime_ns < _RACY:
            return None
        digest = blake2b(os.fsencode(os.path.abspath(shard)), digest_size=_DIGEST).hexdigest()
        return self.folder / digest / f"{state.st_size}-{state.st_mtime_ns}-{FORMAT}.arrow"

    def table(self, shard: Path) -> pyarrow.Table:
        """What the shard holds; kept if it was not yet. Another process that is at it is waited for."""
        file = self.file(shard)
        if file is None:
            return read_shard(shard)
        if (table := _read(file)) is not None:
            return table
        with ExitStack() as stack:
            with self._warned():
                stack.enter_context(only_writer(file.parent, wait=True))
            table = _read(file)
            return self._index(shard, file) if table is None else table

    def index_if_free(self, shard: Path) -> bool:
        """Keep what the shard holds, unless another process is at it, or it cannot be; whether it is kept now."""
        with ExitStack() as stack:
            file = self.file(shard)
            if file is None or file.is_file():
                return file is not None
            try:
                stack.enter_context(only_writer(file.parent))
            except (UserError, OSError):
                return False
            if not file.is_file():
                self._index(shard, file)
            return file.is_file()

    def _index(self, shard: Path, file: Path) -> pyarrow.Table:
        table = read_shard(shard)
        if self.file(shard) == file:  # else it changed meanwhile, or there was trouble
            with self._warned():
                _write(file, table)
                for other in file.parent.glob("*.arrow"):
                    if time.time() - other.stat().st_mtime > _STALE:
                        other.unlink()
        return table

    @contextmanager
    def _warned(self) -> Iterator[None]:
        try:
            yield
        except (UserError, OSError) as error:
            self.folder = None
            what = f"what the shards hold is not kept for the next opening: {error}"
            warnings.warn(what, RebindWarning, stacklevel=3)


def _read(file: Path) -> pyarrow.Table | None:
    """The table; None if there is none, or the file is damaged."""
    import pyarrow

    try:
        data = memoryview(file.read_bytes())
    except OSError:
        return None
    if blake2b(data[:-_DIGEST], digest_size=_DIGEST).digest() != data[-_DIGEST:]:
        return None
    return pyarrow.ipc.open_stream(pyarrow.py_buffer(data[:-_DIGEST])).read_all()


def _write(file: Path, table: pyarrow.Table) -> None:
    import pyarrow

    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema, options=pyarrow.ipc.IpcWriteOptions(compression="zstd")) as stream:
        stream.write_table(table)
    data = sink.getvalue()
    with atomic_path(file) as temporary:
        temporary.write_bytes(b"".join([data, blake2b(data, digest_size=_DIGEST).digest()]))


def _share(cache: _Cache, shards: Sequence[Path], stack: ExitStack, done: Callable[[Path], None]) -> None:
    """Index shards one after the other, and from when it takes long with the help of others."""
    start, helped = time.monotonic(), False
    for number, shard in enumerate(shards):
        if not helped and time.monotonic() - start > _PATIENCE:
            helped = True
            stack.enter_context(_helpers(min(_cores() - 1, _HELPERS, len(shards) - number - 1), shards[number:]))
        if cache.index_if_free(shard):
            done(shard)


@contextmanager
def _helpers(count: int, shards: Sequence[Path]) -> Iterator[None]:
    """Processes that :func:`help_out` until the block ends. Unlike multiprocessing's they need no guarded script."""
    quiet = subprocess.DEVNULL
    helpers: list[subprocess.Popen[bytes]] = []
    try:
        with suppress(OSError):  # there is no room for more, or one has died
            for _ in range(count):
                helpers.append(
                    subprocess.Popen([sys.executable, "-c", _HELP], stdin=subprocess.PIPE, stdout=quiet, stderr=quiet)
                )
            for helper in helpers:
                assert helper.stdin is not None
                helper.stdin.write(b"\0".join(map(os.fsencode, shards)))
                helper.stdin.close()
        yield
    finally:
        for helper in helpers:
            helper.terminate()
            helper.wait()


def _cores() -> int:
    """Those that this process may use, shared with the others of a ``torchrun``."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return usable // int(os.environ.get("LOCAL_WORLD_SIZE", 1))


@contextmanager
def _progress(shards: Sequence[Path]) -> Iterator[Callable[[Path], None]]:
    """On a terminal, if any shards are to be read; of several processes of a ``torchrun`` the first has it."""
    if not shards or not sys.stderr.isatty() or os.environ.get("LOCAL_RANK", "0") != "0":
        yield lambda shard: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task, rest = bar.add_task("indexing shards", total=len(shards)), set(shards)

        def done(shard: Path) -> None:
            rest.discard(shard)
            bar.update(task, completed=len(shards) - len(rest))

        yield done
