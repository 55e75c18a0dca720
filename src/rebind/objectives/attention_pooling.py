"""Cross-modal attention pooling (C2LIP's XAC), without ever forming the pooled vectors.

As the paper has it, concept k pools the tokens of image i with attention ``aᵢₖₗ = softmaxₗ(s Vᵢₗ·cₖ)`` into
``v̂ᵢₖ = norm(Σₗ aᵢₖₗ Vᵢₗ)``. Only the cosine ``v̂ᵢₖ·cₖ`` is ever used, and with ``S = V cᵀ`` and the Gram matrix
``Gᵢ = Vᵢ Vᵢᵀ`` it is exactly ``Σₗ Aᵢₗₖ Sᵢₗₖ / sqrt(Σₗₘ Aᵢₗₖ Gᵢₗₘ Aᵢₘₖ)``: three matrix products.
"""

from __future__ import annotations

import torch
from torch import Tensor

_SMALLEST_SQUARED_NORM = 1e-12


def concept_attention_logits(
    image_tokens: Tensor, concepts: Tensor, attention_scale: float = 1.0, token_mask: Tensor | None = None
) -> Tensor:
    """Cosine of every concept with every image pooled by that concept.

    Args:
        image_tokens: (B, L, d), L2-normalised, in the joint space.
        concepts: (N, d), L2-normalised.
        attention_scale: s, the inverse temperature of the attention.
        token_mask: (B, L) bool, False where a token is padding; every image has at least one real token.

    Returns:
        (B, N) cosines, float32 or wider whatever the inputs' precision.

    Raises:
        ValueError: when the shapes do not fit.
    """
    if image_tokens.ndim != 3 or concepts.ndim != 2 or image_tokens.shape[-1] != concepts.shape[-1]:
        shapes = f"{tuple(image_tokens.shape)} and {tuple(concepts.shape)}"
        raise ValueError(f"image tokens must be (B, L, d) and concepts (N, d) of the same d, not {shapes}")
    with torch.autocast(image_tokens.device.type, enabled=False):  # half-precision sums over L lose the small weights
        exact = torch.promote_types(image_tokens.dtype, torch.float32)
        tokens, phrases = image_tokens.to(exact), concepts.to(exact)
        scores = tokens @ phrases.T  # (B, L, N)
        attended = attention_scale * scores
        if token_mask is not None:
            attended = attended.masked_fill(~token_mask[..., None], -torch.inf)
        attention = attended.softmax(dim=1)
        gram = tokens @ tokens.transpose(1, 2)  # (B, L, L)
        squared_norm = (attention * (gram @ attention)).sum(dim=1)  # (B, N)
        return (attention * scores).sum(dim=1) * squared_norm.clamp_min(_SMALLEST_SQUARED_NORM).rsqrt()
