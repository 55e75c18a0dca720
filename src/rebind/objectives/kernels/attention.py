"""Triton kernels of attention pooling; :mod:`rebind.objectives.attention_triton` drives them and says why they are so.

A program has one image and a block of concepts, and the image's whole row of tokens, ``COLUMNS >= L`` of them. Tokens
come padded with zero rows to ``length``, a multiple of 16. The workspaces are (N, images, length). Triton's interpreter
cannot multiply bfloat16: there the operands are made ``WIDE``, float32, which leaves the products what they are.
"""

# ruff: noqa: N803 -- what the compiler is told is in capitals, as Triton's own kernels have it

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def attend(
    tensors, scale, sizes,
    WITH_EXPONENTS: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr, WIDE: tl.constexpr,
):  # fmt: skip
    """Weights w = exp(s (S − max S)), zero at padding, and Σ w S; with exponents, s S as well."""
    tokens, concepts, real, weights, exponents, numerators = tensors
    concept_count, image_count, length, width = sizes
    image = tl.program_id(1)
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    column = tl.arange(0, COLUMNS)
    row_there, column_there = row < concept_count, column < length
    token = tokens + image.to(tl.int64) * length * width
    scores = tl.zeros((ROWS, COLUMNS), dtype=tl.float32)
    for start in range(0, width, DEPTH):
        depth = start + tl.arange(0, DEPTH)
        depth_there = depth < width
        c = tl.load(concepts + row[:, None] * width + depth[None, :], row_there[:, None] & depth_there[None, :], 0.0)
        v = tl.load(token + column[None, :] * width + depth[:, None], column_there[None, :] & depth_there[:, None], 0.0)
        if WIDE:
            c, v = c.to(tl.float32), v.to(tl.float32)
        scores = tl.dot(c, v, scores, input_precision="ieee")
    is_real = tl.load(real + image * length + column, column_there, 0) != 0
    scaled = scores * scale
    highest = tl.max(tl.where(is_real[None, :], scaled, -3.0e38), axis=1)
    weight = tl.where(is_real[None, :], tl.exp(scaled - highest[:, None]), 0.0).to(weights.dtype.element_ty)
    place = (row[:, None] * image_count + image) * length + column[None, :]
    there = row_there[:, None] & column_there[None, :]
    tl.store(weights + place, weight, there)
    if WITH_EXPONENTS:
        tl.store(exponents + place, scaled.to(exponents.dtype.element_ty), there)
    # of the rounded weights, so that numerator and length belong to the same pooled vector
    numerator = tl.sum(weight.to(tl.float32) * scores, axis=1)
    tl.store(numerators + row * image_count + image, numerator, row_there)


@triton.jit
def compare(
    tensors, scale_and_smallest, sizes,
    BACKWARD: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr, WIDE: tl.constexpr,
):  # fmt: skip
    """U = w G and q = Σ w U. Forward: the cosines. Backward: g D over the exponents, and −g r² cos w into ``away``."""
    weights, gram, numerators, cosines, exponents, away, cosine_gradient = tensors
    scale, smallest = scale_and_smallest
    concept_count, image_count, length = sizes
    image = tl.program_id(1)
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    column = tl.arange(0, COLUMNS)
    row_there, column_there = row < concept_count, column < length
    start_of_row = (row[:, None] * image_count + image) * length
    own_gram = gram + image.to(tl.int64) * length * length
    reach = tl.zeros((ROWS, COLUMNS), dtype=tl.float32)
    for start in range(0, length, DEPTH):
        depth = start + tl.arange(0, DEPTH)
        depth_there = depth < length
        w = tl.load(weights + start_of_row + depth[None, :], row_there[:, None] & depth_there[None, :], 0.0)
        g = tl.load(
            own_gram + depth[:, None] * length + column[None, :], depth_there[:, None] & column_there[None, :], 0.0
        )
        if WIDE:
            w, g = w.to(tl.float32), g.to(tl.float32)
        reach = tl.dot(w, g, reach, input_precision="ieee")
    place = start_of_row + column[None, :]
    there = row_there[:, None] & column_there[None, :]
    weight = tl.load(weights + place, there, 0.0).to(tl.float32)
    squared = tl.sum(weight * reach, axis=1)
    total = tl.sum(weight, axis=1)
    has_direction = squared > smallest * total * total
    inverse = tl.where(has_direction, tl.rsqrt(tl.where(has_direction, squared, 1.0)), 0.0)
    pair = row * image_count + image
    cosine = tl.load(numerators + pair, row_there, 0.0) * inverse
    if BACKWARD:
        pulled = tl.load(cosine_gradient + pair, row_there, 0.0) * inverse
        tilt = cosine * inverse
        exponent = tl.load(exponents + place, there, 0.0).to(tl.float32)
        weighted = weight * pulled[:, None]
        along = weighted * (1.0 + exponent - scale * tilt[:, None] * reach)
        tl.store(exponents + place, along.to(exponents.dtype.element_ty), there)
        tl.store(away + place, (-weighted * tilt[:, None]).to(away.dtype.element_ty), there)
    else:
        tl.store(cosines + pair, cosine, row_there)
