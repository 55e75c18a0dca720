"""From ready samples to the batch that one step encodes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from rebind.data.dataset import ReadySample, digest
from rebind.types import Batch, BrokenSample

Tokenize = Callable[[list[str]], dict[str, Tensor]]


class Collator:
    """Stacks images, tokenises captions and, if needed, concepts and hard negatives.

    Args:
        tokenize: turns n texts into a dict of tensors with leading dimension n.
        needs: what the objective asks for; ``"concepts"``, ``"negative_captions"`` and ``"negative_images"``, which
            asks for the captions of the pictures, too, are known here.
        tokenize_concepts: likewise for concepts, which may be padded to fewer tokens; ``tokenize`` if None.
    """

    def __init__(
        self, tokenize: Tokenize, needs: Iterable[str] = frozenset(), tokenize_concepts: Tokenize | None = None
    ) -> None:
        self.tokenize, self.needs = tokenize, frozenset(needs)
        self.tokenize_concepts = tokenize_concepts or tokenize

    def __call__(self, items: Sequence[ReadySample | BrokenSample]) -> Batch:
        """Collate one batch.

        Returns:
            The batch of whole samples, the others in ``broken``. When all are broken, ``keys`` is empty (B = 0), the
            dicts of inputs are empty and what else was asked for, too: such a batch can be counted, not encoded.

        Raises:
            ValueError: when concepts are needed and a sample has none (join them by ``with_concepts``).
        """
        samples = [item for item in items if isinstance(item, ReadySample)]
        left_out = [item for item in items if isinstance(item, BrokenSample)]
        broken = (*left_out, *(picture for sample in samples for picture in sample.broken))
        asked = (self._concepts(samples) if "concepts" in self.needs else {}) | self._negatives(samples)
        if not samples:
            return Batch((), {}, {}, **asked, broken=broken)
        keys = tuple(sample.key for sample in samples)
        images = _stack([sample.images for sample in samples])
        return Batch(keys, images, self.tokenize([sample.caption for sample in samples]), **asked, broken=broken)

    def _concepts(self, samples: list[ReadySample]) -> dict[str, Any]:
        """The U distinct concepts, and for each of the N concepts its row among them and its image."""
        for sample in samples:
            if not sample.concepts:
                raise ValueError(f"the sample {sample.key!r} has no concepts; open its source by with_concepts(source)")
        rows: dict[str, int] = {}
        index = [rows.setdefault(concept, len(rows)) for sample in samples for concept in sample.concepts]
        return {
            "concepts": self.tokenize_concepts(list(rows)) if rows else None,
            "concept_identity": _integers(int.from_bytes(digest(concept), "little", signed=True) for concept in rows),
            "concept_index": _integers(index),
            "concept_owner": _integers(row for row, sample in enumerate(samples) for _ in sample.concepts),
        }

    def _negatives(self, samples: list[ReadySample]) -> dict[str, Any]:
        """The M hard negatives with the image of each, and the P pictures of them with the caption of each."""
        if not self.needs & {"negative_captions", "negative_images"}:
            return {}
        negatives = [negative for sample in samples for negative in sample.negatives]
        asked = {
            "negative_captions": self.tokenize([each.caption for each in negatives]) if negatives else None,
            "negative_owner": _integers(row for row, sample in enumerate(samples) for _ in sample.negatives),
        }
        if "negative_images" in self.needs:
            pictures = {row: each.images for row, each in enumerate(negatives) if each.images is not None}
            asked["negative_images"] = _stack(list(pictures.values())) if pictures else None
            asked["negative_image_caption"] = _integers(pictures)
        return asked


def _stack(images: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.stack([each[name] for each in images]) for name in images[0]}


def _integers(values: Iterable[int]) -> Tensor:
    return torch.tensor(list(values), dtype=torch.int64)
