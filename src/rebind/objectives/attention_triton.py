"""Attention pooling on CUDA, for ``kernel="triton"``: the equations of :mod:`rebind.objectives.attention_pooling`.

It has been run in Triton's interpreter only, never on a GPU, and so has to be asked for; the torch form is the
default.

What is fused, for a chunk of images at a time: ``attend`` computes the scores of an image and a block of concepts in
one matrix product, and from the registers the weights ``w = exp(s (S − max S))`` and ``Σ w S``; ``compare``
multiplies by the Gram matrix and has, again from the registers, the length, the cosine and in the backward pass both
factors of the gradient. The rest, ``Dᵀ c``, ``(Aᵀ diag(−g r² cos) A) V`` and ``Dᵀ V``, are plain matrix products of
these factors and are left to cuBLAS. Nothing is added atomically: the result is the same on every run.

Why so: a program holds the whole row of L tokens, padded to a power of two, for 64 concepts (32 at L > 512), so that
the maximum over the row is at hand without a second pass: 64 × 256 float32 accumulators are 64 registers a thread at
8 warps, which leaves room for the weights and the factors beside them (compiled for an H100: wgmma, at most 255
registers, nothing spilt by ``attend`` at L <= 256 and 200 bytes by ``compare``; 128 rows would spill 2 KiB; at L >
512 it is the older mma.sync, and up to 2 KiB are spilt). Operands stream through shared memory in slices of d of some
32 KiB, three in flight, at most 135 KiB of 227, so d (512 … 1152) costs time alone. Pooled accumulators, 64 × d,
would not fit beside them, which is why the length comes from the Gram matrix. Neighbouring programs share an image
and find its tokens in L2: 64 multiply-adds for every element read, 32 at L = 1024, where L2 is the limit. The
workspaces between the kernels are three (N, images, L) arrays, kept to 256 MiB each by the chunk of images.

Operands are bfloat16 for half-precision inputs and under autocast, else float32; accumulators, weights' sums, lengths
and cosines are float32. Rounded to bfloat16 are the weights, the Gram matrices and the factors of the gradient.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad

from rebind.types import UserError

_MOST_TOKENS = 1024
_CHUNK_ELEMENTS = 2**27  # of one workspace: 256 MiB in bfloat16


def triton_attention_logits(
    image_tokens: Tensor, concepts: Tensor, attention_scale: float, token_mask: Tensor | None
) -> Tensor:
    """:func:`~rebind.objectives.attention_pooling.concept_attention_logits` for inputs that it has checked.

    Raises:
        UserError: when Triton, the device, the precision or the number of tokens does not allow it.
    """
    _check(image_tokens, concepts)
    device = image_tokens.device.type
    half = torch.is_autocast_enabled(device) or torch.float32 not in (image_tokens.dtype, concepts.dtype)
    operands = torch.bfloat16 if half else torch.float32
    return TritonAttentionPooling.apply(image_tokens, concepts, attention_scale, token_mask, operands)


def _check(image_tokens: Tensor, concepts: Tensor) -> None:
    if importlib.util.find_spec("triton") is None:
        raise UserError("kernel='triton' needs the package triton, which is not installed; use kernel='torch'")
    if tuple(int(part) for part in version("triton").split(".")[:2]) < (3, 3):  # the first whose kernels take tuples
        raise UserError(f"kernel='triton' needs triton 3.3 or newer, not {version('triton')}; use kernel='torch'")
    if image_tokens.device.type != "cuda" and not _interpreted():
        device = image_tokens.device.type
        raise UserError(f"kernel='triton' needs image tokens on a CUDA device, not {device}; use kernel='torch'")
    if torch.float64 in (image_tokens.dtype, concepts.dtype):
        raise UserError("kernel='triton' computes in float32 or bfloat16, not float64; use kernel='torch'")
    if image_tokens.shape[1] > _MOST_TOKENS:
        count = image_tokens.shape[1]
        raise UserError(
            f"kernel='triton' takes at most {_MOST_TOKENS} tokens an image, not {count}; use kernel='torch'"
        )


def _interpreted() -> bool:
    return os.environ.get("TRITON_INTERPRET") == "1"


class _Chunk(NamedTuple):
    """Some images, their tokens padded to a multiple of 16, (b, length, d), and Gram matrices (b, length, length)."""

    images: slice
    tokens: Tensor
    real: Tensor
    gram: Tensor


def _chunks(image_tokens: Tensor, mask: Tensor | None, concepts: int, operands: torch.dtype) -> Iterator[_Chunk]:
    images, tokens, _ = image_tokens.shape
    length = -(-tokens // 16) * 16  # cuBLAS wants rows of a multiple of 16 bytes
    size = max(1, _CHUNK_ELEMENTS // (length * max(1, concepts)))
    for start in range(0, images, size):
        some = slice(start, min(start + size, images))
        kept = image_tokens[some].to(operands)
        real = torch.ones(kept.shape[:2], dtype=torch.bool, device=kept.device) if mask is None else mask[some]
        if mask is not None:
            kept = kept.masked_fill(~real[..., None], 0)
        padded = pad(kept, (0, 0, 0, length - tokens)).contiguous()
        yield _Chunk(
            some,
            padded,
            pad(real, (0, length - tokens)).to(torch.int8).contiguous(),
            torch.bmm(padded, padded.transpose(1, 2)),
        )


class _Factors(NamedTuple):
    """What the kernels leave: cosines (N, b), or the factors of the gradient, (N, b, length) each."""

    cosines: Tensor
    weights: Tensor
    along: Tensor
    away: Tensor


def block_sizes(length: int, bytes_each: int) -> dict[str, int]:
    """Concepts, tokens and slice of d that a program holds at once, for operands of so many bytes."""
    columns = max(16, 1 << (length - 1).bit_length())
    rows, depth = min(64, 2**15 // columns), min(64, 2**15 // (columns * bytes_each))
    return {"ROWS": max(16, rows), "COLUMNS": columns, "DEPTH": max(16, depth)}


def _launch(chunk: _Chunk, concepts: Tensor, scale: float, cosine_gradient: Tensor | None) -> _Factors:
    """Both kernels for one chunk; backward when there is a gradient of the cosines, (N, b)."""
    from rebind.objectives.kernels import attention as kernels

    images, length, width = chunk.tokens.shape
    count, backward = len(concepts), cosine_gradient is not None
    numerators = concepts.new_empty(count, images, dtype=torch.float32)
    cosines = torch.empty_like(numerators)
    weights = concepts.new_empty(count, images, length)
    along, away = (torch.empty_like(weights), torch.empty_like(weights)) if backward else (weights, weights)
    options = block_sizes(length, concepts.element_size()) | {"WIDE": _interpreted(), "num_warps": 8, "num_stages": 3}
    grid = (-(-count // options["ROWS"]), images)
    gradient = numerators if cosine_gradient is None else cosine_gradient
    smallest = torch.finfo(torch.float32).eps
    with torch.cuda.device_of(concepts):
        tensors = (chunk.tokens, concepts, chunk.real, weights, along, numerators)
        kernels.attend[grid](tensors, scale, (count, images, length, width), WITH_EXPONENTS=backward, **options)
        compared = (weights, chunk.gram, numerators, cosines, along, away, gradient)
        kernels.compare[grid](compared, (scale, smallest), (count, images, length), BACKWARD=backward, **options)
    return _Factors(cosines, weights, along, away)


class TritonAttentionPooling(torch.autograd.Function):
    """The cosines and their gradients; see the equations in ``attention_pooling``."""

    @staticmethod
    def forward(
        ctx: Any,
        image_tokens: Tensor,
        concepts: Tensor,
        scale: float,
        token_mask: Tensor | None,
        operands: torch.dtype,
    ) -> Tensor:
        """(B, N) cosines in float32."""
        ctx.save_for_backward(image_tokens, concepts, token_mask)
        ctx.scale, ctx.operands = scale, operands
        phrases = concepts.to(operands).contiguous()
        cosines = image_tokens.new_empty(len(image_tokens), len(concepts), dtype=torch.float32)
        if not cosines.numel():
            return cosines
        with torch.autocast(image_tokens.device.type, enabled=False):
            for chunk in _chunks(image_tokens, token_mask, len(concepts), operands):
                cosines[chunk.images] = _launch(chunk, phrases, scale, None).cosines.T
        return cosines

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, cosine_gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of the image tokens and of the concepts, where they are asked for."""
        image_tokens, concepts, token_mask = ctx.saved_tensors
        of_tokens = image_tokens.new_zeros(image_tokens.shape) if ctx.needs_input_grad[0] else None
        of_concepts = concepts.new_zeros(concepts.shape, dtype=torch.float32) if ctx.needs_input_grad[1] else None
        phrases = concepts.to(ctx.operands).contiguous()
        if not cosine_gradient.numel():
            return of_tokens, None if of_concepts is None else of_concepts.to(concepts.dtype), None, None, None
        with torch.autocast(image_tokens.device.type, enabled=False):
            for chunk in _chunks(image_tokens, token_mask, len(concepts), ctx.operands):
                gradient = cosine_gradient[chunk.images].T.contiguous()
                found = _launch(chunk, phrases, ctx.scale, gradient)
                if of_tokens is not None:
                    of_tokens[chunk.images] = _token_gradient(chunk, phrases, found)[:, : image_tokens.shape[1]]
                if of_concepts is not None:
                    of_concepts += found.along.flatten(1) @ chunk.tokens.flatten(0, 1)
        return of_tokens, None if of_concepts is None else of_concepts.to(concepts.dtype), None, None, None


def _token_gradient(chunk: _Chunk, concepts: Tensor, found: _Factors) -> Tensor:
    """Dᵀ c + (Aᵀ diag(−g r² cos) A) V, (b, length, d)."""
    mixing = torch.bmm(found.away.permute(1, 2, 0), found.weights.transpose(0, 1))
    phrases = concepts.expand(len(mixing), *concepts.shape)
    return torch.bmm(found.along.permute(1, 2, 0), phrases).baddbmm_(mixing, chunk.tokens)
