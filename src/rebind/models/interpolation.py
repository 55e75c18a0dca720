"""Checkpoints between two: weights mixed one by one, after checking that the two are one architecture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from rebind.models.dual_encoder import DualEncoder
from rebind.types import UserError

# What the forward pass depends on and no shape of a weight shows.
UNSEEN = ("hidden_act", "num_attention_heads", "layer_norm_eps", "patch_size", "image_size")


def interpolate(base: str | Path, tuned: DualEncoder, alpha: float, tuned_name: str = "the tuned model") -> DualEncoder:
    """Load ``base`` and move its weights towards those of ``tuned``: θ = (1 − α) θ_base + α θ_tuned.

    Every weight is mixed in float32 and in the space in which it is learned: the logit scale is a logarithm there. At 0
    and 1 the weights are those of the two models to the last bit. Two models are in memory. Source: WiSE-FT, Wortsman
    et al. 2022, arXiv 2109.01903.

    Args:
        base: folder or hub name.
        tuned: what it was tuned to; left as it is.
        alpha: from 0, the base, to 1, the tuned model.
        tuned_name: what to call the tuned model in an error.

    Returns:
        A new encoder with the preprocessing of both.

    Raises:
        UserError: when alpha is outside, the base cannot be loaded, or the two do not fit.
    """
    if not 0 <= alpha <= 1:
        raise UserError(f"alpha is {alpha:g}; it must lie between 0, the base, and 1, the tuned model")
    encoder = DualEncoder.from_pretrained(base)
    check_alike(encoder, tuned, str(base), tuned_name)
    theirs = tuned.state_dict()
    with torch.no_grad():
        for name, weight in encoder.state_dict().items():  # these share their memory with the encoder
            weight.copy_(_between(weight, theirs[name].to(weight.device), alpha))
    return encoder


def _between(first: torch.Tensor, second: torch.Tensor, alpha: float) -> torch.Tensor:
    if alpha in (0, 1) or not first.is_floating_point():
        return second if alpha == 1 else first
    return (1 - alpha) * first + alpha * second


def check_alike(base: DualEncoder, tuned: DualEncoder, base_name: str, tuned_name: str) -> None:
    """Check that two encoders differ in the values of their weights only.

    Raises:
        UserError: naming the first difference in kind, weights, settings or preprocessing.
    """
    pair = f"{base_name} and {tuned_name} cannot be blended"
    if base.family != tuned.family:
        raise UserError(f"{pair}: one is of type {base.family}, the other of type {tuned.family}")
    sizes, theirs = _sizes(base), _sizes(tuned)
    for name in sorted(sizes.keys() ^ theirs.keys()):
        raise UserError(f"{pair}: only {base_name if name in sizes else tuned_name} has the weight {name}")
    for name, size in sizes.items():
        if size != theirs[name]:
            raise UserError(f"{pair}: the weight {name} has size {size} in one and {theirs[name]} in the other")
    for name, (ours, other) in _settings(base, tuned).items():
        if ours != other:
            raise UserError(f"{pair}: {name} is {_short(ours)} in one and {_short(other)} in the other")
    if base.texts.tokenizer.get_vocab() != tuned.texts.tokenizer.get_vocab():
        raise UserError(f"{pair}: their tokenizers have other vocabularies")


def _sizes(encoder: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(weight.shape) for name, weight in encoder.state_dict().items()}


def _settings(base: DualEncoder, tuned: DualEncoder) -> dict[str, tuple[Any, Any]]:
    """Settings of towers and image processor by name, as each of the two has them."""
    towers = {
        f"{tower}.{name}": tuple(getattr(getattr(each.model.config, tower), name, None) for each in (base, tuned))
        for tower in ("text_config", "vision_config")
        for name in UNSEEN
    }
    ours, theirs = (each.images.processor.to_dict() for each in (base, tuned))
    names = [name for name in ours if name in theirs and not name.startswith("_") and not name.endswith("_type")]
    return {**towers, **{f"the image processor's {name}": (ours[name], theirs[name]) for name in names}}


def _short(value: Any) -> str:
    return str(value)[:60]
