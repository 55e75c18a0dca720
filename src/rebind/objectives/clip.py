"""CLIP: softmax over the rows and the columns of the similarity matrix (Radford et al., arXiv 2103.00020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch.nn import functional

from rebind.objectives.similarity import cosines
from rebind.types import Embeddings, LossTerms


@dataclass(frozen=True)
class Objective:
    """``L = ½ [CE(τ v tᵀ, diag) + CE(τ t vᵀ, diag)]``; a logit bias would cancel and is not used."""

    needs: ClassVar[frozenset[str]] = frozenset()

    def __call__(self, embeddings: Embeddings) -> LossTerms:
        """The loss of one global batch of B pairs."""
        logits = embeddings.logit_scale * cosines(embeddings.image, embeddings.text)  # (B, B)
        diagonal = torch.arange(len(logits), device=logits.device)
        loss = (functional.cross_entropy(logits, diagonal) + functional.cross_entropy(logits.T, diagonal)) / 2
        return LossTerms(loss, {"contrastive": loss})
