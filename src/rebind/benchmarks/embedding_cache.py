"""Embeddings kept on disk by content, model and preprocessing, so that nothing is embedded twice."""

from __future__ import annotations

import json
import os
import re
import stat
import time
import warnings
import weakref
from collections.abc import Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rebind.storage import atomic_path, cache_folder, hold, only_writer, write_json
from rebind.types import RebindWarning, UserError

if TYPE_CHECKING:
    from rebind.models import Encoder

_DIGEST = 16  # bytes
_PATIENCE = 30.0  # seconds of work that a kill may cost
_LIMIT = 20  # gigabytes
_RACY = 2_000_000_000  # nanoseconds within which a file may change again without its time of change doing so


def content_digest(*parts: bytes) -> bytes:
    """16 bytes of BLAKE2b over the parts, each with its length."""
    digest = blake2b(digest_size=_DIGEST)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()


class Shelf:
    """Rows of one type and width under 16-byte keys, in files that are written once and never changed.

    Each file is named after the digest of its content: a damaged one is found out, removed, and its rows count as not
    there. Processes that write at the same time write different files, or equal ones. What another process adds is
    seen when the shelf is next opened.

    Args:
        folder: made at the first write.
        width: numbers in a row.
        dtype: their type.
    """

    def __init__(self, folder: Path, width: int, dtype: Any) -> None:
        self.folder = folder
        self.width = width
        self.dtype = np.dtype(dtype)
        self._rows: dict[bytes, np.ndarray] = {}
        self._unwritten: dict[bytes, np.ndarray] = {}
        self._written_at = time.monotonic()
        for file in sorted(folder.glob("*.safetensors")):
            if not self._read(file):
                with suppress(OSError):
                    file.unlink()

    def get(self, key: bytes) -> np.ndarray | None:
        """The row (width,) that was put under ``key``, to the last bit. Any thread may ask."""
        return self._rows.get(key)

    def put(self, key: bytes, row: np.ndarray) -> None:
        """Keep a row, unless there is one under the key; it is on disk after :meth:`write`."""
        if key not in self._rows:
            self._rows[key] = self._unwritten[key] = np.array(row, dtype=self.dtype)

    def write(self, now: bool = True) -> None:
        """Write what was put since the last time; unless ``now``, only when that is half a minute ago.

        Raises:
            UserError: when the file system refuses.
        """
        if not self._unwritten or not (now or time.monotonic() - self._written_at > _PATIENCE):
            return
        from safetensors.numpy import save

        keys = np.frombuffer(b"".join(self._unwritten), dtype=np.uint8).reshape(-1, _DIGEST)
        rows = np.stack(list(self._unwritten.values()))
        with atomic_path(self.folder / f"{_name(keys, rows)}.safetensors") as temporary:
            temporary.write_bytes(save({"keys": keys, "rows": rows}))
        self._unwritten = {}
        self._written_at = time.monotonic()

    def _read(self, file: Path) -> bool:
        """Whether the file is whole; its rows are then there."""
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            content = load(file.read_bytes())
            keys, rows = content["keys"], content["rows"]
        except (SafetensorError, OSError, KeyError, ValueError, TypeError):
            return False
        if rows.shape != (len(keys), self.width) or rows.dtype != self.dtype or _name(keys, rows) != file.stem:
            return False
        self._rows.update(zip((key.tobytes() for key in keys), rows, strict=True))
        return True


def _name(keys: np.ndarray, rows: np.ndarray) -> str:
    return content_digest(keys.tobytes(), rows.tobytes()).hex()


