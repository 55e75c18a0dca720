"""Batches of look-alikes: an order in which each sample is followed by its nearest neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from rebind.data.annotation_files import match_annotation
from rebind.data.dataset import EpochShuffle
from rebind.data.source import Source


class NeighbourShuffle(EpochShuffle):
    """Yields (index, epoch) for every index, look-alikes side by side; the order depends on seed and epoch alone.

    A contrastive loss learns most from the pairs that are hard to tell apart, and a random batch holds few. LaCLIP+HN
    (LaCLIP, arXiv 2305.20088, with mined hard negatives; a baseline of C2LIP, arXiv 2603.25722) fills its batches with
    pairs of nearest neighbours in embedding space. Here the next unused sample of a permutation is followed by its
    nearest unused neighbours, as many as make a group, and a group never straddles the border of a batch. Late in the
    permutation most neighbours are used up; the batches are therefore shuffled in the end, lest an epoch grow easier.

    Args:
        neighbours: (n, k) row i holds the nearest neighbours of sample i, nearest first, -1 where there are fewer.
        batch_size: of each process; with several, each takes whole batches by turns.
        seed: not negative.
        group_size: a sample and its neighbours; 2 makes look-alike pairs.
    """

    def __init__(self, neighbours: np.ndarray, batch_size: int, seed: int = 0, group_size: int = 2) -> None:
        super().__init__(len(neighbours), seed)
        self.neighbours, self.batch_size, self.group_size = neighbours, batch_size, group_size

    def __iter__(self) -> Iterator[tuple[int, int]]:
        epoch = self.epoch
        rng = np.random.default_rng([self.seed, epoch])
        order = self._grouped(rng.permutation(self.length))
        whole = self.length - self.length % self.batch_size
        batches = order[:whole].reshape(-1, self.batch_size)
        shuffled = np.concatenate([rng.permutation(batches).ravel(), order[whole:]])
        return ((index, epoch) for index in shuffled.tolist())

    def _grouped(self, permutation: np.ndarray) -> np.ndarray:
        """The permutation with neighbours moved up."""
        unused = bytearray(b"\1") * self.length  # a byte each: millions are looked up one by one
        order: list[int] = []
        for first in permutation.tolist():
            if not unused[first]:
                continue
            unused[first] = 0
            room = min(self.group_size, self.batch_size - len(order) % self.batch_size) - 1
            order.append(first)
            for other in self.neighbours[first].tolist() if room else ():
                if room and other >= 0 and unused[other]:
                    unused[other] = 0
                    order.append(other)
                    room -= 1
        return np.array(order)


def read_neighbours(source: Source) -> np.ndarray:
    """Read the annotation ``neighbours`` of a source.

    Returns:
        (n, k) int32, the rows of each sample's nearest neighbours, nearest first; -1 where there are fewer than k.

    Raises:
        UserError: when there is no such annotation, none of its keys is in the source, a value is no list, or a
            neighbour is no key of the source.
    """
    rows = {key: row for row, key in enumerate(source.keys)}
    neighbours = np.full((len(source), 0), -1, dtype=np.int32)

    def read(key: str, value: Any) -> list[int]:
        if not isinstance(value, list):
            raise ValueError(f"`neighbours` must be a list of keys, not {type(value).__name__}")
        for other in value:
            if not isinstance(other, str) or (other not in rows and other not in source.left_out):
                raise ValueError(
                    f"the neighbour {other!r} is no key of {source.path}; "
                    f"write the file anew with `rebind neighbours {source.path} --model MODEL`"
                )
        return [rows[other] for other in value if other in rows]

    for row, found in match_annotation(source, "neighbours", rows, read):
        others = [other for other in found if other != row]
        if (missing := len(others) - neighbours.shape[1]) > 0:
            neighbours = np.pad(neighbours, ((0, 0), (0, missing)), constant_values=-1)
        neighbours[row, : len(others)] = others
    return neighbours
