"""Files at http(s) addresses: how large they are, and their bytes, continued where a connection was lost."""

from __future__ import annotations

import hashlib
import json
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import TypeVar
from urllib.error import HTTPError

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from rebind.benchmarks.downloading.opening import opener
from rebind.storage import disk_errors, write_json
from rebind.types import UserError

_BYTES_AT_ONCE = 1 << 18
_BUSY = (408, 425, 429)  # and everything from 500
_PART, _NO_SUCH_PART = 206, 416
_NO_HEAD = (403, 405, 501)  # what servers say that answer GET only
_HTML = (b"<!doctype html", b"<html")

Result = TypeVar("Result")


@dataclass(frozen=True)
class Patience:
    """How long a server is waited for.

    Attributes:
        attempts: in a row that bring no new bytes.
        longest_wait: seconds between two of them; the wait is random and doubles from one second.
        timeout: seconds without a byte after which a connection counts as lost.
    """

    attempts: int = 6
    longest_wait: float = 30.0
    timeout: float = 60.0


@dataclass(frozen=True)
class Promise:
    """What a server says of a file before it is fetched.

    Attributes:
        size: in bytes; None where it does not say.
        version: its strong ETag, else the time of its last change; empty where it says neither, so that what was
            fetched before cannot be continued.
        files: how many files it is; more than one for a folder of the Hugging Face hub.
    """

    size: int | None
    version: str = ""
    files: int = 1


class _LostError(Exception):
    """The connection was lost or the server is busy: worth another attempt."""


class _RefusedError(UserError):
    """The server will not give the file, however often it is asked."""

    def __init__(self, address: str, error: HTTPError) -> None:
        super().__init__(f"{address} cannot be downloaded: the server says {error.code} {error.reason}")
        self.code = error.code


def ask(address: str, patience: Patience) -> Promise:
    """Size and version of a file, without its bytes.

    Raises:
        UserError: when the server is not reached, refuses, or has an HTML page there.
    """
    try:
        return _patiently(partial(_promise, address, "HEAD", patience.timeout), address, patience)
    except _RefusedError as refused:
        if refused.code not in _NO_HEAD:
            raise
        return _patiently(partial(_promise, address, "GET", patience.timeout), address, patience)


def fetch(
    address: str, path: Path, promise: Promise, patience: Patience, sha256: str, report: Callable[[int], object]
) -> None:
    """Fetch a file; what an earlier call fetched of the same version is continued.

    Until it is whole, it is ``.NAME.partial`` beside ``path``, and its version ``.NAME.partial.json``.

    Args:
        address: of the file.
        path: where it goes.
        promise: what :func:`ask` said.
        patience: how long the server is waited for.
        sha256: of the whole file, in hexadecimal; empty where nobody knows.
        report: is told how many bytes are there, again and again.

    Raises:
        UserError: when the server is lost for good or refuses, has another length or digest than promised or an HTML
            page, or the disk is full; what is worth continuing is left.
    """
    file = _PartialFile(address, path, promise, report)
    while not _patiently(partial(file.go_on, patience.timeout), address, patience):
        pass
    file.finish(sha256)


