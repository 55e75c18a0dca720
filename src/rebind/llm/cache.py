"""Answers kept by the content of their question, so that none is paid for twice."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any

from rebind.storage import disk_errors
from rebind.types import UserError

_FILE = "answers.sqlite"
_PATIENCE = 60  # seconds to wait for other processes to finish writing


def content_key(content: Any) -> bytes:
    """A fingerprint of anything JSON can hold: 32 bytes of BLAKE2b."""
    return blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=32).digest()


class AnswerCache:
    """Answers in an SQLite file, one row each; any number of threads and processes of one machine may share it.

    Each answer is a transaction of its own in the write-ahead log, so a process that is killed loses none that it had
    put and breaks nothing. Network file systems that cannot lock files are no place for it.

    Attributes:
        file: where it lies.
    """

    def __init__(self, folder: Path) -> None:
        """Open the cache in ``folder``, or begin one.

        Raises:
            UserError: when the folder cannot be written or the file is not such a cache.
        """
        self.file = Path(folder) / _FILE
        self._lock = threading.Lock()
        try:
            with disk_errors(self.file):
                self.file.parent.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise UserError(f"cannot keep answers in {folder}: it is a file; choose another folder") from None
        # Processes that begin it at the same moment would lock each other out, whatever their patience.
        with self._sentences(), _one_at_a_time(self.file.parent):
            # One connection behind one lock: a look-up takes microseconds, an answer seconds.
            self._database = sqlite3.connect(self.file, _PATIENCE, isolation_level=None, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS answers (key BLOB PRIMARY KEY, answer TEXT NOT NULL) WITHOUT ROWID"
            )

    def get(self, key: bytes) -> dict[str, Any] | None:
        """What was put under ``key``."""
        with self._lock, self._sentences():
            row = self._database.execute("SELECT answer FROM answers WHERE key = ?", (key,)).fetchone()
        return None if row is None else json.loads(row[0])

    def put(self, key: bytes, answer: dict[str, Any]) -> None:
        """Keep ``answer`` under ``key``, in place of any before it."""
        with self._lock, self._sentences():
            self._database.execute("INSERT OR REPLACE INTO answers VALUES (?, ?)", (key, json.dumps(answer)))

    @contextmanager
    def _sentences(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise UserError(f"cannot use the answers kept in {self.file} ({error}); choose another folder") from error
        except sqlite3.DatabaseError as error:
            raise UserError(f"{self.file} holds no answers ({error}); remove it or choose another folder") from error


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Wait until no other process is in such a block, even one that was killed there."""
    import fcntl

    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
