"""SigLIP: every pair of the batch is a yes-or-no question (Zhai et al., arXiv 2303.15343)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from rebind.types import Embeddings, LossTerms


def sigmoid_loss(cosines: Tensor, positives: Tensor, logit_scale: Tensor, logit_bias: Tensor) -> Tensor:
    """Sum over all pairs of ``−log σ(± (τ cosine + b))``.

    Args:
        cosines: (B, N) similarities of images and texts.
        positives: (B, N) bool, True where image and text belong together.
        logit_scale: scalar τ.
        logit_bias: scalar b.
    """
    logits = logit_scale * cosines + logit_bias
    return functional.softplus(torch.where(positives, -logits, logits)).sum()


@dataclass(frozen=True)
class Objective:
    """``L = −(1/B) Σᵢⱼ log σ(zᵢⱼ (τ vᵢ·tⱼ + b))`` with ``z = +1`` on the diagonal and ``−1`` elsewhere."""

    needs: ClassVar[frozenset[str]] = frozenset()

    def __call__(self, embeddings: Embeddings) -> LossTerms:
        """The loss of one global batch of B pairs."""
        cosines = embeddings.image @ embeddings.text.T  # (B, B)
        diagonal = torch.eye(len(cosines), dtype=torch.bool, device=cosines.device)
        loss = sigmoid_loss(cosines, diagonal, embeddings.logit_scale, embeddings.logit_bias) / len(cosines)
        return LossTerms(loss, {"contrastive": loss})
