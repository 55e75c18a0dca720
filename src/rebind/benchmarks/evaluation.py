"""A model and benchmarks in, ``results.json`` and ``examples.json`` out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rebind.benchmarks.contract import Benchmark
from rebind.benchmarks.embedding import embed_images, embed_texts
from rebind.benchmarks.examples import write_examples
from rebind.benchmarks.joint import JointBenchmark
from rebind.benchmarks.results import write_results
from rebind.types import BrokenSample, Score

if TYPE_CHECKING:
    from rebind.models import DualEncoder


def evaluate(
    encoder: DualEncoder, benchmarks: Sequence[Benchmark], model: str = "the model"
) -> tuple[list[Score], tuple[BrokenSample, ...]]:
    """Embed what the benchmarks need, each distinct image and text once, and score it.

    Args:
        encoder: the model; put into evaluation mode meanwhile.
        benchmarks: one or more.
        model: what to call the model in an error.

    Returns:
        All scores, benchmark by benchmark, and the images that could not be read.

    Raises:
        UserError: when an embedding is not finite, or more than a tenth of the images are broken.
    """
    joint = JointBenchmark("all", benchmarks)
    with _evaluation_mode(encoder):
        images = embed_images(encoder, joint.images, model)
        texts = embed_texts(encoder, joint.texts, model)
    return joint.score(images.embeddings, texts), images.broken


def evaluate_model(
    model: str | Path,
    benchmarks: Sequence[Benchmark],
    out: Path,
    settings: dict[str, Any] | None = None,
    *,
    objective: str = "base",
    seed: int = 0,
    attention_scale: float = 10.0,
) -> Path:
    """Load a model, evaluate it and write ``results.json``, and ``examples.json`` if a benchmark has foils.

    Args:
        model: folder or hub name of a checkpoint.
        benchmarks: one or more.
        out: the folder to write to; made when missing.
        settings: goes into the results as it is.
        objective: what the model was trained with.
        seed: of its training run.
        attention_scale: sharpness s of the attention maps in the examples.

    Returns:
        The path of ``results.json``.

    Raises:
        UserError: when the model cannot be loaded or evaluated, or the folder not be written.
    """
    import torch

    from rebind.models import DualEncoder

    encoder = DualEncoder.from_pretrained(model)
    encoder.to("cuda" if torch.cuda.is_available() else "cpu")
    scores, broken = evaluate(encoder, benchmarks, str(model))
    with _evaluation_mode(encoder):
        write_examples(encoder, benchmarks, out, attention_scale=attention_scale)
    return write_results(
        out, scores, model=str(model), objective=objective, seed=seed, settings=settings or {}, broken=broken
    )


@contextmanager
def _evaluation_mode(encoder: DualEncoder) -> Iterator[None]:
    was_training = encoder.training
    encoder.eval()
    try:
        yield
    finally:
        encoder.train(was_training)
