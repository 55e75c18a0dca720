"""Each distinct image and text embedded once: in batches, pictures decoded ahead by a pool of threads."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from rich.console import Console
from rich.progress import track

from rebind.benchmarks.contract import Picture
from rebind.types import BrokenSample, UserError

if TYPE_CHECKING:
    from rebind.models import DualEncoder

IMAGES_AT_ONCE = 128
TEXTS_AT_ONCE = 512
MOST_BROKEN = 0.1  # share of the images beyond which scores of the rest would no longer speak for the benchmark

Thing = TypeVar("Thing")


@dataclass(frozen=True)
class EmbeddedImages:
    """Image embeddings and what could not be embedded.

    Attributes:
        embeddings: (I, d) float32, L2-normalised, in the order asked for; NaN in the rows of broken images.
        broken: the distinct images that could not be read, with the reason.
    """

    embeddings: np.ndarray
    broken: tuple[BrokenSample, ...] = ()


def embed_images(encoder: DualEncoder, images: Sequence[Picture], model: str = "the model") -> EmbeddedImages:
    """Embed images with the encoder as it is (evaluation mode is the caller's business).

    Args:
        encoder: the model.
        images: I ≥ 1 image files or encoded pictures; equal ones are decoded and embedded once.
        model: what to call the model in an error.

    Raises:
        UserError: when more than a tenth of the distinct images are broken, or an embedding is not finite.
    """
    import torch

    from rebind.data.broken import BrokenImageError
    from rebind.data.images import decode_image

    distinct, rows = _distinct(images)
    broken: dict[int, BrokenSample] = {}

    def prepare(block: range) -> tuple[list[int], dict[str, torch.Tensor]]:
        pictures = {}
        for i in block:
            picture = distinct[i]
            if isinstance(picture, BrokenSample):
                broken[i] = picture
                continue
            try:
                pictures[i] = decode_image(picture)
            except BrokenImageError as error:
                name = str(picture) if isinstance(picture, Path) else f"picture {i}"
                broken[i] = BrokenSample(name, str(error))
        return list(pictures), encoder.images(list(pictures.values())) if pictures else {}

    embeddings = np.full((len(distinct), encoder.width), np.nan, dtype=np.float32)
    blocks = _blocks(len(distinct), IMAGES_AT_ONCE)
    with torch.inference_mode():
        for places, inputs in _shown(_ahead(prepare, blocks), "images", len(blocks)):
            if places:
                embeddings[places] = encoder.encode_image(inputs)[0].float().cpu().numpy()
    if len(broken) > MOST_BROKEN * len(distinct):
        first = broken[min(broken)]
        raise UserError(
            f"{len(broken)} of {len(distinct)} images cannot be read, more than {MOST_BROKEN:.0%}; "
            f"the first is {first.key}: {first.reason}"
        )
    _check_finite(np.delete(embeddings, list(broken), axis=0), "image", model)
    return EmbeddedImages(embeddings[rows], tuple(broken[i] for i in sorted(broken)))


def embed_texts(encoder: DualEncoder, texts: Sequence[str], model: str = "the model") -> np.ndarray:
    """Embed T ≥ 1 texts: (T, d) float32, L2-normalised.

    Texts that tokenise alike share one embedding, to the last bit: they must tie, and a batch of other size or another
    place in it may round differently.

    Raises:
        UserError: when an embedding is not finite.
    """
    import torch

    strings, rows = _distinct(texts)
    tokens = encoder.texts(strings)
    joined = torch.cat(list(tokens.values()), dim=1).numpy()
    _, first, same = np.unique(joined, axis=0, return_index=True, return_inverse=True)
    blocks = _blocks(len(first), TEXTS_AT_ONCE)
    with torch.inference_mode():
        parts = [
            encoder.encode_text({name: ids[first[block.start : block.stop]] for name, ids in tokens.items()})
            for block in _shown(blocks, "texts", len(blocks))
        ]
    embeddings = torch.cat(parts).float().cpu().numpy()
    _check_finite(embeddings, "text", model)
    return embeddings[same.reshape(-1)[rows]]


def _distinct(things: Sequence[Thing]) -> tuple[list[Thing], np.ndarray]:
    """Return the distinct things in order of appearance, and for each thing its row among them."""
    row = {thing: i for i, thing in enumerate(dict.fromkeys(things))}
    return list(row), np.array([row[thing] for thing in things])


def _blocks(length: int, size: int) -> list[range]:
    return [range(start, min(start + size, length)) for start in range(0, length, size)]


def _ahead(prepare: Callable, blocks: Sequence[range]) -> Iterator:
    """Yield ``prepare(block)`` in order, a few blocks ahead of the consumer so that memory stays bounded."""
    workers = min(8, os.cpu_count() or 1)
    with ThreadPoolExecutor(workers) as pool:
        pending: deque[Future] = deque()
        for block in blocks:
            pending.append(pool.submit(prepare, block))
            if len(pending) > workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def _shown(blocks: Iterable, what: str, total: int) -> Iterator:
    """Iterate under a progress bar that goes away when done; none where the output is no terminal."""
    console = Console(stderr=True)
    hidden = not console.is_terminal
    yield from track(blocks, f"embedding {what}", total, console=console, transient=True, disable=hidden)


def _check_finite(embeddings: np.ndarray, what: str, model: str) -> None:
    bad = int((~np.isfinite(embeddings).all(axis=1)).sum())
    if bad:
        raise UserError(
            f"{model} gives {bad} of {len(embeddings)} {what} embeddings that are not finite; "
            "its weights are damaged or its training diverged: use an earlier checkpoint"
        )
