"""SigLIP: every pair of the batch is a yes-or-no question (Zhai et al., arXiv 2303.15343)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from rebind.objectives.similarity import cosines
from rebind.types import Embeddings, LossTerms


def sigmoid_loss(similar: Tensor, positives: Tensor, logit_scale: Tensor, logit_bias: Tensor) -> Tensor:
    """Sum over all pairs of ``−log σ(± (τ cosine + b))``.

    Args:
        similar: (B, N) cosines of images and texts.
        positives: (B, N) bool, True where image and text belong together.
        logit_scale: scalar τ.
        logit_bias: scalar b.
    """
    logits = logit_scale * similar + logit_bias
    return functional.softplus(torch.where(positives, -logits, logits)).sum()


@dataclass(frozen=True)
class Objective:
    """``L = −(1/B) Σᵢⱼ log σ(zᵢⱼ (τ vᵢ·tⱼ + b))`` with ``z = +1`` on the diagonal and ``−1`` elsewhere."""

    needs: ClassVar[frozenset[str]] = frozenset()

    def __call__(self, embeddings: Embeddings) -> LossTerms:
        """The loss of one global batch of B pairs."""
        similar = cosines(embeddings.image, embeddings.text)  # (B, B)
        diagonal = torch.eye(len(similar), dtype=torch.bool, device=similar.device)
        loss = sigmoid_loss(similar, diagonal, embeddings.logit_scale, embeddings.logit_bias) / len(similar)
        return LossTerms(loss, {"contrastive": loss})
