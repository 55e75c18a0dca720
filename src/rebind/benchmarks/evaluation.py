"""A model and benchmarks in, ``results.json``, ``items.safetensors`` and ``examples.json`` out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rebind.benchmarks.blind import with_blind
from rebind.benchmarks.contract import Benchmark
from rebind.benchmarks.coverage import check_image_files, check_readable, without_headlines
from rebind.benchmarks.embedding import check_sees, embed_images, embed_texts, evaluation_mode
from rebind.benchmarks.embedding_cache import EmbeddingCache, open_cache
from rebind.benchmarks.examples import FILE as EXAMPLES
from rebind.benchmarks.examples import write_examples
from rebind.benchmarks.files import file_digests
from rebind.benchmarks.items import item_digest
from rebind.benchmarks.joint import JointBenchmark
from rebind.benchmarks.pictures import decoding_of, pictures_of
from rebind.benchmarks.results import EvaluatedModel, Evaluation, results_of, write_results
from rebind.types import BrokenSample, Score, UserError

if TYPE_CHECKING:
    from rebind.models import Encoder, PrecomputedEmbeddings


def evaluate(
    encoder: Encoder | PrecomputedEmbeddings,
    benchmarks: Sequence[Benchmark],
    model: str = "the model",
    cache: EmbeddingCache | None = None,
) -> tuple[list[Score], tuple[BrokenSample, ...]]:
    """Embed what the benchmarks need, each distinct image and text once, and score it.

    Every score has ``blind`` beside it, where its benchmark has images: what it is with the mean image for every
    image. What speaks for a whole benchmark is left out below 99 % coverage; :func:`coverage_notes` says so.

    Args:
        encoder: the model; put into evaluation mode meanwhile.
        benchmarks: one or more, of different names; those without images embed no image.
        model: what to call the model in an error.
        cache: where embeddings are looked for and kept; None to embed all.

    Returns:
        All scores, benchmark by benchmark, and the images that could not be read.

    Raises:
        UserError: when an embedding is not finite, more than a tenth of a benchmark's images are missing or broken, or
            two benchmarks have the same name.
    """
    evaluation = measure(encoder, benchmarks, model, cache)
    return list(evaluation.scores), tuple(evaluation.broken)


def measure(
    encoder: Encoder | PrecomputedEmbeddings,
    benchmarks: Sequence[Benchmark],
    model: str = "the model",
    cache: EmbeddingCache | None = None,
) -> Evaluation:
    """What :func:`evaluate` finds, and digests of what it was found on."""
    name, count = Counter(benchmark.name for benchmark in benchmarks).most_common(1)[0]
    if count > 1:
        raise UserError(f'{count} benchmarks are called "{name}", so their scores would be mistaken for each other')
    check_sees(encoder, benchmarks)
    for benchmark in benchmarks:
        check_image_files(benchmark)
    joint = JointBenchmark("all", benchmarks)
    with evaluation_mode(encoder):
        texts = embed_texts(encoder, joint.texts, model, cache)
        embedded = embed_images(encoder, pictures_of(joint), model, cache)
    image_ends = np.cumsum([len(benchmark.images) for benchmark in benchmarks])[:-1]
    text_ends = np.cumsum([len(benchmark.texts) for benchmark in benchmarks])[:-1]
    parts = zip(np.split(embedded.embeddings, image_ends), np.split(texts, text_ends), strict=True)
    scores: list[Score] = []
    sources = {}
    for benchmark, (own_images, own_texts) in zip(benchmarks, parts, strict=True):
        check_readable(benchmark, own_images, embedded.broken)
        seen = without_headlines(benchmark.score(own_images, own_texts))
        scores += with_blind(benchmark, seen, own_images, own_texts)
        sources[benchmark.name] = _source(benchmark, ~np.isnan(own_images).any(axis=1))
    return Evaluation(scores, embedded.broken, sources)


def evaluate_model(
    model: str | Path,
    benchmarks: Sequence[Benchmark],
    out: Path,
    settings: dict[str, Any] | None = None,
    *,
    objective: str = "base",
    seed: int = 0,
    attention_scale: float = 10.0,
    cache: str | Path | None = "none",
) -> Path:
    """Load a model, evaluate it, add to the folder's results; write ``examples.json`` if a benchmark has foils.

    Args:
        model: anything that :func:`rebind.models.load_encoder` loads.
        benchmarks: one or more.
        out: the folder to write to; made when missing. What it holds of the same model on other benchmarks stays;
            what it holds of another is replaced, examples included.
        settings: goes into the results as it is.
        objective: what the model was trained with.
        seed: of its training run.
        attention_scale: sharpness s of the attention maps in the examples.
        cache: folder in which embeddings are kept from one evaluation to the next; see
            :func:`rebind.benchmarks.embedding_cache.open_cache`.

    Returns:
        The path of ``results.json``; its ``notes`` are sentences that the user should see.

    Raises:
        UserError: when the model cannot be loaded or evaluated, or the folder not be written.
    """
    import torch

    from rebind.models import DualEncoder, load_encoder

    encoder = load_encoder(model)
    encoder.to("cuda" if torch.cuda.is_available() else "cpu")
    kept = open_cache(cache, encoder)
    evaluation = measure(encoder, benchmarks, str(model), kept)
    description = encoder.describe() if kept is None else kept.description
    try:
        results_of(out, description)
    except UserError:  # what is there, if anything, will be replaced
        (out / EXAMPLES).unlink(missing_ok=True)
    evaluated = EvaluatedModel(str(model), objective, seed, settings or {}, description)
    results = write_results(out, evaluated, evaluation)
    if isinstance(encoder, DualEncoder):  # no other has image tokens in the joint space
        with evaluation_mode(encoder):
            write_examples(encoder, benchmarks, out, attention_scale=attention_scale)
    return results


def content_of(benchmark: Benchmark, readable: np.ndarray) -> dict[str, str]:
    """What scores must share to be comparable: ``items``, their digest, and ``pictures``, how they are decoded, if any.

    Args:
        benchmark: the digest is of its items.
        readable: (I,) bool, which of its images could be read.
    """
    pictures = {"pictures": decoding_of(benchmark.name)} if len(benchmark.images) else {}
    return {"items": item_digest(benchmark, readable), **pictures}


def _source(benchmark: Benchmark, readable: np.ndarray) -> dict[str, Any]:
    """The benchmark's content, and digests of the annotation files that it names, if any."""
    files = file_digests(getattr(benchmark, "files", ()))
    return {**content_of(benchmark, readable), **({"files": files} if files else {})}
