"""Whole training steps, batch in to weights moved: C2LIP over SigLIP at ViT-B/16 shapes, beside the counted FLOPs.

``python -m benchmarks steps`` prints the rows. On a processor the towers have 2 layers instead of 12, which is to
C2LIP's disadvantage: bringing image tokens to the joint space costs what it costs at any depth. Every image has four
concepts, drawn as phrases of captions are repeated (see ``benchmarks/scaling.py``); "no repetition" is the same batch
with all of them different, which is also what the step would cost if equal strings were encoded one by one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import SiglipConfig, SiglipImageProcessorPil, SiglipModel

from benchmarks.attention import Rows, in_turns, row
from benchmarks.scaling import SIGLIP_B16, Load, Model, pairwise_flops, phrase_chances, tower_flops
from rebind.models import DualEncoder
from rebind.models.embedding import encoder_inputs
from rebind.models.small import build_word_tokenizer
from rebind.objectives import ObjectiveFunction, build_objective
from rebind.training.gradient_caching import GradientCache
from rebind.training.step import ContrastiveStep
from rebind.types import Batch

CONCEPTS_PER_IMAGE, VOCABULARY = 4, 32_000
SHORT = 16  # tokens, of concept_context_length


@dataclass(frozen=True)
class Place:
    """Where steps are taken: the device, layers of each tower and images in the batch that it can bear."""

    device: str
    layers: int
    images: int
    rounds: int

    @property
    def name(self) -> str:
        """As the table says it."""
        return torch.cuda.get_device_name() if self.device == "cuda" else "cpu"

    @property
    def autocast(self) -> Any:
        """bfloat16 on CUDA, float32 elsewhere."""
        return torch.autocast("cuda", torch.bfloat16) if self.device == "cuda" else contextlib.nullcontext()

    def settings(self) -> dict[str, Any]:
        """What a row says of it."""
        about = {"layers": self.layers, "images": self.images, "concepts_per_image": CONCEPTS_PER_IMAGE}
        if self.device == "cuda":
            return {**about, "precision": "bf16"}
        return {**about, "precision": "fp32", "threads": torch.get_num_threads()}


def places() -> list[Place]:
    """The CPU always, CUDA where there is one."""
    cuda = [Place("cuda", 12, 96, 9)] if torch.cuda.is_available() else []
    return [Place("cpu", 2, 32, 5), *cuda]


def vit_b16(layers: int) -> DualEncoder:
    """SigLIP ViT-B/16-224 with so many layers in each tower and random weights."""
    config = SiglipConfig(
        text_config={"num_hidden_layers": layers, "vocab_size": VOCABULARY, "bos_token_id": None, "eos_token_id": 1},
        vision_config={"num_hidden_layers": layers},
    )
    torch.manual_seed(0)
    processor = SiglipImageProcessorPil(size={"height": 224, "width": 224})
    return DualEncoder(SiglipModel(config), build_word_tokenizer(["a word"], most_tokens=64), processor)


def draw_phrases(images: int, seed: int = 0) -> np.ndarray:
    """(images, 4) numbers of phrases, of an image all different, said as often as phrases are."""
    draw = np.random.default_rng(seed)
    chances = phrase_chances()
    return np.stack([draw.choice(len(chances), CONCEPTS_PER_IMAGE, replace=False, p=chances) for _ in range(images)])


def make_batch(phrases: np.ndarray, length: int, repeated: bool) -> Batch:
    """A batch of noise whose concepts repeat as ``phrases`` (images, 4) do, or not at all.

    Args:
        phrases: which phrase each concept is.
        length: tokens of a concept.
        repeated: equal phrases are encoded once.
    """
    generator = torch.Generator().manual_seed(0)
    images, identity = len(phrases), np.arange(phrases.size)
    if repeated:
        identity, index = np.unique(phrases, return_inverse=True)
    else:
        index = identity

    def tokens(*shape: int) -> dict[str, Tensor]:
        return {"input_ids": torch.randint(VOCABULARY, shape, generator=generator)}

    return Batch(
        keys=tuple(map(str, range(images))),
        images={"pixel_values": torch.randint(256, (images, 3, 224, 224), dtype=torch.uint8, generator=generator)},
        captions=tokens(images, 64),
        concepts=tokens(len(identity), length),
        concept_identity=torch.as_tensor(identity, dtype=torch.int64),
        concept_index=torch.as_tensor(index.reshape(-1), dtype=torch.int64),
        concept_owner=torch.arange(images).repeat_interleave(CONCEPTS_PER_IMAGE),
    )


def step_of(
    encoder: DualEncoder,
    objective: str | ObjectiveFunction,
    batch: Batch,
    optimizer: torch.optim.Optimizer,
    chunks: int = 1,
    autocast: Any = None,
) -> Callable[[], None]:
    """One training step of one process, as the Trainer takes it."""
    step = ContrastiveStep(build_objective(objective) if isinstance(objective, str) else objective, chunks)
    autocast = autocast or contextlib.nullcontext()

    def run() -> None:
        optimizer.zero_grad()
        inputs = encoder_inputs(encoder, batch, step.objective.needs)
        with autocast:
            if chunks == 1:
                loss, _ = step.loss(batch, encoder(inputs.images, inputs.texts, inputs.with_tokens))
                loss.backward()
            else:
                cache = GradientCache(encoder, inputs.chunks(chunks))
                step.cached_loss(batch, cache.outputs)
                cache.backward(lambda surrogate: surrogate.backward(), contextlib.nullcontext)
        optimizer.step()

    return run


def adamw(encoder: DualEncoder) -> torch.optim.Optimizer:
    """As training has it."""
    return torch.optim.AdamW(encoder.parameters(), lr=1e-5, weight_decay=0.1, fused=True)


def counted_ratio(model: Model, images: int, strings: int, length: int) -> float:
    """FLOPs of matrix products of a C2LIP step over those of a SigLIP step."""
    load = Load(images, CONCEPTS_PER_IMAGE * images, strings)
    c2lip = tower_flops(model, load, length, image_tokens=True) + sum(
        pairwise_flops("c2lip", model, load, load).values()
    )
    plain = Load(images)
    return c2lip / (tower_flops(model, plain) + sum(pairwise_flops("siglip", model, plain, plain).values()))


def at_depth(layers: int) -> Model:
    """ViT-B/16 with so many layers in each tower."""
    image, text = (replace(tower, layers=layers) for tower in (SIGLIP_B16.image, SIGLIP_B16.text))
    return replace(SIGLIP_B16, image=image, text=text)


def compare(place: Place) -> Rows:
    """Seconds of a SigLIP step, and the ratios of C2LIP steps to it, measured and counted."""
    encoder = vit_b16(place.layers).train().to(place.device)
    optimizer = adamw(encoder)
    phrases = draw_phrases(place.images)
    batches = {
        f"concepts of {length} tokens, {kind}": make_batch(phrases, length, kind == "equal strings once")
        for length in (SHORT, 64)
        for kind in ("equal strings once", "no repetition")
    }
    plain = replace(
        next(iter(batches.values())), concepts=None, concept_identity=None, concept_index=None, concept_owner=None
    )
    start = partial(step_of, encoder, optimizer=optimizer, autocast=place.autocast)
    runs = {"SigLIP": start("siglip", plain)} | {kind: start("c2lip", batch) for kind, batch in batches.items()}
    median = in_turns(runs, place.device, place.rounds)
    about = place.settings()
    rows = [row("SigLIP step, ViT-B/16", place.name, median["SigLIP"], "s", about)]
    for kind, batch in batches.items():
        strings, length = batch.concepts["input_ids"].shape  # type: ignore[index]
        how = about | {"concept_tokens": length, "distinct_concepts": round(strings / phrases.size, 3)}
        name = f"C2LIP step / SigLIP step, {kind}"
        rows.append(row(name, place.name, median[kind] / median["SigLIP"], "×", how))
        for layers in sorted({place.layers, 12}):
            ratio = counted_ratio(at_depth(layers), place.images, strings, length)
            rows.append(row(f"{name}, counted FLOPs, {layers} layers", place.name, ratio, "×", how))
    return rows


def measure() -> Rows:
    """All rows of all places."""
    return [each for place in places() for each in compare(place)]
