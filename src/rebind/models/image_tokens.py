"""Image tokens in the joint space: what each patch would say if the image embedding were made of it alone."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor


def image_tokens(model: Any, hidden: Tensor) -> Tensor:
    """Map the vision tower's output tokens to the joint space, with no parameter that the model does not have.

    SigLIP and SigLIP 2: see :func:`attend_alone`. CLIP: post-layernorm, then the visual projection; the class token
    is left out, for it stands for no place in the image.

    Args:
        model: a transformers ``SiglipModel``, ``Siglip2Model`` or ``CLIPModel``.
        hidden: (B, L, D) ``last_hidden_state`` of its vision tower; for CLIP the class token comes first.

    Returns:
        (B, L, d) tokens, or (B, L - 1, d) for CLIP; not normalised.
    """
    vision = model.vision_model
    if model.config.model_type == "clip":
        return model.visual_projection(vision.post_layernorm(hidden[:, 1:]))
    return attend_alone(vision.head, hidden)


def attend_alone(head: Any, hidden: Tensor) -> Tensor:
    """Return, for every token, what SigLIP's pooling head returns when its attention sits wholly on that token.

    The attention weights then are 1 and 0, so that the probe, queries and keys drop out: what is left is the value
    projection, the output projection and the residual MLP.

    Args:
        head: ``SiglipMultiheadAttentionPoolingHead`` or its SigLIP 2 twin.
        hidden: (B, L, d).

    Returns:
        (B, L, d).
    """
    attention = head.attention
    width = attention.embed_dim  # in_proj stacks the query, key and value projections
    values = F.linear(hidden, attention.in_proj_weight[-width:], attention.in_proj_bias[-width:])
    attended = attention.out_proj(values)
    return attended + head.mlp(head.layernorm(attended))
