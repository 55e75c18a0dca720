"""The objectives as the papers write them: one scalar at a time, in Python loops, sharing no code with the package."""

from dataclasses import replace

import torch
from torch import Tensor

from rebind.types import Embeddings

DIFFERENTIABLE = (
    "image",
    "text",
    "image_tokens",
    "concepts",
    "negative_text",
    "negative_image",
    "logit_scale",
    "logit_bias",
)
CONSTANT = ("reference_image", "reference_text", "reference_logit_scale")

#: Objective or sum, and its settings: every branch of every objective.
CASES = [
    ("clip", {}),
    ("siglip", {}),
    ("negclip", {}),
    ("negclip", {"form": "sigmoid"}),
    ("tripletclip", {}),
    ("tripletclip", {"form": "sigmoid", "negative_pair_weight": 0.3}),
    ("tripletclip", {"negative_pair_weight": 0.0}),
    ("distillation", {}),
    ("distillation", {"match": "embeddings"}),
    ("c2lip", {}),
    ("c2lip", {"concept_weight": 4.0, "attention_weight": 1.0, "attention_scale": 10.0, "positives": "string"}),
    ("c2lip", {"attention_weight": 2.0, "attention_scale": 0.0, "normalise_by": "positives"}),
    ("c2lip", {"attention_weight": 1.0, "positives": "string", "normalise_by": "positives"}),
    ("c2lip", {"concept_weight": 0.0, "attention_weight": 1.0}),
    ("c2lip", {"attention_weight": 0.0}),
    ("c2lip", {"concept_weight": 0.0, "attention_weight": 0.0}),
    (
        {"c2lip": 1.0, "tripletclip": 0.5, "distillation": 2, "clip": 0.0},
        {"c2lip": {"attention_weight": 1.0}, "tripletclip": {"form": "sigmoid"}},
    ),
]


def zero() -> Tensor:
    return torch.zeros((), dtype=torch.float64)


def log_sigmoid(x: Tensor) -> Tensor:
    return torch.log(1 / (1 + torch.exp(-x)))


def cross_entropy(tau: Tensor, one: Tensor, others: list[Tensor], right: int) -> Tensor:
    return -torch.log(softmax(tau, one, others)[right])


def softmax(tau: Tensor, one: Tensor, others: list[Tensor]) -> list[Tensor]:
    powers = [torch.exp(tau * (one @ other)) for other in others]
    return [power / sum(powers) for power in powers]


def clip(e: Embeddings) -> Tensor:
    """L = ½ [CE(τ v tᵀ, diag) + CE(τ t vᵀ, diag)]."""
    images, tau = range(len(e.image)), e.logit_scale
    rows = sum(cross_entropy(tau, e.image[i], list(e.text), i) for i in images)
    columns = sum(cross_entropy(tau, e.text[i], list(e.image), i) for i in images)
    return (rows + columns) / (2 * len(e.image))


def siglip(e: Embeddings) -> Tensor:
    """L = −(1/B) Σᵢⱼ log σ(zᵢⱼ (τ vᵢ·tⱼ + b))."""
    total = zero()
    for i, v in enumerate(e.image):
        for j, t in enumerate(e.text):
            z = 1 if i == j else -1
            total = total - log_sigmoid(z * (e.logit_scale * (v @ t) + e.logit_bias))
    return total / len(e.image)


def negclip(e: Embeddings, form: str = "softmax") -> Tensor:
    """½ [CE(τ v [t; t′]ᵀ, diag) + CE(τ t vᵀ, diag)], or SigLIP and −(1/B) Σᵢₘ log σ(−(τ vᵢ·t′ₘ + b))."""
    if form == "softmax":
        images, tau = range(len(e.image)), e.logit_scale
        captions = [*e.text, *e.negative_text]
        rows = sum(cross_entropy(tau, e.image[i], captions, i) for i in images)
        columns = sum(cross_entropy(tau, e.text[i], list(e.image), i) for i in images)
        return (rows + columns) / (2 * len(e.image))
    refused = zero()
    for v in e.image:
        for hard in e.negative_text:
            refused = refused - log_sigmoid(-(e.logit_scale * (v @ hard) + e.logit_bias))
    return siglip(e) + refused / len(e.image)


