"""Mined look-alikes: the nearest neighbours of each embedding, exactly."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

SAME = 1 - 1e-5  # cosine above which two embeddings are of one and the same thing: float32 rounds at 1e-7


def nearest(embeddings: np.ndarray | Tensor, count: int, chunk: int = 4096) -> np.ndarray:
    """Find the most similar others of each of n embeddings by cosine; all pairs are compared.

    Takes 2 n² d operations, and n d + chunk² numbers of memory where the embeddings are. Embeddings equal to within
    rounding are no neighbours: the same picture under another key would be a negative that is true.

    Args:
        embeddings: (n, d), finite and not zero; need not be normalised.
        count: how many are wanted.
        chunk: rows that are compared with as many others at a time.

    Returns:
        (n, count) int64 rows of the nearest, nearest first; -1 where there are fewer.

    Raises:
        ValueError: when an embedding is zero or not finite.
    """
    vectors = torch.as_tensor(embeddings).detach().float()
    norms = vectors.norm(dim=1)
    if not (torch.isfinite(norms) & (norms > 0)).all():
        raise ValueError("an embedding is zero or not finite; it has no neighbours")
    chunks = F.normalize(vectors, dim=1).split(chunk)
    found = [_nearest_of(number, chunks, count) for number in range(len(chunks))]
    return torch.cat(found).cpu().numpy() if found else np.empty((0, count), dtype=np.int64)


def _nearest_of(number: int, chunks: tuple[Tensor, ...], count: int) -> Tensor:
    """(chunk, count) nearest of one chunk: the best so far are merged with those of each chunk in turn."""
    own = chunks[number]
    best = own.new_full((len(own), count), -torch.inf)
    rows = own.new_full((len(own), count), -1, dtype=torch.int64)
    start = 0
    for other, vectors in enumerate(chunks):
        cosine = own @ vectors.T
        cosine.masked_fill_(cosine > SAME, -torch.inf)
        if other == number:  # where matrix products are less exact, as in TF32, it may look unlike itself
            cosine.fill_diagonal_(-torch.inf)
        values, places = cosine.topk(min(count, len(vectors)))
        best, order = torch.cat([best, values], dim=1).topk(count)
        rows = torch.cat([rows, places + start], dim=1).gather(1, order)
        start += len(vectors)
    return rows.masked_fill(best == -torch.inf, -1)
