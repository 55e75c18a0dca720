"""Mining look-alikes among thousands or millions: exactly while that is quick, else with an index of faiss."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rebind.negatives.neighbours import SAME, nearest, unit, unit_chunks
from rebind.types import UserError

METHODS = ("auto", "exact", "faiss")
MOST_COMPARED = 100_000  # embeddings on a processor, beyond which comparing all pairs takes more than minutes
_CHUNK = 4096
_SAMPLE = 512  # rows whose exact neighbours tell how good an index is
_TRAINING = 64  # embeddings that each list of an index is learned from; faiss asks for 39 at least
_DEEPEST = 4096  # neighbours looked at to find some that are no duplicates


@dataclass(frozen=True)
class Mining:
    """How to mine.

    Attributes:
        count: neighbours wanted of each.
        method: ``exact`` compares all pairs, in 2 n² d operations; ``faiss`` compares with those in the lists nearby of
            an index; ``auto`` is exact up to 100,000 embeddings, and on a GPU.
        duplicates_above: cosine above which two are taken for duplicates, which are no neighbours.
        recall: share of the exact neighbours that an index must find; it looks into more lists until it does.
        seed: of the index.

    Raises:
        UserError: when a setting makes no sense.
    """

    count: int = 8
    method: str = "auto"
    duplicates_above: float = SAME
    recall: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UserError(f"neighbours: method must be one of {', '.join(METHODS)}, not {self.method!r}")
        if self.count < 1:
            raise UserError(f"neighbours: count must be at least 1, not {self.count}")
        for name in ("recall", "duplicates_above"):
            if not 0 < getattr(self, name) <= 1:
                raise UserError(f"neighbours: {name} must be above 0 and at most 1, not {getattr(self, name)}")


@dataclass(frozen=True)
class Mined:
    """Neighbours, and how they were found.

    Attributes:
        rows: (n, count) int64, nearest first; -1 where there are fewer.
        made_by: the method, and of an index the version of faiss, ``lists``, ``probes`` (lists looked into) and
            ``recall``: the share of the exact neighbours that it found, measured on 512 embeddings.
    """

    rows: np.ndarray
    made_by: dict[str, Any] = field(default_factory=dict)


def mine(embeddings: np.ndarray | Tensor, mining: Mining, groups: np.ndarray | None = None) -> Mined:
    """Find the most similar others of each of n embeddings by cosine, duplicates and members of its group excluded.

    An index holds the embeddings once more, in memory. Equal input gives equal neighbours on one machine.

    Args:
        embeddings: (n, d), finite and not zero; may be mapped from disk.
        mining: how.
        groups: (n,) numbers; embeddings of one group are no neighbours of each other.

    Raises:
        ValueError: when an embedding is zero or not finite.
        UserError: when faiss is wanted and not installed.
    """
    on_gpu = isinstance(embeddings, Tensor) and embeddings.is_cuda
    if mining.method == "faiss" or (mining.method == "auto" and not on_gpu and len(embeddings) > MOST_COMPARED):
        vectors = embeddings.detach().cpu().numpy() if isinstance(embeddings, Tensor) else embeddings
        found, made_by = _with_index(vectors, mining, groups)
        return Mined(found, {"method": "faiss", "duplicates_above": mining.duplicates_above, **made_by})
    found = nearest(embeddings, mining.count, duplicates_above=mining.duplicates_above, groups=groups)
    return Mined(found, {"method": "exact", "duplicates_above": mining.duplicates_above})


def _with_index(vectors: np.ndarray, mining: Mining, groups: np.ndarray | None) -> tuple[np.ndarray, dict[str, Any]]:
    faiss = _import_faiss()
    index = _build_index(faiss, vectors, mining.seed)
    search = _searcher(index, vectors, mining, groups)
    sample = np.sort(np.random.default_rng(mining.seed).permutation(len(vectors))[:_SAMPLE])
    exact = nearest(vectors, mining.count, duplicates_above=mining.duplicates_above, groups=groups, rows=sample)
    index.nprobe = min(8, index.nlist)
    while (recall := recall_of(search(sample), exact)) < mining.recall and index.nprobe < index.nlist:
        index.nprobe = min(2 * index.nprobe, index.nlist)
    rows = np.arange(len(vectors))
    found = [search(rows[start : start + _CHUNK]) for start in range(0, len(rows), _CHUNK)]
    made_by = {"faiss": faiss.__version__, "lists": index.nlist, "probes": index.nprobe, "recall": round(recall, 4)}
    return np.concatenate(found), {**made_by, "seed": mining.seed}


def on_gpu_if_it_fits(vectors: np.ndarray) -> np.ndarray | Tensor:
    """The embeddings on the first GPU, where comparing all pairs of a million takes minutes; as they are without one.

    Args:
        vectors: (n, d) float32.
    """
    if torch.cuda.is_available() and torch.cuda.mem_get_info()[0] > 1.5 * vectors.nbytes:
        return torch.from_numpy(vectors).cuda()
    return vectors


def recall_of(found: np.ndarray, exact: np.ndarray) -> float:
    """The share of exact neighbours that were found; both (n, count) rows, -1 where there are fewer."""
    hits = (exact[:, :, None] == found[:, None, :]).any(axis=2) & (exact >= 0)
    return float(hits.sum() / max(1, (exact >= 0).sum()))


def _build_index(faiss: Any, vectors: np.ndarray, seed: int) -> Any:
    """An inverted file: every embedding is in the list of its nearest of about 4 √n centroids, as faiss advises."""
    lists = max(1, min(round(4 * math.sqrt(len(vectors))), len(vectors) // _TRAINING))
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(vectors.shape[1]), vectors.shape[1], lists, faiss.METRIC_INNER_PRODUCT)
    index.cp.seed = seed
    drawn = np.random.default_rng(seed).permutation(len(vectors))[: lists * _TRAINING]
    index.train(unit(vectors[np.sort(drawn)]).numpy())
    for _, chunk in unit_chunks(vectors, _CHUNK):
        index.add(chunk.numpy())
    return index


def _searcher(
    index: Any, vectors: np.ndarray, mining: Mining, groups: np.ndarray | None
) -> Callable[[np.ndarray], np.ndarray]:
    """A function from (m,) rows to the (m, count) rows of their neighbours."""
    count = mining.count

    def search(rows: np.ndarray) -> np.ndarray:
        found = np.full((len(rows), count), -1)
        open_rows, deep = np.arange(len(rows)), 2 * count + 1  # itself and some duplicates among them
        queries = unit(vectors[rows]).numpy()
        while len(open_rows):
            cosine, others = index.search(queries[open_rows], min(deep, index.ntotal))
            own = rows[open_rows][:, None]
            kept = (others >= 0) & (others != own) & (cosine <= mining.duplicates_above)
            if groups is not None:
                kept &= groups[others] != groups[own]
            first = np.argsort(~kept, axis=1, kind="stable")[:, :count]  # the kept ones, in their order
            nearest_kept = np.where(np.take_along_axis(kept, first, 1), np.take_along_axis(others, first, 1), -1)
            found[open_rows, : nearest_kept.shape[1]] = nearest_kept
            exhausted = (others[:, -1] < 0) | (deep >= min(_DEEPEST, index.ntotal))
            open_rows = open_rows[(kept.sum(axis=1) < count) & ~exhausted]
            deep *= 4
        return found

    return search


def _import_faiss() -> Any:
    try:
        import faiss
    except ImportError:
        raise UserError(
            "neighbours of so many need the package faiss; install it with: pip install 'rebind[mine]', or choose the "
            "method exact"
        ) from None
    return faiss