def tripletclip_parts(e: Embeddings, form: str = "softmax", negative_pair_weight: float = 1.0) -> dict[str, Tensor]:
    """L_neg(v, t, t′) and w L_neg(v′, t′, t)."""
    tau, bias, pictures = e.logit_scale, e.logit_bias, range(len(e.negative_image))
    shown = [int(row) for row in e.negative_image_text]
    total = zero()
    for p in pictures:
        picture = e.negative_image[p]
        if form == "softmax":
            total = total + cross_entropy(tau, picture, [*e.negative_text, *e.text], shown[p]) / 2
            total = total + cross_entropy(tau, e.negative_text[shown[p]], list(e.negative_image), p) / 2
            continue
        for m, hard in enumerate(e.negative_text):
            z = 1 if m == shown[p] else -1
            total = total - log_sigmoid(z * (tau * (picture @ hard) + bias))
        for caption in e.text:
            total = total - log_sigmoid(-(tau * (picture @ caption) + bias))
    pair = total / len(pictures) if len(pictures) else total
    return {"contrastive": negclip(e, form), "negative_pair": negative_pair_weight * pair}


def tripletclip(e: Embeddings, **settings) -> Tensor:
    return sum(tripletclip_parts(e, **settings).values())


def is_positive(e: Embeddings, i: int, k: int, positives: str) -> bool:
    """Whether concept k is read from image i, or, by string, whether one of the same string is."""
    same = [k] if positives == "owner" else [m for m, u in enumerate(e.concept_index) if u == e.concept_index[k]]
    return any(int(e.concept_owner[m]) == i for m in same)


def pooled(e: Embeddings, i: int, u: int, scale: float) -> Tensor:
    """v̂ᵢᵤ = norm(Σₗ aᵢᵤₗ Vᵢₗ) with aᵢᵤₗ = softmaxₗ(s · Vᵢₗ·cᵤ), over the real tokens; u is a row of ``concepts``."""
    mask = e.image_token_mask
    real = [token for m, token in enumerate(e.image_tokens[i]) if mask is None or mask[i, m]]
    weights = [torch.exp(scale * (token @ e.concepts[u])) for token in real]
    mixed = sum(weight / sum(weights) * token for weight, token in zip(weights, real, strict=True))
    return mixed / torch.sqrt(mixed @ mixed)


def c2lip_parts(
    e: Embeddings,
    concept_weight: float = 1.0,
    attention_weight: float = 0.01,
    attention_scale: float = 1.0,
    positives: str = "owner",
    normalise_by: str = "concepts",
) -> dict[str, Tensor]:
    """L_siglip, λ_npc L_npc and λ_xac L_xac, over the N concepts one by one."""
    npc, xac, positive = zero(), zero(), 0
    for i, v in enumerate(e.image):
        for k, u in enumerate(e.concept_index):
            c = e.concepts[u]
            belongs = is_positive(e, i, k, positives)
            y, positive = (1, positive + 1) if belongs else (-1, positive)
            npc = npc - log_sigmoid(y * (e.logit_scale * (v @ c) + e.logit_bias))
            xac = xac - log_sigmoid(y * (e.logit_scale * (pooled(e, i, u, attention_scale) @ c) + e.logit_bias))
    count = len(e.concept_index) if normalise_by == "concepts" else positive
    return {
        "contrastive": siglip(e),
        "concept": concept_weight * npc / count,
        "attention": attention_weight * xac / count,
    }


def c2lip(e: Embeddings, **settings) -> Tensor:
    return sum(c2lip_parts(e, **settings).values())


def distillation(e: Embeddings, match: str = "similarities") -> Tensor:
    """½ [KL(softmax τ₀ v₀ t₀ᵀ ‖ softmax τ v tᵀ) + KL of the transposed], means over rows; or 1 − ½ (v₀·v + t₀·t)."""
    v, t, v0, t0 = (list(each) for each in (e.image, e.text, e.reference_image, e.reference_text))
    total = zero()
    for i in range(len(v)):
        if match == "embeddings":
            total = total + (1 - v[i] @ v0[i]) / 2 + (1 - t[i] @ t0[i]) / 2
            continue
        for tuned, frozen in (((v[i], t), (v0[i], t0)), ((t[i], v), (t0[i], v0))):
            ours, theirs = softmax(e.logit_scale, *tuned), softmax(e.reference_logit_scale, *frozen)
            total = total + sum(p0 * (torch.log(p0) - torch.log(p)) for p, p0 in zip(ours, theirs, strict=True)) / 2
    return total / len(v)


