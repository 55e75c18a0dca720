"""C2LIP: concepts aligned globally (NPC) and through cross-modal attention pooling (XAC) (arXiv 2603.25722, CVPR 2026).

``L = L_siglip + λ_npc L_npc + λ_xac L_xac`` with, over images i and concepts k,
``L_npc = −(1/N) Σᵢₖ log σ(yᵢₖ (τ vᵢ·cₖ + b))`` and ``L_xac`` the same with the pooled ``v̂ᵢₖ`` in the place of ``vᵢ``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor

from rebind.objectives import siglip
from rebind.objectives.attention_pooling import concept_attention_logits
from rebind.objectives.similarity import cosines
from rebind.types import Embeddings, LossTerms, UserError

Positives = Literal["owner", "string"]
NormaliseBy = Literal["concepts", "positives"]


@dataclass(frozen=True)
class Objective:
    """C2LIP; the defaults are the settings of the paper.

    Attributes:
        concept_weight: λ_npc.
        attention_weight: λ_xac.
        attention_scale: s, the inverse temperature of the attention pooling.
        positives: ``owner``, a concept belongs to the image it was read from (paper); ``string``, to every image of
            the batch from which the same string was read.
        normalise_by: divide both concept terms by the number of ``concepts`` (paper) or of positive ``positives``.
    """

    concept_weight: float = 1.0
    attention_weight: float = 0.01
    attention_scale: float = 1.0
    positives: Positives = "owner"
    normalise_by: NormaliseBy = "concepts"

    needs: ClassVar[frozenset[str]] = frozenset({"concepts"})

    def __post_init__(self) -> None:
        for name in ("concept_weight", "attention_weight", "attention_scale"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or not 0 <= value < float("inf"):
                raise UserError(f"c2lip: {name} must be a number of at least 0, not {value!r}")
        for name, choices in (("positives", get_args(Positives)), ("normalise_by", get_args(NormaliseBy))):
            if getattr(self, name) not in choices:
                raise UserError(f"c2lip: {name} must be one of {', '.join(choices)}, not {getattr(self, name)!r}")

    def __call__(self, embeddings: Embeddings) -> LossTerms:
        """The loss of one global batch of B pairs and N concepts; a term of weight 0 is not computed."""
        scale, bias = embeddings.logit_scale, embeddings.logit_bias
        concepts, tokens = embeddings.concepts, embeddings.image_tokens
        assert concepts is not None, "the batch was collated without concepts"
        assert tokens is not None, "the images were encoded without tokens"
        positives = self._positives(embeddings)
        count = positives.sum() if self.normalise_by == "positives" else len(concepts)
        parts = dict(siglip.Objective()(embeddings).parts)
        if self.concept_weight:
            similar = cosines(embeddings.image, concepts)  # (B, N)
            parts["concept"] = self.concept_weight * siglip.sigmoid_loss(similar, positives, scale, bias) / count
        if self.attention_weight:
            pooled = concept_attention_logits(tokens, concepts, self.attention_scale, embeddings.image_token_mask)
            parts["attention"] = self.attention_weight * siglip.sigmoid_loss(pooled, positives, scale, bias) / count
        return LossTerms(torch.stack(list(parts.values())).sum(), parts)

    def _positives(self, embeddings: Embeddings) -> Tensor:
        """(B, N) bool: which image each concept belongs to."""
        owner, identity = embeddings.concept_owner, embeddings.concept_identity
        assert owner is not None
        assert identity is not None
        owned = torch.arange(len(embeddings.image), device=owner.device)[:, None] == owner  # (B, N)
        if self.positives == "owner":
            return owned
        same = (identity[:, None] == identity).to(embeddings.image.dtype)  # (N, N)
        return owned.to(same.dtype) @ same > 0
