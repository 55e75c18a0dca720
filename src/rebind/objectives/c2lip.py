"""C2LIP: concepts aligned globally (NPC) and through cross-modal attention pooling (XAC) (arXiv 2603.25722, CVPR 2026).

``L = L_siglip + λ_npc L_npc + λ_xac L_xac`` with, over images i and concepts k,
``L_npc = −(1/N) Σᵢₖ log σ(yᵢₖ (τ vᵢ·cₖ + b))`` and ``L_xac`` the same with the pooled ``v̂ᵢₖ`` in the place of ``vᵢ``.

Of the N concepts only U are different strings, and equal strings have equal logits. So both sums run over the U: string
u, said mᵤ times in the batch and pᵢᵤ times of image i, adds ``−pᵢᵤ log σ(zᵢᵤ) − (mᵤ − pᵢᵤ) log σ(−zᵢᵤ)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from rebind.objectives import siglip
from rebind.objectives.attention_pooling import Kernel, concept_attention_logits
from rebind.objectives.needs import given
from rebind.objectives.settings import check_choice, check_number
from rebind.objectives.similarity import cosines
from rebind.types import Embeddings, LossTerms

Positives = Literal["owner", "string"]
NormaliseBy = Literal["concepts", "positives"]


@dataclass(frozen=True)
class Objective:
    """C2LIP; the defaults are the settings of the paper. A term of weight 0 is neither encoded nor computed.

    Attributes:
        concept_weight: λ_npc.
        attention_weight: λ_xac.
        attention_scale: s, the inverse temperature of the attention pooling.
        positives: ``owner``, a concept belongs to the image it was read from (paper); ``string``, to every image of
            the batch from which the same string was read.
        normalise_by: divide both concept terms by the number of ``concepts`` (paper) or of positive ``positives``.
        attention_kernel: what computes the attention pooling, ``torch`` or, on CUDA, ``triton``.
    """

    concept_weight: float = 1.0
    attention_weight: float = 0.01
    attention_scale: float = 1.0
    positives: Positives = "owner"
    normalise_by: NormaliseBy = "concepts"
    attention_kernel: Kernel = "torch"

    def __post_init__(self) -> None:
        for name in ("concept_weight", "attention_weight", "attention_scale"):
            check_number(f"c2lip: {name}", getattr(self, name))
        check_choice("c2lip: positives", self.positives, get_args(Positives))
        check_choice("c2lip: normalise_by", self.normalise_by, get_args(NormaliseBy))
        check_choice("c2lip: attention_kernel", self.attention_kernel, get_args(Kernel))

    @property
    def needs(self) -> frozenset[str]:
        """Concepts, and image tokens where the attention term has a weight."""
        if self.attention_weight:
            return frozenset({"concepts", "image_tokens"})
        return frozenset({"concepts"} if self.concept_weight else ())

    def __call__(self, embeddings: Embeddings) -> LossTerms:
        """The own images' part of the loss of one global batch of B pairs and N concepts."""
        parts = dict(siglip.Objective()(embeddings).parts)
        if self.needs:
            parts |= self._concept_parts(embeddings)
        return LossTerms(torch.stack(list(parts.values())).sum(), parts)

    def _concept_parts(self, embeddings: Embeddings) -> dict[str, Tensor]:
        concepts, index, owner = given(embeddings, "concepts")
        strings, times = len(concepts), torch.bincount(index, minlength=len(concepts))  # mᵤ
        said = _times_said(embeddings, strings, index, owner)  # pᵢᵤ
        by_string = self.positives == "string"
        targets = (said > 0).to(said.dtype) if by_string else said / times.clamp_min(1)
        count: Tensor | int = len(index)
        if by_string and self.normalise_by == "positives":
            pairs = (owner * strings + index).unique()  # each image of the batch with each of its strings
            count = times[pairs % strings].sum()

        def loss(similar: Tensor) -> Tensor:
            return siglip.sigmoid_loss(similar, targets, embeddings.logit_scale, embeddings.logit_bias, times) / count

        parts = {}
        if self.concept_weight:
            parts["concept"] = self.concept_weight * loss(cosines(embeddings.image[embeddings.own], concepts))
        if self.attention_weight:
            (tokens,) = given(embeddings, "image_tokens")
            mask, kernel = embeddings.image_token_mask, self.attention_kernel
            pooled = concept_attention_logits(tokens, concepts, self.attention_scale, mask, kernel=kernel)
            parts["attention"] = self.attention_weight * loss(pooled)
        return parts


def _times_said(embeddings: Embeddings, strings: int, index: Tensor, owner: Tensor) -> Tensor:
    """(b, U), float32 or wider: how often each string was read from each own image."""
    first, end, _ = embeddings.own.indices(len(embeddings.image))
    exact = torch.promote_types(embeddings.image.dtype, torch.float32)
    said = torch.zeros(end - first, strings, dtype=exact, device=index.device)
    own = embeddings.owned(owner)
    return said.index_put_((owner[own] - first, index[own]), said.new_ones(()), accumulate=True)