class EmbeddingCache:
    """What one model embedded, as it was preprocessed: any number of processes may share the folder.

    Embeddings are found by the content of picture or text, by the model's weights and configuration, by preprocessing
    and by the versions of what computes them; so a cached embedding is the one that was computed, to the last bit, and
    a change of any of these begins afresh. Trouble with the folder costs time, never an evaluation: it is warned of,
    and nothing is kept. When the caches outgrow the limit, those of other models are emptied, the one first that was
    opened longest ago; what any process has open stays.

    Args:
        folder: holds the caches of all models.
        encoder: the model.
        limit: bytes that they may take together; None for any number.

    Attributes:
        folder: as given.
        description: what the encoder says of itself; finding it out reads all weights.
        images: embeddings of pictures, float32.
        texts: embeddings of texts, float32.
    """

    def __init__(self, folder: Path, encoder: Encoder, limit: float | None = None) -> None:
        self.folder = folder
        self.limit = limit
        self.description = encoder.describe()
        about = {**self.description, "environment": _environment(encoder)}
        space = folder / content_digest(json.dumps(about, sort_keys=True, default=str).encode()).hex()
        self._writable = True
        self._try(lambda: weakref.finalize(self, os.close, hold(space)))
        with suppress(OSError):  # a cache that may only be read
            os.utime(space)  # it is known by this when it was last opened
        self.images = Shelf(space / "images", encoder.width, np.float32)
        self.texts = Shelf(space / "texts", encoder.width, np.float32)
        self._files = Shelf(folder / "files", _DIGEST, np.uint8)  # path, size and time of change -> content
        if not (space / "model.json").is_file():
            self._try(lambda: write_json(space / "model.json", about))

    def digest_of_file(self, file: Path) -> bytes | None:
        """The digest of a file's content if it has not changed since that was last read, else None."""
        key = file_state(file)
        row = None if key is None else self._files.get(key[0])
        return None if row is None else row.tobytes()

    def remember_file(self, file: Path, digest: bytes, before: tuple[bytes, bool] | None) -> None:
        """Keep the digest of a file's content.

        Args:
            file: the file.
            digest: of what was read.
            before: :func:`file_state` from before it was read; if it is another now, the file changed meanwhile.
        """
        if before is not None and before[1] and before == file_state(file):
            self._files.put(before[0], np.frombuffer(digest, dtype=np.uint8))

    def write(self, now: bool = True) -> None:
        """Write what is new, unless less than half a minute has passed and it need not be ``now``."""
        for shelf in (self.images, self.texts, self._files):
            self._try(lambda shelf=shelf: shelf.write(now))  # type: ignore[misc]
        if now and self.limit is not None and self.size() > self.limit:
            self._try(self._make_room)

    def _make_room(self) -> None:
        with only_writer(self.folder, wait=True):  # together, two processes would remove more than they must
            excess = self.size() - (self.limit or 0)
            for space in sorted(self._spaces(), key=lambda space: space.stat().st_mtime):
                if excess <= 0:
                    return
                with suppress(UserError, OSError), only_writer(space):  # which is refused while somebody holds it
                    for file in _rows(space):
                        excess -= _size(file)
                        file.unlink()

    def size(self) -> int:
        """Bytes of embeddings on disk, those of other models included; whatever else lies in the folder is not ours."""
        return sum(_size(file) for space in self._spaces() for file in _rows(space))

    def _spaces(self) -> list[Path]:
        """The folders of all models: those that are named as one is, and hold a description."""
        return [about.parent for about in self.folder.glob(f"{'[0-9a-f]' * 2 * _DIGEST}/model.json")]

    def _try(self, write: Any) -> None:
        if self._writable:
            try:
                write()
            except (UserError, OSError) as error:
                self._writable = False
                warnings.warn(f"embeddings are not kept: {error}", RebindWarning, stacklevel=3)


def open_cache(place: str | Path | None, encoder: Any) -> EmbeddingCache | None:
    """The cache of a model.

    Args:
        place: its folder; ``none`` for no cache; None for ``embeddings`` in the
            :func:`~rebind.storage.cache_folder`, beside what else is kept there.
        encoder: the model; embeddings that were precomputed need no cache.

    Raises:
        UserError: when REBIND_CACHE_GB, the gigabytes that all caches may take together, is no number.
    """
    folder = cache_folder(place)
    if folder is None or not hasattr(encoder, "encode_text"):
        return None
    folder = folder if place else folder / "embeddings"
    said = os.environ.get("REBIND_CACHE_GB") or str(_LIMIT)
    if not re.fullmatch(r"\d+(\.\d+)?", said):
        raise UserError(f'REBIND_CACHE_GB is "{said}"; give a number of gigabytes, such as {_LIMIT}')
    return EmbeddingCache(folder, encoder, 1e9 * float(said))


def file_state(file: Path) -> tuple[bytes, bool] | None:
    """A digest of path, size and time of change of a regular file, and whether a later change would show in it."""
    try:
        state = file.stat()
    except OSError:
        return None
    if not stat.S_ISREG(state.st_mode):
        return None
    key = content_digest(os.fsencode(os.path.abspath(file)), f"{state.st_size} {state.st_mtime_ns}".encode())
    return key, time.time_ns() - state.st_mtime_ns > _RACY


def picture_key(digest: bytes, box: Sequence[int] | None, as_stored: bool = False) -> bytes:
    """The key of a picture, or of a rectangle of it, decoded in one of two ways, given the digest of its bytes."""
    if box is None and not as_stored:
        return digest
    return content_digest(digest, repr((box and tuple(box), as_stored)).encode())


def _rows(space: Path) -> list[Path]:
    """Files of embeddings of one model."""
    return [*space.glob("images/*.safetensors"), *space.glob("texts/*.safetensors")]


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:  # another process has just made room
        return 0


def _environment(encoder: Encoder) -> dict[str, str]:
    """Whatever else may move the last bit, or the decoded pixels."""
    from importlib.metadata import PackageNotFoundError, version

    found = {"device": encoder.device.type}
    for package in ("rebind", "torch", "transformers", "tokenizers", "pillow", *getattr(encoder, "packages", ())):
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found
