"""Initial values with which the text tower of a small SigLIP learns in minutes what a trained one can do already."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn
from transformers import SiglipModel


@torch.no_grad()
def set_initial_values(model: SiglipModel) -> None:
    """Set the initial values, from torch's global random state.

    With attention nearly flat (queries and keys × 0.3), ``v_proj = 3Q`` and ``out_proj = Qᵀ`` for a random orthogonal
    Q, the position that SigLIP reads starts as about three times the mean of the words instead of as noise. One head
    of the first layer starts out reading the word before, as some head of every trained text tower does.
    """
    text: Any = model.text_model
    nn.init.normal_(text.embeddings.token_embedding.weight, std=0.4)
    nn.init.normal_(model.vision_model.embeddings.position_embedding.weight, std=0.1)
    for layer in text.encoder.layers:
        attention = layer.self_attn
        attention.q_proj.weight.mul_(0.3)
        attention.k_proj.weight.mul_(0.3)
        rotation = nn.init.orthogonal_(torch.empty_like(attention.v_proj.weight))
        attention.v_proj.weight.copy_(3 * rotation)
        attention.out_proj.weight.copy_(rotation.T)
    _read_the_word_before(text)
    model.logit_scale.fill_(math.log(10))
    model.logit_bias.fill_(-10)


def _read_the_word_before(text: Any, sharpness: float = 1.2) -> None:
    """Make the first head of the first layer attend to the position before its own.

    Positions become orthogonal directions (T, d), words are moved out of the space that they span, and the head's
    queries are its keys shifted by one position.
    """
    words, positions = text.embeddings.token_embedding.weight, text.embeddings.position_embedding.weight
    length, width = positions.shape
    directions = nn.init.orthogonal_(torch.empty(length, width))
    positions.copy_(0.3 * math.sqrt(width) * directions)
    words.sub_(words @ directions.T @ directions)
    attention = text.encoder.layers[0].self_attn
    keys, queries = attention.k_proj.weight[: attention.head_dim], attention.q_proj.weight[: attention.head_dim]
    keys.zero_()
    queries.zero_()
    keys[:length] = sharpness * directions
    queries[: length - 1] = sharpness * directions[1:]
