"""Attention pooling as the paper writes it, one image and one concept at a time, and inputs to try it on."""

import torch
from torch import Tensor
from torch.nn.functional import normalize


def pooled_form(tokens: Tensor, concepts: Tensor, scale: float, mask: Tensor | None = None) -> Tensor:
    """Every pooled vector formed, normalised and compared."""
    rows = []
    for i, image in enumerate(tokens):
        real = image if mask is None else image[mask[i]]
        attention = [torch.softmax(scale * (real @ concept), dim=0) for concept in concepts]
        pooled = [(weights[:, None] * real).sum(dim=0) for weights in attention]
        rows.append([vector @ concept / vector.norm() for vector, concept in zip(pooled, concepts, strict=True)])
    return torch.stack([cosine for row in rows for cosine in row]).view(len(tokens), len(concepts))


def make_inputs(images=3, tokens=5, concepts=4, width=6, *, masked=False, seed=0, dtype=torch.float64):
    """Tokens and concepts, leaves that ask for a gradient; a mask or None; a gradient of the cosines."""
    draw = torch.Generator().manual_seed(seed)

    def unit(*shape: int) -> Tensor:
        drawn = torch.randn(*shape, generator=draw, dtype=torch.float64)
        return normalize(drawn, dim=-1).to(dtype).requires_grad_()

    mask = torch.rand(images, tokens, generator=draw) < 0.6
    mask[:, 0] = True
    direction = torch.randn(images, concepts, generator=draw, dtype=torch.float64)
    return unit(images, tokens, width), unit(concepts, width), mask if masked else None, direction


def gradients(cosines: Tensor, direction: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad(cosines, inputs, direction.to(cosines.dtype))


def in_double(*inputs: Tensor) -> list[Tensor]:
    return [each.detach().double().requires_grad_() for each in inputs]