def loss(name: str | dict[str, float], e: Embeddings, **settings) -> Tensor:
    """Of an objective of this file, or of a weighted sum of several."""
    if isinstance(name, str):
        return globals()[name](e, **settings)
    return sum(weight * loss(each, e, **settings.get(each, {})) for each, weight in name.items())


def make_embeddings(
    counts=(1, 8, 3, 2), tokens=5, width=6, seed=0, masked=False, scale=4.0, bias=-1.5, negatives=(2, 0, 3, 1)
) -> Embeddings:
    """A float64 batch with ``counts[i]`` concepts and ``negatives[i]`` hard negatives of image i.

    Strings repeat within and across images; two of three negatives have a picture; ``negatives`` is gone through again
    when it is too short.
    """
    draw = torch.Generator().manual_seed(seed)

    def unit(*shape: int) -> Tensor:
        return torch.nn.functional.normalize(torch.randn(*shape, generator=draw, dtype=torch.float64), dim=-1)

    batch, total = len(counts), sum(counts)
    owner = torch.repeat_interleave(torch.arange(batch), torch.tensor(counts))[torch.randperm(total, generator=draw)]
    strings, index = torch.randint(max(1, total * 2 // 3), (total,), generator=draw).unique(return_inverse=True)
    mask = torch.rand(batch, tokens, generator=draw) < 0.6
    mask[:, 0] = True
    hard = torch.repeat_interleave(
        torch.arange(batch), torch.tensor([negatives[i % len(negatives)] for i in range(batch)])
    )
    shown = torch.arange(len(hard))[torch.arange(len(hard)) % 3 != 1]
    return Embeddings(
        image=unit(batch, width),
        text=unit(batch, width),
        logit_scale=torch.tensor(scale, dtype=torch.float64),
        logit_bias=torch.tensor(bias, dtype=torch.float64),
        image_tokens=unit(batch, tokens, width),
        image_token_mask=mask if masked else None,
        concepts=unit(len(strings), width),
        concept_identity=100 + strings,
        concept_index=index,
        concept_owner=owner,
        negative_text=unit(len(hard), width),
        negative_owner=hard,
        negative_image=unit(len(shown), width),
        negative_image_text=shown,
        reference_image=unit(batch, width),
        reference_text=unit(batch, width),
        reference_logit_scale=torch.tensor(scale + 1, dtype=torch.float64),
    )


def share(e: Embeddings, first: int, end: int) -> Embeddings:
    """What the process holds that answers for images first … end − 1."""
    own, mask = slice(first, end), e.image_token_mask
    return replace(e, own=own, image_tokens=e.image_tokens[own], image_token_mask=None if mask is None else mask[own])


def leaves(e: Embeddings, dtype: torch.dtype = torch.float64) -> Embeddings:
    """A copy with floating-point tensors of that type; those that training changes are leaves that ask for a gradient.

    The scalars are parameters of the model, not activations, and never become less than single precision.
    """

    def leaf(name: str) -> Tensor:
        value = getattr(e, name).detach()
        wanted = dtype if value.ndim else torch.promote_types(dtype, torch.float32)
        return value.to(wanted).requires_grad_(name in DIFFERENTIABLE)

    return replace(e, **{name: leaf(name) for name in DIFFERENTIABLE + CONSTANT})


def gradients(loss: Tensor, e: Embeddings) -> dict[str, Tensor]:
    """Of every differentiable field; zero where the loss does not read it."""
    inputs = {name: getattr(e, name) for name in DIFFERENTIABLE}
    found = torch.autograd.grad(loss, list(inputs.values()), allow_unused=True, retain_graph=True)
    return {
        name: torch.zeros_like(value) if gradient is None else gradient
        for (name, value), gradient in zip(inputs.items(), found, strict=True)
    }
