"""The objectives as the papers write them: one scalar at a time, in Python loops, sharing no code with the package."""

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from rebind.types import Embeddings

DIFFERENTIABLE = ("image", "text", "image_tokens", "concepts", "logit_scale", "logit_bias")


@dataclass(frozen=True)
class Weights:
    concept_weight: float = 1.0
    attention_weight: float = 0.01
    attention_scale: float = 1.0
    positives: str = "owner"
    normalise_by: str = "concepts"


def log_sigmoid(x: Tensor) -> Tensor:
    return torch.log(1 / (1 + torch.exp(-x)))


def clip(e: Embeddings) -> Tensor:
    """L = ½ [CE(τ v tᵀ, diag) + CE(τ t vᵀ, diag)]."""
    images, tau = range(len(e.image)), e.logit_scale
    rows = sum(-torch.log(torch.exp(tau * e.image[i] @ e.text[i]) / _exp_sum(tau, e.image[i], e.text)) for i in images)
    columns = sum(
        -torch.log(torch.exp(tau * e.text[i] @ e.image[i]) / _exp_sum(tau, e.text[i], e.image)) for i in images
    )
    return (rows + columns) / (2 * len(e.image))


def _exp_sum(tau: Tensor, one: Tensor, others: Tensor) -> Tensor:
    return sum(torch.exp(tau * one @ other) for other in others)


def siglip(e: Embeddings) -> Tensor:
    """L = −(1/B) Σᵢⱼ log σ(zᵢⱼ (τ vᵢ·tⱼ + b))."""
    total = torch.zeros((), dtype=torch.float64)
    for i, v in enumerate(e.image):
        for j, t in enumerate(e.text):
            z = 1 if i == j else -1
            total = total - log_sigmoid(z * (e.logit_scale * (v @ t) + e.logit_bias))
    return total / len(e.image)


def is_positive(e: Embeddings, i: int, k: int, positives: str) -> bool:
    if positives == "owner":
        return int(e.concept_owner[k]) == i
    same = [m for m in range(len(e.concepts)) if e.concept_identity[m] == e.concept_identity[k]]
    return any(int(e.concept_owner[m]) == i for m in same)


def pooled(e: Embeddings, i: int, k: int, scale: float) -> Tensor:
    """v̂ᵢₖ = norm(Σₗ aᵢₖₗ Vᵢₗ) with aᵢₖₗ = softmaxₗ(s · Vᵢₗ·cₖ), over the real tokens."""
    mask = e.image_token_mask
    real = [token for m, token in enumerate(e.image_tokens[i]) if mask is None or mask[i, m]]
    weights = [torch.exp(scale * (token @ e.concepts[k])) for token in real]
    mixed = sum(weight / sum(weights) * token for weight, token in zip(weights, real, strict=True))
    return mixed / torch.sqrt(mixed @ mixed)


def c2lip_parts(e: Embeddings, w: Weights) -> dict[str, Tensor]:
    """λ_npc L_npc and λ_xac L_xac beside L_siglip."""
    npc, xac = torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    positive = 0
    for i, v in enumerate(e.image):
        for k, c in enumerate(e.concepts):
            belongs = is_positive(e, i, k, w.positives)
            y, positive = (1, positive + 1) if belongs else (-1, positive)
            npc = npc - log_sigmoid(y * (e.logit_scale * (v @ c) + e.logit_bias))
            xac = xac - log_sigmoid(y * (e.logit_scale * (pooled(e, i, k, w.attention_scale) @ c) + e.logit_bias))
    count = len(e.concepts) if w.normalise_by == "concepts" else positive
    terms = {"concept": w.concept_weight * npc / count, "attention": w.attention_weight * xac / count}
    return {"contrastive": siglip(e), **terms}


def c2lip(e: Embeddings, w: Weights) -> Tensor:
    return sum(c2lip_parts(e, w).values())


def make_embeddings(counts=(1, 8, 3, 2), tokens=5, width=6, seed=0, masked=False, scale=4.0, bias=-1.5) -> Embeddings:
    """A float64 batch with ``counts[i]`` concepts of image i; strings repeat within and across images."""
    draw = torch.Generator().manual_seed(seed)

    def unit(*shape: int) -> Tensor:
        return torch.nn.functional.normalize(torch.randn(*shape, generator=draw, dtype=torch.float64), dim=-1)

    batch, total = len(counts), sum(counts)
    owner = torch.repeat_interleave(torch.arange(batch), torch.tensor(counts))[torch.randperm(total, generator=draw)]
    identity = torch.randint(max(1, total * 2 // 3), (total,), generator=draw)
    mask = torch.rand(batch, tokens, generator=draw) < 0.6
    mask[:, 0] = True
    return Embeddings(
        image=unit(batch, width),
        text=unit(batch, width),
        logit_scale=torch.tensor(scale, dtype=torch.float64),
        logit_bias=torch.tensor(bias, dtype=torch.float64),
        image_tokens=unit(batch, tokens, width),
        image_token_mask=mask if masked else None,
        concepts=unit(int(identity.max()) + 1, width)[identity],
        concept_owner=owner,
        concept_identity=identity,
    )


def leaves(e: Embeddings, dtype: torch.dtype = torch.float64) -> Embeddings:
    """A copy whose floating-point tensors are leaves that ask for a gradient."""
    floats = {f.name: getattr(e, f.name) for f in fields(e) if f.name in DIFFERENTIABLE}
    return replace(e, **{name: value.detach().to(dtype).requires_grad_() for name, value in floats.items()})


def gradients(loss: Tensor, e: Embeddings) -> dict[str, Tensor]:
    """Of every differentiable field; zero where the loss does not read it."""
    inputs = {name: getattr(e, name) for name in DIFFERENTIABLE}
    found = torch.autograd.grad(loss, list(inputs.values()), allow_unused=True)
    return {
        name: torch.zeros_like(value) if gradient is None else gradient
        for (name, value), gradient in zip(inputs.items(), found, strict=True)
    }
