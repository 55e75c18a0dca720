"""Writing files so that nothing is ever half-written: a temporary name first, then a rename."""

from __future__ import annotations

import errno
import glob
import json
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rebind.types import UserError

_HOST = socket.gethostname()


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals while writing to ``path`` into one sentence each.

    Raises:
        UserError: when the disk or quota is full, the place is read-only or access is denied.
    """
    reasons = {
        errno.ENOSPC: "the disk is full; free some space or choose another folder",
        errno.EDQUOT: "the disk quota is used up; free some space or choose another folder",
        errno.EROFS: "the file system is read-only; choose another folder",
        errno.EACCES: "permission was denied; choose a folder that you may write to",
        errno.ENOTDIR: "a part of the path is a file, not a folder; choose another folder",
    }
    try:
        yield
    except OSError as error:
        if error.errno not in reasons:
            raise
        raise UserError(f"cannot write {path}: {reasons[error.errno]}") from error


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path (file or folder) beside ``path``; rename it to ``path`` if the block succeeds.

    An existing file or folder at ``path`` is replaced. On any error the temporary path is removed; what a process that
    was killed has left of the same ``path`` is removed, too.

    Raises:
        UserError: when the file system refuses (see :func:`disk_errors`).
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{_HOST}.{os.getpid()}.partial")
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        for left in _left_by_the_killed(path):
            _remove(left)
        try:
            yield temporary
            if path.is_dir():
                replaced = path.with_name(f".{path.name}.{os.getpid()}.replaced")
                path.rename(replaced)
                temporary.rename(path)
                shutil.rmtree(replaced)
            else:
                temporary.replace(path)
        finally:
            _remove(temporary)


def _left_by_the_killed(path: Path) -> list[Path]:
    """Temporary paths of ``path`` whose process no longer runs; other machines that share the disk keep theirs."""
    left = path.parent.glob(f".{glob.escape(path.name)}.{glob.escape(_HOST)}.*.partial")
    return [each for each in left if (owner := each.name.split(".")[-2]).isdecimal() and not _runs(int(owner))]


def _runs(process: int) -> bool:
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


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Make ``folder`` and keep other processes from writing to it until the block ends, however it ends.

    Network file systems that cannot lock a folder leave that to the user.

    Raises:
        UserError: when another process is at it, or the folder cannot be made.
    """
    import fcntl

    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"another process is writing to {folder}; wait for it to end") from None
        except OSError as error:
            if error.errno not in (errno.EBADF, errno.ENOLCK, errno.ENOTSUP):  # what NFS says of folders
                raise
        yield
    finally:
        os.close(lock)
