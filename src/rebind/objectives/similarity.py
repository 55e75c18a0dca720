"""Cosines in full precision, whatever the towers ran in."""

from __future__ import annotations

import torch
from torch import Tensor


def cosines(images: Tensor, texts: Tensor) -> Tensor:
    """All pairs of (B, d) and (N, d) L2-normalised embeddings.

    Returns:
        (B, N) cosines, float32 or wider even under autocast: bf16 keeps three digits, and a logit scale of 100 makes
        of that an error of 0.4 in the logits.
    """
    with torch.autocast(images.device.type, enabled=False):
        exact = torch.promote_types(images.dtype, torch.float32)
        return images.to(exact) @ texts.to(exact).T
