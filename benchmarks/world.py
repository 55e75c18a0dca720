"""Images per second of every objective on the built-in world: data, towers, loss, update, as the quick start has them.

``python -m benchmarks world`` prints the rows: the small SigLIP on one thread, batches of 128, the recipes ``world-*``.
Pictures and texts are in memory, as in training after the first epoch.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.attention import Rows, in_turns, row
from benchmarks.steps import adamw, step_of
from rebind.annotate import annotate_concepts
from rebind.data import Source, open_source
from rebind.data.annotations import with_concepts, with_negatives
from rebind.data.collation import Collator
from rebind.data.dataset import CaptionedImages
from rebind.models import DualEncoder, build_small_siglip
from rebind.objectives import build_objective
from rebind.training.recipe import Recipe, load_recipe
from rebind.training.remembered_texts import RememberedTexts
from rebind.world import WorldSettings, write_world

SCENES, BATCH = 512, 128
RECIPES = ("siglip", "clip", "negclip", "tripletclip", "c2lip", "npc")


def epoch_of(recipe: Recipe, encoder: DualEncoder, source: Source) -> Callable[[], None]:
    """An epoch of training steps with the recipe's objective."""
    objective = build_objective(recipe.objective, **recipe.objective_settings)
    if "concepts" in objective.needs:
        source = with_concepts(source)
    pictures = "negative_images" in objective.needs
    if "negative_captions" in objective.needs:
        source = with_negatives(source, recipe.negative_families, with_images=pictures)
    data = CaptionedImages(
        source,
        encoder.images,
        cache_images=True,
        needs=objective.needs,
        negatives_per_image=recipe.negatives_per_image,
    )
    collate, optimizer = Collator(RememberedTexts(encoder.texts), objective.needs), adamw(encoder)

    def run() -> None:
        order = list(data.order)
        for start in range(0, len(order), BATCH):
            batch = collate([data[place] for place in order[start : start + BATCH]])
            step_of(encoder, objective, batch, optimizer)()

    return run


def measure() -> Rows:
    """Images per second of every objective, and its share of SigLIP's."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        world = Path(folder) / "world"
        write_world(world, WorldSettings(train=SCENES, test=40))
        annotate_concepts(world / "train")
        source = open_source(world / "train")
        captions = [caption for index in range(len(source)) for caption in source.captions(index)]
        encoder = build_small_siglip(captions).train()
        files = {"data": world / "train", "out": Path(folder) / "run"}
        runs = {name: epoch_of(load_recipe(f"world-{name}", files), encoder, source) for name in RECIPES}
        median = in_turns(runs, "cpu", rounds=7)
    torch.set_num_threads(threads)
    about = {"batch": BATCH, "threads": 1, "picture_size": 48, "layers": 2, "width": 64}
    rows = [row(f"{name} on the world", "cpu", SCENES / median[name], "images/s", about) for name in RECIPES]
    return rows + [
        row(f"{name} on the world / siglip", "cpu", median["siglip"] / median[name], "×", about) for name in RECIPES[1:]
    ]
