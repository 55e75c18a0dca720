"""Distillation towards the frozen starting model, so that tuning keeps what that model knew.

Its soft answers are matched in the place of hard ones (Hinton et al., arXiv 1503.02531), for image-text models as rows
and columns of the similarity matrix, or its embeddings directly (Yang et al., CLIP-KD, arXiv 2307.12732). Meant as one
part of a weighted sum; alone it teaches nothing new.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional

from rebind.objectives.needs import given
from rebind.objectives.settings import check_choice
from rebind.objectives.similarity import cosines
from rebind.types import Embeddings, LossTerms, UserError

Match = Literal["similarities", "embeddings"]


@dataclass(frozen=True)
class Objective:
    """Stay near the reference model, whose tensors carry the index 0 and are constants.

    Attributes:
        match: ``similarities``, ``½ [KL(softmax τ₀v₀t₀ᵀ ‖ softmax τvtᵀ) + KL(softmax τ₀t₀v₀ᵀ ‖ softmax τtvᵀ)]``, means
            over rows (a logit bias would cancel); ``embeddings``, ``1 − ½ (v₀·v + t₀·t)``, mean over pairs, for models
            of equal width.
    """

    match: Match = "similarities"

    needs: ClassVar[frozenset[str]] = frozenset({"reference"})

    def __post_init__(self) -> None:
        check_choice("distillation: match", self.match, get_args(Match))

    def __call__(self, embeddings: Embeddings) -> LossTerms:
        """The own images' and captions' part of the loss of one global batch of B pairs.

        Raises:
            UserError: when embeddings of different widths are to be matched.
        """
        divergence = _of_similarities if self.match == "similarities" else _of_embeddings
        loss = divergence(embeddings, *given(embeddings, "reference")) / (2 * len(embeddings.image))
        return LossTerms(loss, {"distillation": loss})


def _of_similarities(now: Embeddings, image: Tensor, text: Tensor, scale: Tensor) -> Tensor:
    """Sum of both divergences over own rows."""
    own = now.own
    rows = _kullback_leibler(scale * cosines(image[own], text), now.logit_scale * cosines(now.image[own], now.text))
    columns = _kullback_leibler(scale * cosines(text[own], image), now.logit_scale * cosines(now.text[own], now.image))
    return rows + columns


def _kullback_leibler(reference: Tensor, logits: Tensor) -> Tensor:
    """Sum over rows of ``KL(softmax reference ‖ softmax logits)``."""
    return functional.kl_div(logits.log_softmax(1), reference.log_softmax(1), reduction="sum", log_target=True)


def _of_embeddings(now: Embeddings, image: Tensor, text: Tensor, _: Tensor) -> Tensor:
    """Sum of ``1 − cosine`` over own images and captions."""
    before, after = image.shape[1], now.image.shape[1]
    if before != after:
        raise UserError(
            f"distillation: match 'embeddings' asks for equal widths, not {before} of the reference and {after} of the "
            "model; 'similarities' takes any"
        )
    exact = torch.promote_types(now.image.dtype, torch.float32)
    tuned, reference = torch.cat([now.image[now.own], now.text[now.own]]), torch.cat([image[now.own], text[now.own]])
    return (1 - (tuned.to(exact) * reference.to(exact)).sum(dim=1)).sum()
