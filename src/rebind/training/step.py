"""What is made of a batch: its embeddings beside those of the other processes, and the loss of all of them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rebind.distributed import gather_embeddings, process_count
from rebind.models import DualEncoder
from rebind.models.embedding import EncoderInputs, assemble
from rebind.objectives import ObjectiveFunction
from rebind.types import Batch, LossTerms


@dataclass(frozen=True)
class ContrastiveStep:
    """The arithmetic of one step, apart from the towers.

    Attributes:
        objective: the loss.
        chunks: in how many parts the batch is encoded; with more than one, gradients are cached.
        reference: the frozen starting model, for objectives that need it.
    """

    objective: ObjectiveFunction
    chunks: int = 1
    reference: DualEncoder | None = None

    def loss(self, batch: Batch, outputs: dict[str, Tensor]) -> tuple[Tensor, LossTerms | None]:
        """The loss of the global batch; to be called in every process, with any number of samples.

        Args:
            batch: this process's samples.
            outputs: what the encoder made of them.

        Returns:
            What to differentiate: this process's share, W-fold, since gradients are averaged over the W processes; and
            the share itself with its parts, or None when no process has a sample.
        """
        everyone = gather_embeddings(assemble(batch, outputs, self._encode_with_reference(batch)))
        # Every parameter and every process takes part in the backward pass, or the others would wait for it.
        connected = [value.sum() for name, value in outputs.items() if not name.startswith("image_token")]
        loss = 0.0 * (torch.stack(connected).sum() + everyone.image.sum())
        if not len(everyone.image):  # every image of the batch is broken: nothing to learn from
            return loss, None
        terms = self.objective(everyone)
        return loss + process_count() * terms.total, terms

    @torch.no_grad()
    def _encode_with_reference(self, batch: Batch) -> dict[str, Tensor] | None:
        if self.reference is None:
            return None
        chunks = EncoderInputs(batch.images, {"texts": batch.captions}, False).chunks(self.chunks)
        parts = [self.reference(chunk.images, chunk.texts) for chunk in chunks]
        joined = {name: torch.cat([part[name] for part in parts]) for name in ("image", "texts")}
        return {**joined, "logit_scale": parts[0]["logit_scale"]}
