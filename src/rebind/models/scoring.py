"""Which caption fits a picture best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image

from rebind.models.dual_encoder import DualEncoder
from rebind.models.loading import Encoder
from rebind.types import UserError


@dataclass(frozen=True)
class CaptionScore:
    """One caption's fit.

    Attributes:
        caption: the text.
        cosine: similarity of its embedding and the picture's, −1 to 1.
        probability: SigLIP: that this pair belongs together, each caption on its own; CLIP: that this caption is the
            right one of those given; None for other models.
    """

    caption: str
    cosine: float
    probability: float | None


@torch.inference_mode()
def score_captions(encoder: Encoder, picture: Image.Image, captions: Sequence[str]) -> list[CaptionScore]:
    """Score captions of one picture, best first.

    Args:
        encoder: the model.
        picture: in RGB mode.
        captions: one or more.

    Raises:
        UserError: when the model embeds no pictures, or a score is not finite.
    """
    encoder.eval()
    image, _, _ = encoder.encode_image(encoder.images([picture]))
    cosines = (encoder.encode_text(encoder.texts(list(captions))) @ image.T).squeeze(1)
    probabilities, found = [None] * len(captions), cosines
    if isinstance(encoder, DualEncoder):
        found = encoder.logit_scale * cosines + encoder.logit_bias
        probabilities = (found.softmax(0) if encoder.family == "clip" else found.sigmoid()).tolist()
    if not found.isfinite().all():
        raise UserError(
            "the model gives scores that are not finite; its weights are damaged or its training diverged: use an "
            "earlier checkpoint"
        )
    rows = zip(captions, cosines.tolist(), probabilities, strict=True)
    return sorted((CaptionScore(*row) for row in rows), key=lambda score: -score.cosine)
