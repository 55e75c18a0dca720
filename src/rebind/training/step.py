"""What is made of a batch: its embeddings beside those of the other processes, and the loss of all of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from rebind.distributed import gather_embeddings, process_count
from rebind.models import DualEncoder
from rebind.models.embedding import EncoderInputs, assemble
from rebind.objectives import ObjectiveFunction
from rebind.types import Batch, Embeddings, LossTerms


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

    def cached_loss(self, batch: Batch, outputs: dict[str, Tensor], weight: float = 1.0) -> LossTerms | None:
        """The same loss of embeddings that are leaves, differentiated at once, in slices of the own rows.

        The shares of slices sum to the whole as those of processes do, so no matrix is larger than one slice's.

        Args:
            batch: this process's samples.
            outputs: leaves, which receive their gradients.
            weight: of the loss in the gradients.
        """
        everyone = gather_embeddings(assemble(batch, outputs, self._encode_with_reference(batch)))
        if not len(everyone.image):
            return None
        copies: dict[str, Any] = {
            name: value.detach().requires_grad_()
            for name, value in vars(everyone).items()
            if isinstance(value, Tensor) and value.requires_grad and name != "image_tokens"
        }
        shares = []
        slices = [rows for rows in torch.arange(len(batch.keys)).tensor_split(self.chunks) if len(rows)]
        for first, end in [(int(rows[0]), int(rows[-1]) + 1) for rows in slices] or [(0, 0)]:
            share = replace(everyone, **copies, **_own_rows(everyone, first, end))
            shares.append(self.objective(share))
            (process_count() * weight * shares[-1].total).backward()
            _keep_gradient(share.image_tokens, outputs, first)
        found = [torch.zeros_like(copy) if copy.grad is None else copy.grad for copy in copies.values()]
        torch.autograd.backward([getattr(everyone, name) for name in copies], found)
        return _sum(shares)

    @torch.no_grad()
    def _encode_with_reference(self, batch: Batch) -> dict[str, Tensor] | None:
        if self.reference is None:
            return None
        chunks = EncoderInputs(batch.images, {"texts": batch.captions}, False).chunks(self.chunks)
        parts = [self.reference(chunk.images, chunk.texts) for chunk in chunks]
        joined = {name: torch.cat([part[name] for part in parts]) for name in ("image", "texts")}
        return {**joined, "logit_scale": parts[0]["logit_scale"]}


def _own_rows(everyone: Embeddings, first: int, end: int) -> dict[str, Any]:
    """Fields of Embeddings for a slice of this process's own rows; image tokens as a leaf of their own."""
    start, _, _ = everyone.own.indices(len(everyone.image))
    tokens, mask = everyone.image_tokens, everyone.image_token_mask
    return {
        "own": slice(start + first, start + end),
        "image_tokens": None if tokens is None else tokens[first:end].detach().requires_grad_(),
        "image_token_mask": None if mask is None else mask[first:end],
    }


def _keep_gradient(tokens: Tensor | None, outputs: dict[str, Tensor], first: int) -> None:
    """Put the gradient of some rows' image tokens in its place."""
    if tokens is None or tokens.grad is None:
        return
    whole = outputs["image_tokens"]
    if whole.grad is None:
        whole.grad = torch.zeros_like(whole)
    whole.grad[first : first + len(tokens)] = tokens.grad


def _sum(shares: list[LossTerms]) -> LossTerms:
    """What several shares amount to, without gradient."""
    total = torch.stack([share.total.detach() for share in shares]).sum()
    names = shares[0].parts
    return LossTerms(
        total, {name: torch.stack([share.parts[name].detach() for share in shares]).sum() for name in names}
    )
