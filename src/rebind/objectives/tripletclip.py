"""TripletCLIP: a hard negative and its picture are a true pair, too (Patel et al., NeurIPS 2024, arXiv 2411.02545).

``L = L_neg(v, t, t′) + L_neg(v′, t′, t)`` with the ``L_neg`` of NegCLIP: each picture must find its own caption and
refuse the nearly right one, on both sides. The paper gives every image exactly one negative, with a picture. Here M
captions are hard negatives and P of them have a picture: the second term runs over those P pairs, whose images refuse
the other M − 1 negative captions and all B captions; captions without a picture only serve as ones to refuse.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import torch

from rebind.objectives.needs import given
from rebind.objectives.negclip import Form, contrast_with_negatives, negative_loss
from rebind.objectives.settings import check_choice, check_number
from rebind.types import Embeddings, LossTerms


@dataclass(frozen=True)
class Objective:
    """TripletCLIP; the defaults are those of the paper.

    Attributes:
        form: ``softmax`` as in the paper, or ``sigmoid``, of both terms.
        negative_pair_weight: of the second term; at 0 it is not computed, and no picture is encoded for it.
    """

    form: Form = "softmax"
    negative_pair_weight: float = 1.0

    def __post_init__(self) -> None:
        check_choice("tripletclip: form", self.form, get_args(Form))
        check_number("tripletclip: negative_pair_weight", self.negative_pair_weight)

    @property
    def needs(self) -> frozenset[str]:
        """Negative captions, and negative images where the second term has a weight."""
        return frozenset({"negative_captions"} | ({"negative_images"} if self.negative_pair_weight else set()))

    def __call__(self, embeddings: Embeddings) -> LossTerms:
        """The own images' and negatives' part of the loss of one global batch."""
        contrastive = contrast_with_negatives(self.form, embeddings)
        if not self.negative_pair_weight:
            return LossTerms(contrastive, {"contrastive": contrastive})
        hard, owner = given(embeddings, "negative_captions")
        pictures, caption_of = given(embeddings, "negative_images")
        captions = torch.cat([hard, embeddings.text])  # (M + B, d)
        own = embeddings.owned(owner[caption_of])  # (P,)
        pair = negative_loss(self.form, embeddings, pictures, captions, caption_of, own)
        parts = {"contrastive": contrastive, "negative_pair": self.negative_pair_weight * pair}
        return LossTerms(parts["contrastive"] + parts["negative_pair"], parts)
