"""A few foil items looked at closely, written as ``examples.json`` so that reports can draw them without torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rebind.benchmarks.contract import Benchmark
from rebind.benchmarks.embedding import embed_texts
from rebind.benchmarks.foils import FoilBenchmark, FoilItem
from rebind.benchmarks.joint import JointBenchmark
from rebind.benchmarks.pictures import AS_STORED, decoding_of
from rebind.storage import write_json

if TYPE_CHECKING:
    from torch import Tensor

    from rebind.models import DualEncoder

FILE = "examples.json"
EXAMPLES = 40  # five of each kind of the world


def foil_items(benchmarks: Sequence[Benchmark]) -> Iterator[tuple[FoilItem, str]]:
    """All foil items of the benchmarks, in order, each with how its picture is decoded, as ``decoding_of`` says it."""
    for benchmark in benchmarks:
        if isinstance(benchmark, FoilBenchmark):
            yield from ((item, decoding_of(benchmark.name)) for item in benchmark.items)
        elif isinstance(benchmark, JointBenchmark):
            yield from foil_items(benchmark.parts)


def example_order(items: Sequence[tuple[FoilItem, str]], seed: int = 0) -> Iterator[tuple[FoilItem, str]]:
    """Shuffle items within their category and let categories take turns; the model plays no part in it."""
    categories: dict[str, list[tuple[FoilItem, str]]] = {item.category: [] for item, _ in items}
    for i in np.random.default_rng(seed).permutation(len(items)):
        categories[items[i][0].category].append(items[i])
    for turn in zip_longest(*categories.values()):
        yield from (item for item in turn if item is not None)


def describe_item(
    encoder: DualEncoder, item: FoilItem, pictures: str, concepts: Sequence[str], attention_scale: float
) -> dict[str, Any]:
    """Scores of one item and, for each concept k, its attention ``a_l = softmax_l(s · V_l · c_k)`` over the L tokens.

    Args:
        encoder: in evaluation mode.
        item: its image must be readable.
        pictures: how that is decoded: ``as stored`` or ``upright``.
        concepts: strings to look for in the image; may be empty.
        attention_scale: s.

    Returns:
        The row of ``examples.json``: ``image`` (absolute path), ``pictures`` (how that was decoded), ``category``,
        ``caption``, ``foil``, their cosines ``caption_score`` and ``foil_score``, the token ``grid`` (rows, columns),
        ``attention_scale`` and ``concepts``: ``{"text", "attention": [L], "cosines": [L]}``, tokens row by row.

    Raises:
        BrokenImageError: when the image cannot be read.
    """
    import torch

    from rebind.data.images import decode_image

    inputs = encoder.images([decode_image(item.image, as_stored=pictures == AS_STORED)])
    with torch.inference_mode():
        pooled, tokens, _ = encoder.encode_image(inputs, with_tokens=True)
    assert tokens is not None
    rows, columns = _token_grid(encoder, inputs)
    image_tokens = tokens[0, : rows * columns].double().cpu().numpy()  # (L, d); what follows is padding
    texts = embed_texts(encoder, [item.caption, item.foil, *concepts]).astype(np.float64)
    caption_score, foil_score = texts[:2] @ pooled[0].double().cpu().numpy()
    cosines = image_tokens @ texts[2:].T  # (L, N)
    weights = np.exp(attention_scale * (cosines - cosines.max(axis=0)))
    attention = weights / weights.sum(axis=0)
    return {
        "image": str(item.image.resolve()),
        "pictures": pictures,
        "category": item.category,
        "caption": item.caption,
        "foil": item.foil,
        "caption_score": float(caption_score),
        "foil_score": float(foil_score),
        "grid": [rows, columns],
        "attention_scale": attention_scale,
        "concepts": [
            {"text": concept, "attention": attention[:, k].tolist(), "cosines": cosines[:, k].tolist()}
            for k, concept in enumerate(concepts)
        ],
    }


def write_examples(
    encoder: DualEncoder, benchmarks: Sequence[Benchmark], out: Path, *, attention_scale: float = 10.0, seed: int = 0
) -> Path | None:
    """Write ``examples.json`` with some of the benchmarks' foil items; None when no benchmark has foils.

    Raises:
        UserError: when the file system refuses.
    """
    from rebind.concepts import build_extractor
    from rebind.data.broken import BrokenImageError

    extract = build_extractor()
    examples: list[dict[str, Any]] = []
    for item, pictures in example_order(list(foil_items(benchmarks)), seed):
        if len(examples) == EXAMPLES:
            break
        with suppress(
            BrokenImageError, OSError
        ):  # a broken image is named in the results; another item takes its place
            examples.append(describe_item(encoder, item, pictures, extract(item.caption), attention_scale))
    if not examples:
        return None
    write_json(out / FILE, examples)
    return out / FILE


def _token_grid(encoder: DualEncoder, inputs: dict[str, Tensor]) -> tuple[int, int]:
    """Rows and columns of image tokens of the first image."""
    if "spatial_shapes" in inputs:  # SigLIP 2 NaFlex keeps each image's proportions
        rows, columns = inputs["spatial_shapes"][0].tolist()
        return rows, columns
    height, width = inputs["pixel_values"].shape[-2:]
    config: Any = encoder.model.config
    patch = config.vision_config.patch_size
    return height // patch, width // patch
