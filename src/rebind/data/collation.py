"""From ready samples to the batch that one step encodes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from rebind.data.dataset import ReadySample
from rebind.types import Batch, BrokenSample

Tokenize = Callable[[list[str]], dict[str, Tensor]]


class Collator:
    """Stacks images, tokenises captions and, if needed, concepts: each distinct concept string only once.

    Args:
        tokenize: turns n texts into a dict of tensors with leading dimension n.
        needs: what the objective asks for; ``"concepts"`` is known here.
    """

    def __init__(self, tokenize: Tokenize, needs: Iterable[str] = frozenset()) -> None:
        self.tokenize, self.needs = tokenize, frozenset(needs)

    def __call__(self, items: Sequence[ReadySample | BrokenSample]) -> Batch:
        """Collate one batch.

        Returns:
            The batch of whole samples, the others in ``broken``. When all are broken, ``keys`` is empty (B = 0), the
            dicts of inputs are empty and there are no concepts: such a batch can be counted, not encoded.

        Raises:
            ValueError: when concepts are needed and a sample has none (join them by ``with_concepts``).
        """
        broken = tuple(item for item in items if isinstance(item, BrokenSample))
        samples = [item for item in items if isinstance(item, ReadySample)]
        if not samples:
            return Batch((), {}, {}, broken=broken)
        keys = tuple(sample.key for sample in samples)
        images = {name: torch.stack([sample.images[name] for sample in samples]) for name in samples[0].images}
        captions = self.tokenize([sample.caption for sample in samples])
        if "concepts" not in self.needs:
            return Batch(keys, images, captions, broken=broken)
        return Batch(keys, images, captions, *self._concepts(samples), broken=broken)

    def _concepts(self, samples: list[ReadySample]) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Inputs of the U distinct concepts, and for each of the N concepts its row among them and its image."""
        for sample in samples:
            if not sample.concepts:
                raise ValueError(f"the sample {sample.key!r} has no concepts; open its source by with_concepts(source)")
        rows: dict[str, int] = {}
        index = [rows.setdefault(concept, len(rows)) for sample in samples for concept in sample.concepts]
        owner = [row for row, sample in enumerate(samples) for _ in sample.concepts]
        return self.tokenize(list(rows)), torch.tensor(index), torch.tensor(owner)
