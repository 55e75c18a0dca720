"""Cross-modal attention pooling (C2LIP's XAC), exact, in tiles, without ever forming the pooled vectors.

As the paper has it, concept k pools the tokens of image i with attention ``Aᵢₖₗ = softmaxₗ(s Vᵢₗ·cₖ)`` into
``v̂ᵢₖ = norm(Σₗ Aᵢₖₗ Vᵢₗ)``. Only the cosine ``v̂ᵢₖ·cₖ`` is ever used. With the scores ``S = c Vᵀ``, the numerator is
``Σₗ A S``, and the squared length of the pooled vector is ``q = Σₗ A U`` with ``U = A V Vᵀ``:

    cos = r Σₗ A S,    r = 1/√q

    ∂cos/∂c = Σₗ D V,    ∂cos/∂V = Dᵀ c − Aᵀ diag(r² cos) A V,    D = r A (1 + s (S − r cos U))

(the second line for one image and one concept at a time; the softmax's own denominator cancels out of it). The triple
products have two orders, which differ in cost alone: ``A (V Vᵀ)``, the *Gram form*, and ``(A V) Vᵀ``, the *pooled
form*. ``multiply_adds`` counts both, and the cheaper one is taken.

Images and concepts are cut into tiles. The backward pass computes a tile's scores anew, so that beyond the inputs,
their gradients and two (B, N) arrays memory is that of one tile, however large B and N are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from rebind.types import UserError

Form = Literal["gram", "pooled"]
Kernel = Literal["torch", "triton"]


def concept_attention_logits(
    image_tokens: Tensor,
    concepts: Tensor,
    attention_scale: float = 1.0,
    token_mask: Tensor | None = None,
    *,
    kernel: Kernel = "torch",
) -> Tensor:
    """Cosine of every concept with every image pooled by that concept.

    Half-precision inputs are computed in float32, under autocast as well; their gradients come back in their own type.
    A pooled vector that is zero up to rounding has no direction: its cosine is 0 and it gets no gradient.

    Args:
        image_tokens: (B, L, d), L2-normalised, in the joint space.
        concepts: (N, d), L2-normalised.
        attention_scale: s, the inverse temperature of the attention.
        token_mask: (B, L) bool, False where a token is padding; every image has at least one real token.
        kernel: ``torch``, on every device; ``triton``, for CUDA, has to be asked for (see ``attention_triton``).

    Returns:
        (B, N) cosines, float32 or wider whatever the inputs' precision. Differentiable once.

    Raises:
        ValueError: when the shapes do not fit.
        UserError: when the kernel is unknown or cannot run here.
    """
    _check(image_tokens, concepts, token_mask)
    if kernel not in get_args(Kernel):
        raise UserError(f"the attention kernel must be one of {', '.join(get_args(Kernel))}, not {kernel!r}")
    if kernel == "triton":
        from rebind.objectives.attention_triton import triton_attention_logits  # Triton is there on Linux only

        return triton_attention_logits(image_tokens, concepts, attention_scale, token_mask)
    tiles = choose_tiles(image_tokens.shape, len(concepts), image_tokens.device)
    return AttentionPooling.apply(image_tokens, concepts, attention_scale, token_mask, tiles)


def _check(image_tokens: Tensor, concepts: Tensor, token_mask: Tensor | None) -> None:
    if image_tokens.ndim != 3 or concepts.ndim != 2 or image_tokens.shape[-1] != concepts.shape[-1]:
        shapes = f"{tuple(image_tokens.shape)} and {tuple(concepts.shape)}"
        raise ValueError(f"image tokens must be (B, L, d) and concepts (N, d) of the same d, not {shapes}")
    if token_mask is not None and (token_mask.shape != image_tokens.shape[:2] or token_mask.dtype != torch.bool):
        wanted, given = tuple(image_tokens.shape[:2]), f"{tuple(token_mask.shape)} {token_mask.dtype}"
        raise ValueError(f"the token mask must be boolean and of shape (B, L) = {wanted}, not {given}")


def multiply_adds(tokens: int, width: int, concepts: int) -> dict[Form, int]:
    """Multiply-adds of the matrix products of one image, forward and backward, for both forms.

    Common are S, twice, and the two products with D: 4 N L d. The Gram form adds V Vᵀ and A (V Vᵀ), twice, and in the
    backward pass Aᵀ A and (Aᵀ A) V: 3 L² d + 3 N L². The pooled form adds A V, twice, and (A V) Vᵀ and Aᵀ (A V), once.
    """
    common = 4 * concepts * tokens * width
    gram = 3 * tokens * tokens * (width + concepts)
    return {"gram": common + gram, "pooled": common + 4 * concepts * tokens * width}


class Tiles(NamedTuple):
    """How many images and concepts are computed at once, and in which form."""

    images: int
    concepts: int
    form: Form


# Elements of a tile's scores; of its tokens and Gram matrices four times as many. On a CPU a tile stays in the cache
# and has some images for every thread.
_TILE_ELEMENTS = {"cpu": 2**19}
_TILE_ELEMENTS_ON_ACCELERATORS = 2**25
_IMAGES_AT_LEAST = 4


def choose_tiles(shape: torch.Size, concepts: int, device: torch.device) -> Tiles:
    """The tiles for image tokens of shape (B, L, d) and N concepts: the form of fewer multiply-adds, and what fits."""
    _, tokens, width = shape
    counts = multiply_adds(tokens, width, concepts)
    form = min(counts, key=counts.__getitem__)
    budget = _TILE_ELEMENTS.get(device.type, _TILE_ELEMENTS_ON_ACCELERATORS)
    pairs = budget // max(1, tokens if form == "gram" else max(tokens, width))  # of an image and a concept
    columns = max(1, min(concepts, pairs // _IMAGES_AT_LEAST))
    images = min(pairs // columns, 4 * budget // max(1, tokens * max(tokens, width)))
    even = 1 << (max(1, images).bit_length() - 1)  # a power of two, so that threads share evenly
    return Tiles(even, columns, form)


class _ImageTile:
    """The tokens of some images, (b, L, d), in full precision, and their Gram matrices where the form asks for them."""

    def __init__(self, tokens: Tensor, mask: Tensor | None, exact: torch.dtype, form: Form) -> None:
        self.padding = None if mask is None else ~mask
        tokens = tokens.to(exact)
        if self.padding is not None:
            tokens = tokens.masked_fill(self.padding[..., None], 0)
        self.tokens = tokens.contiguous()
        self.transposed = self.tokens.transpose(1, 2)
        self.gram = torch.bmm(self.tokens, self.transposed) if form == "gram" else None

    def scores(self, concepts: Tensor) -> Tensor:
        """S of n concepts, (b, n, L)."""
        return torch.bmm(concepts.expand(len(self.tokens), *concepts.shape), self.transposed)

    def attention(self, exponents: Tensor) -> Tensor:
        """A from s S."""
        if self.padding is not None:
            exponents = exponents.masked_fill_(self.padding[:, None], torch.finfo(exponents.dtype).min)
        return exponents.softmax(dim=-1)

    def cosines(self, concepts: Tensor, scale: float) -> tuple[Tensor, Tensor]:
        """cos and r, both (b, n)."""
        scores = self.scores(concepts)
        attention = self.attention(scores * scale)
        if self.gram is not None:
            squared = torch.bmm(attention, self.gram).mul_(attention).sum(dim=-1)
        else:
            squared = torch.bmm(attention, self.tokens).square_().sum(dim=-1)
        has_direction = squared > torch.finfo(squared.dtype).eps
        inverse = torch.where(has_direction, squared.rsqrt(), 0)
        return scores.mul_(attention).sum(dim=-1).mul_(inverse), inverse

    def pull(self, concepts: Tensor, scale: float, weight: Tensor, tilt: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What moves the inputs: g D and −g r² cos A, both (b, n, L), and A or, in the pooled form, A V.

        ``weight`` is g r and ``tilt`` is r cos, both (b, n, 1).
        """
        exponents = self.scores(concepts * scale)
        attention = self.attention(exponents)
        if self.gram is not None:
            pooled, reach = attention, torch.bmm(attention, self.gram)
        else:
            pooled = torch.bmm(attention, self.tokens)
            reach = torch.bmm(pooled, self.transposed)
        along = exponents.addcmul_(reach, tilt, value=-scale).add_(1)
        weighted = torch.mul(attention, weight, out=reach)
        along.mul_(weighted)
        return along, weighted.mul_(-tilt), pooled


