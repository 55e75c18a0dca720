"""CLIP: softmax over the rows and the columns of the similarity matrix (Radford et al., arXiv 2103.00020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from rebind.objectives.similarity import cosines
from rebind.types import Embeddings, LossTerms


def softmax_loss(
    images: Tensor, captions: Tensor, caption_of: Tensor, own: slice | Tensor, logit_scale: Tensor
) -> Tensor:
    """Sum over own images of ``½ [CE(image → all captions) + CE(its caption → all images)]``.

    Args:
        images: (K, d).
        captions: (C, d), with C ≥ K: those of the images, and perhaps more that are nobody's.
        caption_of: (K,) row of ``captions`` that belongs to each image.
        own: which of the images to answer for, as a slice or (K,) bool.
        logit_scale: scalar τ.
    """
    mine = caption_of[own]
    chosen = torch.arange(len(images), device=images.device)[own]
    to_captions = logit_scale * cosines(images[own], captions)
    to_images = logit_scale * cosines(captions[mine], images)
    loss = functional.cross_entropy(to_captions, mine, reduction="sum")
    return (loss + functional.cross_entropy(to_images, chosen, reduction="sum")) / 2


@dataclass(frozen=True)
class Objective:
    """``L = ½ [CE(τ v tᵀ, diag) + CE(τ t vᵀ, diag)]``; a logit bias would cancel and is not used."""

    needs: ClassVar[frozenset[str]] = frozenset()

    def __call__(self, embeddings: Embeddings) -> LossTerms:
        """The own images' and captions' part of the loss of one global batch of B pairs."""
        images, captions = embeddings.image, embeddings.text
        diagonal = torch.arange(len(images), device=images.device)
        loss = softmax_loss(images, captions, diagonal, embeddings.own, embeddings.logit_scale) / len(images)
        return LossTerms(loss, {"contrastive": loss})
