"""Mined look-alikes: the nearest neighbours of each embedding, exactly, all pairs being compared."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

#: Cosine above which two embeddings are of one and the same thing: float32 rounds at 1e-7.
SAME = 1 - 1e-5


def nearest(
    embeddings: np.ndarray | Tensor,
    count: int,
    chunk: int = 4096,
    *,
    duplicates_above: float = SAME,
    groups: np.ndarray | None = None,
    rows: np.ndarray | None = None,
) -> np.ndarray:
    """Find the most similar others of each of n embeddings by cosine; all pairs are compared.

    Takes 2 n² d operations, and chunk² + 2 chunk d numbers of memory beside the embeddings, which may be mapped from
    disk. Near-duplicates are no neighbours: the same picture under another key would be a negative that is true.

    Args:
        embeddings: (n, d), finite and not zero; need not be normalised.
        count: how many are wanted.
        chunk: rows that are compared with as many others at a time.
        duplicates_above: cosine above which two embeddings are taken for duplicates.
        groups: (n,) numbers; embeddings of one group are no neighbours of each other, as two pictures with the same
            caption are not.
        rows: (m,) rows whose neighbours are wanted; of all if None.

    Returns:
        (m, count) int64 rows of the nearest, nearest first; -1 where there are fewer.

    Raises:
        ValueError: when an embedding is zero or not finite.
    """
    wanted = np.arange(len(embeddings)) if rows is None else rows
    found = [
        _nearest_of(embeddings, wanted[start : start + chunk], count, chunk, duplicates_above, groups)
        for start in range(0, len(wanted), chunk)
    ]
    return np.concatenate(found) if found else np.empty((0, count), dtype=np.int64)


def unit_chunks(embeddings: np.ndarray | Tensor, chunk: int) -> Iterator[tuple[int, Tensor]]:
    """Yield the first row of each chunk and its embeddings, L2-normalised float32, where the embeddings are.

    Raises:
        ValueError: when an embedding is zero or not finite.
    """
    for start in range(0, len(embeddings), chunk):
        yield start, unit(embeddings[start : start + chunk])


def unit(embeddings: np.ndarray | Tensor) -> Tensor:
    """L2-normalise (n, d) embeddings, in float32.

    Raises:
        ValueError: when an embedding is zero or not finite.
    """
    vectors = torch.as_tensor(embeddings).detach().float()
    norms = vectors.norm(dim=1)
    if not (torch.isfinite(norms) & (norms > 0)).all():
        raise ValueError("an embedding is zero or not finite; it has no neighbours")
    return F.normalize(vectors, dim=1)


def _nearest_of(
    embeddings: np.ndarray | Tensor,
    rows: np.ndarray,
    count: int,
    chunk: int,
    duplicates_above: float,
    groups: np.ndarray | None,
) -> np.ndarray:
    """(m, count) nearest of m rows: the best so far are merged with those of each chunk in turn."""
    own = unit(embeddings[rows])
    best = own.new_full((len(own), count), -torch.inf)
    found = own.new_full((len(own), count), -1, dtype=torch.int64)
    own_rows = torch.as_tensor(rows, device=own.device)[:, None]
    for start, vectors in unit_chunks(embeddings, chunk):
        others = torch.arange(start, start + len(vectors), device=own.device)
        cosine = own @ vectors.T
        excluded = cosine > duplicates_above
        excluded |= own_rows == others  # where matrix products are less exact, as in TF32, it may look unlike itself
        if groups is not None:
            theirs = groups[start : start + len(vectors)]
            excluded |= torch.as_tensor(groups[rows][:, None] == theirs, device=own.device)
        cosine.masked_fill_(excluded, -torch.inf)
        values, places = cosine.topk(min(count, len(vectors)))
        best, order = torch.cat([best, values], dim=1).topk(count)
        found = torch.cat([found, others[places]], dim=1).gather(1, order)
    return found.masked_fill(best == -torch.inf, -1).cpu().numpy()