class AttentionPooling(torch.autograd.Function):
    """The cosines and their gradients, for given tiles; see the equations at the top."""

    @staticmethod
    def forward(
        ctx: Any, image_tokens: Tensor, concepts: Tensor, scale: float, token_mask: Tensor | None, tiles: Tiles
    ) -> Tensor:
        """(B, N) cosines."""
        exact = torch.promote_types(torch.promote_types(image_tokens.dtype, concepts.dtype), torch.float32)
        phrases = concepts.to(exact)
        cosines, inverse = image_tokens.new_empty(2, len(image_tokens), len(concepts), dtype=exact)
        with torch.autocast(image_tokens.device.type, enabled=False):  # half precision would lose the small weights
            for images in _slices(len(image_tokens), tiles.images):
                tile = _ImageTile(image_tokens[images], _rows(token_mask, images), exact, tiles.form)
                for some in _slices(len(concepts), tiles.concepts):
                    cosines[images, some], inverse[images, some] = tile.cosines(phrases[some], scale)
        ctx.save_for_backward(image_tokens, concepts, token_mask, cosines, inverse)
        ctx.scale, ctx.tiles = scale, tiles
        return cosines

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, cosine_gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of the image tokens and of the concepts, where they are asked for."""
        image_tokens, concepts, token_mask, cosines, inverse = ctx.saved_tensors
        tiles, exact = ctx.tiles, cosines.dtype
        phrases = concepts.to(exact)
        of_tokens = image_tokens.new_empty(image_tokens.shape) if ctx.needs_input_grad[0] else None
        of_concepts = phrases.new_zeros(phrases.shape) if ctx.needs_input_grad[1] else None
        weight, tilt = (cosine_gradient * inverse)[..., None], (cosines * inverse)[..., None]
        with torch.autocast(image_tokens.device.type, enabled=False):
            for images in _slices(len(image_tokens), tiles.images):
                tile = _ImageTile(image_tokens[images], _rows(token_mask, images), exact, tiles.form)
                total = None if of_tokens is None else _TokenGradient(tile, of_tokens[images])
                for some in _slices(len(concepts), tiles.concepts):
                    pull = tile.pull(phrases[some], ctx.scale, weight[images, some], tilt[images, some])
                    if total is not None:
                        total.add(*pull, phrases[some])
                    if of_concepts is not None:
                        along = pull[0].transpose(0, 1).flatten(1)  # (n, b L)
                        torch.addmm(of_concepts[some], along, tile.tokens.flatten(0, 1), out=of_concepts[some])
                if total is not None:
                    total.finish()
        return of_tokens, None if of_concepts is None else of_concepts.to(concepts.dtype), None, None, None


class _TokenGradient:
    """The gradient of an image tile's tokens, summed over the concept tiles in full precision."""

    def __init__(self, tile: _ImageTile, result: Tensor) -> None:
        self.tile, self.result = tile, result
        self.total = result.to(tile.tokens.dtype).zero_()  # the result itself where that is precise enough
        # Σ Aᵀ diag(−g r² cos) A of the Gram form; the pooled form adds Aᵀ diag(−g r² cos) (A V) to the total at once
        self.mixing = self.total if tile.gram is None else torch.zeros_like(tile.gram)

    def add(self, along: Tensor, away: Tensor, pooled: Tensor, concepts: Tensor) -> None:
        phrases = concepts.expand(len(along), *concepts.shape)
        torch.baddbmm(self.total, along.transpose(1, 2), phrases, out=self.total)
        torch.baddbmm(self.mixing, away.transpose(1, 2), pooled, out=self.mixing)

    def finish(self) -> None:
        if self.tile.gram is not None:
            torch.baddbmm(self.total, self.mixing, self.tile.tokens, out=self.total)
        if self.total is not self.result:
            self.result.copy_(self.total)


def _slices(length: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, length)) for start in range(0, length, size))


def _rows(mask: Tensor | None, rows: slice) -> Tensor | None:
    return None if mask is None else mask[rows]
