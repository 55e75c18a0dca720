"""Gradient caching against the dense step: its price in time at equal batch, and the memory that it needs.

``python -m benchmarks caching`` prints the rows. A second forward pass makes the price 4/3 by FLOPs. Memory is what a
step adds at its peak to model and inputs: gradients, AdamW's moments, activations, the embeddings and image tokens of
the whole batch with their gradients, and the objective's matrices of a slice of rows. On the CPU each is measured in a
process of its own, on Linux only.
"""

from __future__ import annotations

import multiprocessing
from dataclasses import replace
from typing import Any

import torch

from benchmarks.attention import STATUS, Rows, in_turns, row
from benchmarks.scaling import expected_strings
from benchmarks.steps import SHORT, Place, adamw, draw_phrases, make_batch, places, step_of, vit_b16
from rebind.models import DualEncoder, build_small_siglip
from rebind.types import Batch

MICRO, LARGE, DENSE = 64, 4096, 512
MODEL = {"image_size": 96, "width": 128, "mlp": 512, "layers": 4, "heads": 4}
OBJECTIVES = ("siglip", "c2lip")


def price(place: Place) -> Rows:
    """Time of a cached step over that of the dense one, in four micro-batches."""
    encoder = vit_b16(place.layers).train().to(place.device)
    optimizer = adamw(encoder)
    batch = make_batch(draw_phrases(place.images), SHORT, repeated=True)
    runs = {}
    for objective in OBJECTIVES:
        asked = for_objective(batch, objective)
        for way, chunks in (("dense", 1), ("cached", 4)):
            runs[f"{way} {objective}"] = step_of(encoder, objective, asked, optimizer, chunks, place.autocast)
    median = in_turns(runs, place.device, place.rounds)
    about = place.settings() | {"micro_batches": 4, "concept_tokens": SHORT}
    return [
        row(
            f"{name}, cached step / dense step (4/3 by FLOPs)",
            place.name,
            median[f"cached {name}"] / median[f"dense {name}"],
            "×",
            about,
        )
        for name in OBJECTIVES
    ]


def for_objective(batch: Batch, objective: str) -> Batch:
    """Without concepts where they are not asked for."""
    none: dict[str, Any] = dict.fromkeys(("concepts", "concept_identity", "concept_index", "concept_owner"))
    return batch if objective == "c2lip" else replace(batch, **none)


def small_parts(images: int, objective: str) -> tuple[DualEncoder, Batch]:
    """A small SigLIP of 36 image tokens and 21 text tokens, and a batch of noise for it."""
    encoder = build_small_siglip([" ".join(f"word{n}" for n in range(20))], **MODEL).train()
    batch = make_batch(draw_phrases(images), 21, repeated=True)
    texts = {name: {"input_ids": getattr(batch, name)["input_ids"][:, :21] % 20} for name in ("captions", "concepts")}
    pictures = torch.randint(256, (images, 3, 96, 96), dtype=torch.uint8)
    return encoder, for_objective(replace(batch, images={"pixel_values": pictures}, **texts), objective)  # type: ignore[arg-type]


def memory_on_cpu() -> Rows:
    """Peak of a step in GB: dense at 64 and 512, and 4,096 on micro-batches of 64."""
    if not STATUS.exists():
        return []
    rows = []
    for objective in OBJECTIVES:
        for images, chunks in ((MICRO, 1), (DENSE, 1), (LARGE, LARGE // MICRO)):
            with multiprocessing.get_context("spawn").Pool(1) as alone:
                extra = alone.apply(_extra_resident, (objective, images, chunks, torch.get_num_threads()))
            how = "dense" if chunks == 1 else f"micro-batches of {images // chunks}"
            about = MODEL | {"images": images, "expected_strings": expected_strings(4 * images)}
            rows.append(
                row(f"{objective}, batch {images:,}, {how}, extra peak memory", "cpu", extra / 1e9, "GB", about)
            )
    return rows


def _extra_resident(objective: str, images: int, chunks: int, threads: int) -> int:
    def resident(name: str) -> int:
        return next(int(line.split()[1]) for line in STATUS.read_text().splitlines() if line.startswith(name)) * 1024

    torch.set_num_threads(threads)
    encoder, batch = small_parts(2, objective)
    step_of(encoder, objective, batch, adamw(encoder))()  # libraries are loaded, threads started
    encoder, batch = small_parts(images, objective)
    run = step_of(encoder, objective, batch, adamw(encoder), chunks)
    before = resident("VmRSS")
    STATUS.with_name("clear_refs").write_text("5")  # the peak starts anew
    run()
    return resident("VmHWM") - before


def measure() -> Rows:
    """All rows."""
    return [each for place in places() for each in price(place)] + memory_on_cpu()
