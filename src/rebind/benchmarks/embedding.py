"""Each distinct image and text embedded once, in large batches; what is cached is not embedded again."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from rich.console import Console
from rich.progress import Progress

from rebind.benchmarks.contract import Benchmark, Picture
from rebind.benchmarks.decoding import Prepared, prepared_pictures, source_of
from rebind.benchmarks.embedding_cache import EmbeddingCache, Shelf, content_digest
from rebind.types import BrokenSample, UserError

if TYPE_CHECKING:
    from torch import Tensor

    from rebind.models import Encoder, PrecomputedEmbeddings

IMAGES_AT_ONCE = 32  # on a processor, where more gain nothing and large activations fall out of its caches
TEXTS_AT_ONCE = 32
MOST_BROKEN = 0.1  # share of the images beyond which scores of the rest would no longer speak for the benchmark
# On an accelerator: the free memory that one image or text is granted, and the bounds.
IMAGE_MEMORY, MOST_IMAGES = 64 << 20, 1024
TEXT_MEMORY, MOST_TEXTS = 16 << 20, 4096

Thing = TypeVar("Thing", bound=Hashable)


@dataclass(frozen=True)
class EmbeddedImages:
    """Image embeddings and what could not be embedded.

    Attributes:
        embeddings: (I, d) float32, L2-normalised, in the order asked for; NaN in the rows of broken images.
        broken: the distinct images that could not be read, with the reason.
    """

    embeddings: np.ndarray
    broken: tuple[BrokenSample, ...] = ()


def check_sees(encoder: Encoder | PrecomputedEmbeddings, benchmarks: Sequence[Benchmark]) -> None:
    """Look whether an encoder of texts only is to see pictures, before any time is spent on embedding.

    Raises:
        UserError: when it is.
    """
    from rebind.models.sentence_encoder import TEXTS_ONLY, SentenceEncoder

    if isinstance(encoder, SentenceEncoder) and any(len(benchmark.images) for benchmark in benchmarks):
        raise UserError(TEXTS_ONLY)


def embed_images(
    encoder: Encoder | PrecomputedEmbeddings,
    images: Sequence[Picture],
    model: str = "the model",
    cache: EmbeddingCache | None = None,
) -> EmbeddedImages:
    """Embed images with the encoder as it is (evaluation mode is the caller's business).

    Args:
        encoder: the model, or embeddings made elsewhere.
        images: image files, rectangles of them, or encoded pictures; equal ones are decoded and embedded once.
        model: what to call the model in an error.
        cache: where embeddings are looked for and kept; None to embed all.

    Raises:
        UserError: when more than a tenth of the distinct images are broken, an embedding is not finite, or none was
            made of an image.
    """
    from rebind.models.precomputed import PrecomputedEmbeddings

    distinct, rows = _distinct(images)
    embeddings = np.full((len(distinct), encoder.width), np.nan, dtype=np.float32)
    broken: dict[int, BrokenSample] = {}
    if isinstance(encoder, PrecomputedEmbeddings):
        broken = {i: each for i, each in enumerate(distinct) if isinstance(each, BrokenSample)}
        sources = [source_of(each) for each in distinct if not isinstance(each, BrokenSample)]
        embeddings[[i for i in range(len(distinct)) if i not in broken]] = encoder.find_images(sources)
    else:
        pieces = prepared_pictures(encoder, distinct, cache)
        with _progress("images", len(distinct)) as advance:
            for batch in _batches(pieces, images_at_once(encoder)):
                broken |= batch.broken
                _fill(embeddings, batch, encoder, cache)
                advance(len(batch.places) + len(batch.known) + len(batch.broken))
    if cache is not None:
        cache.write()
    if len(broken) > MOST_BROKEN * len(distinct):
        first = broken[min(broken)]
        raise UserError(
            f"{len(broken)} of {len(distinct)} images cannot be read, more than {100 * MOST_BROKEN:.0f} %; "
            f"the first is {first.key}: {first.reason}"
        )
    _check_finite(np.delete(embeddings, list(broken), axis=0), "image", model)
    return EmbeddedImages(embeddings[rows], tuple(broken[i] for i in sorted(broken)))


def embed_texts(
    encoder: Encoder | PrecomputedEmbeddings,
    texts: Sequence[str],
    model: str = "the model",
    cache: EmbeddingCache | None = None,
) -> np.ndarray:
    """Embed T texts: (T, d) float32, L2-normalised.

    Texts that tokenise alike share one embedding, to the last bit: they must tie, and a batch of other size or another
    place in it may round differently. Texts of about the same length go together, so that none is padded further than
    its model needs.

    Args:
        encoder: the model, or embeddings made elsewhere.
        texts: any number of them.
        model: what to call the model in an error.
        cache: where embeddings are looked for and kept; None to embed all.

    Raises:
        UserError: when an embedding is not finite, or none was made of a text.
    """
    import torch

    from rebind.models.precomputed import PrecomputedEmbeddings

    strings, rows = _distinct(texts)
    if not strings:
        return np.zeros((0, encoder.width), dtype=np.float32)
    if isinstance(encoder, PrecomputedEmbeddings):
        embeddings = encoder.find_texts(strings)
        _check_finite(embeddings, "text", model)
        return embeddings[rows]
    tokens = encoder.texts(strings)
    lengths = _lengths(tokens)
    sequences, same = _distinct(_token_keys(tokens, lengths))
    first = np.unique(same, return_index=True)[1]  # of each token sequence, a text that has it
    embeddings = np.empty((len(first), encoder.width), dtype=np.float32)
    missing = _fill_known(embeddings, sequences, cache)
    with _progress("texts", len(missing)) as advance, torch.inference_mode():
        for block in _blocks(missing[np.argsort(-lengths[first[missing]], kind="stable")], texts_at_once(encoder)):
            longest = int(lengths[first[block]].max())
            inputs = {name: ids[first[block], :longest] for name, ids in tokens.items()}
            embeddings[block] = encoder.encode_text(inputs).float().cpu().numpy()
            if cache is not None:
                _keep(cache.texts, [sequences[i] for i in block], embeddings[block])
                cache.write(now=False)
            advance(len(block))
    if cache is not None:
        cache.write()
    _check_finite(embeddings, "text", model)
    return embeddings[same[rows]]


def images_at_once(encoder: Encoder) -> int:
    """How many images make a batch: a few on a processor, what the free memory bears on an accelerator."""
    return _at_once(encoder, IMAGES_AT_ONCE, IMAGE_MEMORY, MOST_IMAGES)


def texts_at_once(encoder: Encoder) -> int:
    """How many texts make a batch, likewise."""
    return _at_once(encoder, TEXTS_AT_ONCE, TEXT_MEMORY, MOST_TEXTS)


def _at_once(encoder: Encoder, least: int, memory: int, most: int) -> int:
    import torch

    if encoder.device.type != "cuda":
        return least
    free, _ = torch.cuda.mem_get_info(encoder.device)
    return min(most, max(least, free // memory))


def _fill(embeddings: np.ndarray, batch: Prepared, encoder: Encoder, cache: EmbeddingCache | None) -> None:
    """Embed a batch of pictures into their rows, and keep what is new."""
    import torch

    for place, row in batch.known.items():
        embeddings[place] = row
    if batch.places:
        with torch.inference_mode():
            embeddings[batch.places] = encoder.encode_image(batch.inputs)[0].float().cpu().numpy()
    if cache is not None:
        for file in batch.files:
            cache.remember_file(*file)
        _keep(cache.images, batch.keys, embeddings[batch.places])
        for place, key in zip(batch.places, batch.keys, strict=True):
            first = cache.images.get(key)  # of another file of the same content, perhaps
            if first is not None:
                embeddings[place] = first
        cache.write(now=False)


def _batches(pieces: Iterator[Prepared], size: int) -> Iterator[Prepared]:
    """Pieces put together until they have ``size`` pictures to embed."""
    import torch

    waiting: list[Prepared] = []

    def joined() -> Prepared:
        whole = Prepared()
        for piece in waiting:
            whole.places += piece.places
            whole.keys += piece.keys
            whole.files += piece.files
            whole.known |= piece.known
            whole.broken |= piece.broken
        inputs = [piece.inputs for piece in waiting if piece.places]
        whole.inputs = {name: torch.cat([each[name] for each in inputs]) for name in inputs[0]} if inputs else {}
        waiting.clear()
        return whole

    for piece in pieces:
        waiting.append(piece)
        if sum(len(each.places) for each in waiting) >= size:
            yield joined()
    if waiting:
        yield joined()


def _lengths(tokens: dict[str, Tensor]) -> np.ndarray:
    """(N,) tokens of each text that count: all where there is no mask, since padding then is part of the text."""
    if "attention_mask" in tokens:
        return tokens["attention_mask"].sum(dim=1).cpu().numpy()
    ids = tokens["input_ids"]
    return np.full(len(ids), ids.shape[1])


def _token_keys(tokens: dict[str, Tensor], lengths: np.ndarray) -> list[bytes]:
    ids = tokens["input_ids"].cpu().numpy()
    return [content_digest(row[:length].tobytes()) for row, length in zip(ids, lengths, strict=True)]


def _fill_known(embeddings: np.ndarray, keys: Sequence[bytes], cache: EmbeddingCache | None) -> np.ndarray:
    """Fill in what the cache holds; return which are missing."""
    missing = []
    for i, key in enumerate(keys):
        row = None if cache is None else cache.texts.get(key)
        if row is None:
            missing.append(i)
        else:
            embeddings[i] = row
    return np.array(missing, dtype=np.int64)


def _keep(shelf: Shelf, keys: Sequence[bytes], rows: np.ndarray) -> None:
    """Put rows on a shelf, those left out that are not finite or have no key."""
    for key, row, finite in zip(keys, rows, np.isfinite(rows).all(axis=1), strict=True):
        if key and finite:
            shelf.put(key, row)


def _distinct(things: Sequence[Thing]) -> tuple[list[Thing], np.ndarray]:
    """Return the distinct things in order of appearance, and for each thing its row among them."""
    row = {thing: i for i, thing in enumerate(dict.fromkeys(things))}
    return list(row), np.array([row[thing] for thing in things], dtype=np.int64)


def _blocks(rows: np.ndarray, size: int) -> list[np.ndarray]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


@contextmanager
def _progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar that goes away when done, none where the output is no terminal; what is yielded advances it."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(f"embedding {what}", total=total)
        yield lambda done: progress.advance(task, done)


def _check_finite(embeddings: np.ndarray, what: str, model: str) -> None:
    bad = int((~np.isfinite(embeddings).all(axis=1)).sum())
    if bad:
        raise UserError(
            f"{model} gives {bad} of {len(embeddings)} {what} embeddings that are not finite; "
            "its weights are damaged or its training diverged: use an earlier checkpoint"
        )


@contextmanager
def evaluation_mode(encoder: Encoder | PrecomputedEmbeddings) -> Iterator[None]:
    """Put a model into evaluation mode and back."""
    was_training = encoder.training
    encoder.eval()
    try:
        yield
    finally:
        encoder.train(was_training)
