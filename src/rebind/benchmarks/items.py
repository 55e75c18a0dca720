"""``items.safetensors``: who was right on which item, so that two models can be compared pair by pair."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from rebind.benchmarks.contract import Questioned
from rebind.storage import atomic_path
from rebind.types import Score, UserError

FILE = "items.safetensors"


@dataclasses.dataclass(frozen=True)
class Items:
    """The items of one row of the results.

    Attributes:
        correct: (n,) numbers whose mean is the row's value.
        clusters: (n,) codes of what is resampled together; None when every item stands alone.
        digest: of the benchmark's content; rows are comparable where it is the same.
    """

    correct: np.ndarray
    clusters: np.ndarray | None
    digest: str


def row_name(score: Score) -> str:
    """``benchmark/split/metric``."""
    return f"{score.benchmark}/{score.split}/{score.metric}"


def items_of(scores: Sequence[Score], digests: Mapping[str, str]) -> dict[str, Items]:
    """The items of each row that has any, by its name.

    Args:
        scores: the rows.
        digests: digest of each benchmark's content, by its name.
    """
    found = {}
    for score in scores:
        if score.correct is not None:
            binary = np.isin(score.correct, (0, 1)).all()
            correct = np.asarray(score.correct).astype(np.uint8 if binary else np.float32)
            codes = None if score.clusters is None else np.unique(score.clusters, return_inverse=True)[1].reshape(-1)
            clusters = None if codes is None else codes.astype(np.int32)
            found[row_name(score)] = Items(correct, clusters, digests[score.benchmark])
    return found


def write_items(folder: Path, items: Mapping[str, Items]) -> None:
    """Write the items of all rows atomically.

    The file holds ``ROW/correct`` (uint8 where all are 0 or 1, else float32) and perhaps ``ROW/clusters`` (int32) for
    each row ``benchmark/split/metric``; its metadata give the row's digest.

    Raises:
        UserError: when the file system refuses.
    """
    from safetensors.numpy import save_file

    arrays = {f"{name}/correct": row.correct for name, row in items.items()}
    arrays |= {f"{name}/clusters": row.clusters for name, row in items.items() if row.clusters is not None}
    with atomic_path(folder / FILE) as temporary:
        save_file(arrays, temporary, {"format": "rebind", **{name: row.digest for name, row in items.items()}})


def read_items(folder: Path) -> dict[str, Items]:
    """What :func:`write_items` wrote.

    Raises:
        UserError: when it is not there or damaged.
    """
    from safetensors import SafetensorError, safe_open

    path = folder / FILE
    if not path.is_file():
        raise UserError(f"{folder} holds no {FILE}; evaluate the model again, which writes it beside results.json")
    try:
        with safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            digests = file.metadata() or {}
        names = sorted(name.removesuffix("/correct") for name in arrays if name.endswith("/correct"))
        return {name: Items(arrays[f"{name}/correct"], arrays.get(f"{name}/clusters"), digests[name]) for name in names}
    except (OSError, SafetensorError, KeyError) as error:
        raise UserError(f"{path} is damaged ({error}); evaluate the model again") from error


def outcome_digests(scores: Sequence[Score], items: Mapping[str, Items]) -> dict[str, str]:
    """Digest of who was right on which item, over all rows of a benchmark, by the benchmark's name."""
    digests = {score.benchmark: blake2b(digest_size=16) for score in scores}
    for score in scores:
        if row := items.get(row_name(score)):
            arrays = [b"" if each is None else each.tobytes() for each in (row.correct, row.clusters)]
            _absorb(digests[score.benchmark], [row_name(score), row.digest, *arrays])
    return {name: digest.hexdigest() for name, digest in digests.items()}


def item_digest(benchmark: Questioned, readable: np.ndarray) -> str:
    """Digest of all that makes the items of a benchmark what they are, wherever its files lie.

    Its pictures count by file name and size, or by content where they are no files.

    Args:
        benchmark: its name, images, texts and, if it is a dataclass, its fields count.
        readable: (I,) bool, which images could be read.
    """
    digest = blake2b(digest_size=16)
    _absorb(digest, [benchmark.name, benchmark.images, benchmark.texts, benchmark, readable.tobytes()])
    return digest.hexdigest()


def _absorb(digest: Any, value: Any) -> None:
    """Feed a value to the digest, its kind and length before it, so that no two values look alike."""
    if dataclasses.is_dataclass(value):
        value = [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
    elif isinstance(value, Path):
        value = (value.name, value.stat().st_size if value.is_file() else -1)
    elif isinstance(value, Mapping):
        value = list(value.items())
    elif isinstance(value, np.ndarray):
        value = value.tolist()
    elif isinstance(value, frozenset | set):
        value = sorted(value, key=repr)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        digest.update(f"[{len(value)}]".encode())
        for each in value:
            _absorb(digest, each)
        return
    known = isinstance(value, str | bytes | int | float | None)
    content = value if isinstance(value, bytes) else repr(value if known else type(value).__qualname__).encode()
    digest.update(f"<{type(value).__name__} {len(content)}>".encode() + content)
