"""Writing files so that nothing is ever half-written: a temporary name first, then a rename."""

from __future__ import annotations

import errno
import glob
import json
import os
import re
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any

from rebind.types import UserError

_FORSAKEN = 86_400  # seconds after which what another container or machine has left half-written may go


def _home_of_processes() -> str:
    """Eight hex digits for where numbers of processes hold: one container of a machine, since the machine was started.

    Containers may share disk and host name, and each has a process 17 of its own.
    """
    marks = [socket.gethostname()]
    with suppress(OSError):  # other systems than Linux have neither file
        marks.append(Path("/proc/sys/kernel/random/boot_id").read_text())
    with suppress(OSError):
        marks.append(os.readlink("/proc/self/ns/pid"))
    return blake2b("\0".join(marks).encode(), digest_size=4).hexdigest()


_HOME = _home_of_processes()


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals while writing to ``path`` into one sentence each.

    Raises:
        UserError: when the disk or quota is full, the place is read-only, access is denied, or no file or folder can
            be made there.
    """
    reasons = {
        errno.ENOSPC: "the disk is full; free some space or choose another folder",
        errno.EDQUOT: "the disk quota is used up; free some space or choose another folder",
        errno.EROFS: "the file system is read-only; choose another folder",
        errno.EACCES: "permission was denied; choose a folder that you may write to",
        errno.ENOTDIR: "a part of the path is a file, not a folder; choose another folder",
    }
    of_the_path = {
        errno.EEXIST: "there is a file of that name where a folder should be; choose another folder",
        errno.ENOENT: "nothing can be made at that place; choose another folder",
    }
    try:
        yield
    except OSError as error:
        if str(error.filename) in map(str, (path, *path.parents)):  # else it is some other file that is missing
            reasons |= of_the_path
        if error.errno not in reasons:
            raise
        raise UserError(f"cannot write {path}: {reasons[error.errno]}") from error


def require_no_folder(path: Path) -> None:
    """Refuse to write a file where a folder is; a command does so before any work.

    Raises:
        UserError: when ``path`` is a folder.
    """
    if Path(path).is_dir():
        raise UserError(f"cannot write {path}: it is a folder; give the name of a file")


@contextmanager
def atomic_path(path: Path, folder: bool = False) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` for one file; rename it to ``path`` if the block succeeds.

    An existing file at ``path`` is replaced. On any error the temporary path is removed; what a process that was killed
    has left of the same ``path`` is removed, too; if it ran in another container or on another machine, after a day.

    Args:
        path: of the file.
        folder: a folder is written, not a file, and an existing one is replaced with all that it holds.

    Raises:
        UserError: when a file is to be written and ``path`` is a folder, or the file system refuses (see
            :func:`disk_errors`).
    """
    path = Path(path)
    if not folder:
        require_no_folder(path)
    temporary = path.with_name(f".{path.name}.{_HOME}.{os.getpid()}.partial")
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        for left in _left_by_the_killed(path):
            _remove(left)
        try:
            yield temporary
            if folder and path.is_dir():
                replaced = temporary.with_suffix(".replaced")
                path.rename(replaced)
                temporary.rename(path)
                shutil.rmtree(replaced)
            else:
                temporary.replace(path)
        finally:
            _remove(temporary)


def _left_by_the_killed(path: Path) -> list[Path]:
    """Temporary paths of ``path`` whose process no longer runs."""
    named = re.compile(re.escape(f".{path.name}.") + r"([0-9a-f]{8})\.(\d+)\.partial")
    there = path.parent.glob(f".{glob.escape(path.name)}.*.partial")
    matches = ((each, named.fullmatch(each.name)) for each in there)
    return [each for each, match in matches if match and not _is_at_work(each, match[1], int(match[2]))]


def _is_at_work(temporary: Path, home: str, process: int) -> bool:
    """Whether a process runs; one of another home may, until its temporary path was untouched for a day."""
    if home != _HOME:
        with suppress(FileNotFoundError):
            return time.time() - temporary.stat().st_mtime < _FORSAKEN
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is somebody else's
        return True
    return True


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` atomically, as UTF-8."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` to ``path`` atomically as indented JSON."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def cache_folder(place: str | Path | None = None) -> Path | None:
    """Where to keep what can be made again: ``place``, else what REBIND_CACHE says, else ``~/.cache/rebind``.

    Returns:
        The folder, which need not exist; None for ``none``, and for a user without a home.
    """
    place = place or os.environ.get("REBIND_CACHE") or "~/.cache/rebind"
    try:
        return None if str(place) == "none" else Path(place).expanduser()
    except RuntimeError:  # what pathlib says of those
        return None


@contextmanager
def only_writer(folder: Path, wait: bool = False) -> Iterator[None]:
    """Make ``folder`` and keep other processes from writing to it until the block ends, however it ends.

    Network file systems that cannot lock a folder leave that to the user.

    Args:
        folder: the folder itself; those in it are not locked.
        wait: for another process to end its block, rather than to refuse.

    Raises:
        UserError: when another process is at it, or the folder cannot be made.
    """
    import fcntl

    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"another process is writing to {folder}; wait for it to end") from None
        except OSError as error:
            if error.errno not in (errno.EBADF, errno.ENOLCK, errno.ENOTSUP):  # what NFS says of folders
                raise
        yield
    finally:
        os.close(lock)


def hold(folder: Path) -> int:
    """Make ``folder`` and keep :func:`only_writer` from it until the file descriptor returned is closed.

    Any number of processes may hold a folder; what a process holds goes with it, however it ends. While there is a
    writer, this waits for it.

    Raises:
        UserError: when the folder cannot be made.
    """
    import fcntl

    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY)
    with suppress(OSError):  # network file systems that cannot lock a folder
        fcntl.flock(lock, fcntl.LOCK_SH)
    return lock
