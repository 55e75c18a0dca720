"""SigLIP: every pair of the batch is a yes-or-no question (Zhai et al., arXiv 2303.15343)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from rebind.objectives.similarity import cosines
from rebind.types import Embeddings, LossTerms


def sigmoid_loss(
    similar: Tensor, targets: Tensor, logit_scale: Tensor, logit_bias: Tensor, weights: Tensor | None = None
) -> Tensor:
    """Weighted sum over all pairs of ``−y log σ(z) − (1 − y) log σ(−z)`` with the logit ``z = τ cosine + b``.

    Args:
        similar: (K, C) cosines of images and texts.
        targets: (K, C) y, bool or between 0 and 1: how far image and text belong together.
        logit_scale: scalar τ.
        logit_bias: scalar b.
        weights: (C,) how often each text counts; None when every one counts once.
    """
    logits = logit_scale * similar + logit_bias
    if weights is not None:
        weights = weights.to(logits.dtype)
    return functional.binary_cross_entropy_with_logits(logits, targets.to(logits.dtype), weights, reduction="sum")


def pair_loss(
    images: Tensor, captions: Tensor, caption_of: Tensor, own: slice | Tensor, logit_scale: Tensor, logit_bias: Tensor
) -> Tensor:
    """Sum of the :func:`sigmoid_loss` of own images and all captions.

    Args:
        images: (K, d).
        captions: (C, d), with C ≥ K: those of the images, and perhaps more that are nobody's.
        caption_of: (K,) row of ``captions`` that belongs to each image.
        own: which of the images to answer for, as a slice or (K,) bool.
        logit_scale: scalar τ.
        logit_bias: scalar b.
    """
    belongs = caption_of[own][:, None] == torch.arange(len(captions), device=images.device)
    return sigmoid_loss(cosines(images[own], captions), belongs, logit_scale, logit_bias)


@dataclass(frozen=True)
class Objective:
    """``L = −(1/B) Σᵢⱼ log σ(zᵢⱼ (τ vᵢ·tⱼ + b))`` with ``z = +1`` on the diagonal and ``−1`` elsewhere."""

    needs: ClassVar[frozenset[str]] = frozenset()

    def __call__(self, embeddings: Embeddings) -> LossTerms:
        """The own images' part of the loss of one global batch of B pairs."""
        images, scale, bias = embeddings.image, embeddings.logit_scale, embeddings.logit_bias
        diagonal = torch.arange(len(images), device=images.device)
        loss = pair_loss(images, embeddings.text, diagonal, embeddings.own, scale, bias) / len(images)
        return LossTerms(loss, {"contrastive": loss})
