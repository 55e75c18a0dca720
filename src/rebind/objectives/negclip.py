"""NegCLIP: hard-negative captions that every image must refuse (Yuksekgonul et al., arXiv 2210.01936).

``L_neg(v, t, t′) = ½ [CE(τ v [t; t′]ᵀ, diag) + CE(τ t vᵀ, diag)]``, where t′ are all hard negatives of the batch; an
image may have several, or none. NegCLIP++ is the same loss on negatives that a language model wrote.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor

from rebind.objectives.clip import softmax_loss
from rebind.objectives.needs import given
from rebind.objectives.settings import check_choice
from rebind.objectives.siglip import pair_loss
from rebind.types import Embeddings, LossTerms

Form = Literal["softmax", "sigmoid"]


def negative_loss(
    form: Form, embeddings: Embeddings, images: Tensor, captions: Tensor, caption_of: Tensor, own: slice | Tensor
) -> Tensor:
    """The own images' part of ``L_neg``; zero when there are no images.

    Args:
        form: ``softmax`` or ``sigmoid``.
        embeddings: where τ and b are read.
        images: (K, d) all images of the global batch that have a caption here.
        captions: (C, d) their captions, and those that belong to none of them.
        caption_of: (K,) row of ``captions`` that belongs to each image.
        own: which of the images to answer for, as a slice or (K,) bool.
    """
    scale, bias = embeddings.logit_scale, embeddings.logit_bias
    if form == "softmax":
        total = softmax_loss(images, captions, caption_of, own, scale)
    else:
        total = pair_loss(images, captions, caption_of, own, scale, bias)
    return total / max(len(images), 1)


def contrast_with_negatives(form: Form, embeddings: Embeddings) -> Tensor:
    """The own images' part of ``L_neg(v, t, t′)``."""
    hard, _ = given(embeddings, "negative_captions")
    captions = torch.cat([embeddings.text, hard])  # (B + M, d)
    diagonal = torch.arange(len(embeddings.image), device=hard.device)
    return negative_loss(form, embeddings, embeddings.image, captions, diagonal, embeddings.own)


@dataclass(frozen=True)
class Objective:
    """CLIP or SigLIP with hard-negative captions.

    Attributes:
        form: ``softmax`` as in the paper; ``sigmoid``, SigLIP with a "no" of every image to every hard negative.
    """

    form: Form = "softmax"

    needs: ClassVar[frozenset[str]] = frozenset({"negative_captions"})

    def __post_init__(self) -> None:
        check_choice("negclip: form", self.form, get_args(Form))

    def __call__(self, embeddings: Embeddings) -> LossTerms:
        """The own images' part of the loss of one global batch of B pairs and M hard-negative captions."""
        loss = contrast_with_negatives(self.form, embeddings)
        return LossTerms(loss, {"contrastive": loss})