class _PartialFile:
    """A file on its way."""

    def __init__(self, address: str, path: Path, promise: Promise, report: Callable[[int], object]) -> None:
        self._address, self._path, self._promise, self._report = address, path, promise, report
        self._partial = path.with_name(f".{path.name}.partial")
        self._note = path.with_name(f".{path.name}.partial.json")
        self._most = self.kept()

    def go_on(self, timeout: float) -> bool:
        """Fetch until the file is whole (True), or the connection is lost after it brought something new (False).

        Raises:
            _LostError: when it brought nothing new.
            UserError: as :func:`fetch`.
        """
        kept = self.kept()
        if kept and kept == self._promise.size:
            return True
        wanted = {"Range": f"bytes={kept}-", "If-Range": self._promise.version} if kept else {}
        try:
            with _answer(self._address, "GET", timeout, wanted) as answer:
                kept = kept if answer.status == _PART else 0
                whole = self._whole(answer, kept)
                reason = self._write(answer, kept)
        except _RefusedError as refused:
            if refused.code != _NO_SUCH_PART:
                raise
            self._discard()  # the next attempt asks for all of it
            raise _LostError("the server has no such part of the file") from refused
        have = self._partial.stat().st_size
        if not reason and whole is not None and have != whole:
            reason = f"the connection ended at {have:,} of {whole:,} bytes"
        if reason and have <= self._most:
            raise _LostError(reason)
        self._most = have
        return not reason

    def finish(self, sha256: str) -> None:
        """Give the whole file its name.

        Raises:
            UserError: when it has another digest than promised, or is an HTML page.
        """
        with self._partial.open("rb") as file:
            html = file.read(512).lstrip().lower().startswith(_HTML)
            file.seek(0)
            digest = hashlib.sha256()
            while sha256 and (some := file.read(_BYTES_AT_ONCE)):
                digest.update(some)
        if html:
            self._discard()
            raise _page(self._address)
        if sha256 and digest.hexdigest() != sha256.lower():
            self._discard()
            raise UserError(
                f"{self._address} has the SHA-256 {digest.hexdigest()}, and should have {sha256.lower()}; it has "
                "changed, or was damaged on the way"
            )
        with disk_errors(self._path):
            self._partial.replace(self._path)
            self._note.unlink(missing_ok=True)

    def _whole(self, answer: HTTPResponse, kept: int) -> int | None:
        """How many bytes the file will have by what the server says now.

        Raises:
            _LostError: when another part comes than was asked for.
            UserError: when it is not what was promised.
        """
        if kept and not answer.headers.get("Content-Range", "").startswith(f"bytes {kept}-"):
            self._discard()  # the next attempt asks for all of it
            raise _LostError("the server sends another part of the file than it was asked for")
        length, promised = _length(answer), self._promise.size
        whole = promised if length is None else kept + length
        if whole is not None and promised is not None and whole != promised:
            self._discard()
            raise UserError(f"{self._address} was promised to have {promised:,} bytes, and has {whole:,}")
        return whole

    def _write(self, answer: HTTPResponse, kept: int) -> str:
        """Add the bytes that come to the first ``kept``; gives the reason if they end too early."""
        with disk_errors(self._partial):
            if not kept:
                write_json(self._note, {"address": self._address, "version": _version(answer)})
            with self._partial.open("r+b" if kept else "wb") as file:
                file.seek(kept)
                while True:
                    try:
                        some = answer.read(_BYTES_AT_ONCE)
                    except (OSError, HTTPException) as error:
                        return f"the connection was lost ({error or type(error).__name__})"
                    if not some:
                        return ""
                    file.write(some)
                    kept += len(some)
                    self._report(kept)

    def kept(self) -> int:
        """How many bytes of the promised version are there already."""
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
            size = self._partial.stat().st_size
        except (OSError, ValueError):
            return 0
        same = self._promise.version and note == {"address": self._address, "version": self._promise.version}
        return size if same and (self._promise.size is None or size <= self._promise.size) else 0

    def _discard(self) -> None:
        self._partial.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)


def kept_bytes(address: str, path: Path, promise: Promise) -> int:
    """How many bytes of a file an interrupted :func:`fetch` left that the next one continues."""
    return _PartialFile(address, path, promise, lambda _: None).kept()


def _promise(address: str, method: str, timeout: float) -> Promise:
    with _answer(address, method, timeout, {}) as answer:
        return Promise(_length(answer), _version(answer))


@contextmanager
def _answer(address: str, method: str, timeout: float, headers: dict[str, str]) -> Iterator[HTTPResponse]:
    request = urllib.request.Request(address, headers={"User-Agent": "rebind", **headers}, method=method)
    try:
        answer = opener().open(request, timeout=timeout)
    except HTTPError as error:
        error.close()
        if error.code >= 500 or error.code in _BUSY:
            raise _LostError(f"the server says {error.code} {error.reason}") from error
        raise _RefusedError(address, error) from error
    except (OSError, HTTPException) as error:
        raise _LostError(f"the server is not reached ({getattr(error, 'reason', error)})") from error
    with answer:
        if answer.headers.get_content_type() == "text/html":
            raise _page(address)
        yield answer


def _patiently(attempt: Callable[[], Result], address: str, patience: Patience) -> Result:
    retrying = Retrying(
        retry=retry_if_exception_type(_LostError),
        stop=stop_after_attempt(patience.attempts),
        wait=wait_random_exponential(max=patience.longest_wait),
        reraise=True,
    )
    try:
        return retrying(attempt)
    except _LostError as error:
        raise UserError(
            f"{address} cannot be downloaded: {error}, {patience.attempts} times; the same command continues later"
        ) from error


def _length(answer: HTTPResponse) -> int | None:
    length = answer.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


def _version(answer: HTTPResponse) -> str:
    tag = answer.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified", "")


def _page(address: str) -> UserError:
    return UserError(f"{address} is an HTML page, not the file; its address has changed, or it must be asked for there")
