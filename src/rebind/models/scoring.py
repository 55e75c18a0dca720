"""Which caption fits a picture best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image

from rebind.models.dual_encoder import DualEncoder


@dataclass(frozen=True)
class CaptionScore:
    """One caption's fit.

    Attributes:
        caption: the text.
        cosine: similarity of its embedding and the picture's, −1 to 1.
        probability: SigLIP: that this pair belongs together, each caption on its own; CLIP: that this caption is the
            right one of those given.
    """

    caption: str
    cosine: float
    probability: float


@torch.inference_mode()
def score_captions(encoder: DualEncoder, picture: Image.Image, captions: Sequence[str]) -> list[CaptionScore]:
    """Score captions of one picture, best first.

    Args:
        encoder: the model.
        picture: in RGB mode.
        captions: one or more.
    """
    encoder.eval()
    image, _, _ = encoder.encode_image(encoder.images([picture]))
    cosines = (encoder.encode_text(encoder.texts(list(captions))) @ image.T).squeeze(1)
    logits = encoder.logit_scale * cosines + encoder.logit_bias
    probabilities = logits.softmax(0) if encoder.family == "clip" else logits.sigmoid()
    rows = zip(captions, cosines.tolist(), probabilities.tolist(), strict=True)
    return sorted((CaptionScore(*row) for row in rows), key=lambda score: -score.cosine)
