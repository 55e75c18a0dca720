"""A small world with concepts, and runs on it that take a second or two."""

import json
import shutil

import pytest

from rebind.annotate import annotate_concepts
from rebind.training import load_recipe
from rebind.world import WorldSettings, write_world

SMALL = {
    "model": "small-siglip",
    "objective": "c2lip",
    "batch_size": 32,
    "steps": 20,
    "learning_rate": 1e-3,
    "warmup_steps": 4,
    "workers": 0,
    "log_every": 1,
    "save_every": 5,
    "keep_checkpoints": 9,
    "device": "cpu",
    "tensorboard": False,
}


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """300 tuning scenes, 9 batches of 32 an epoch."""
    folder = tmp_path_factory.mktemp("small") / "world"
    write_world(folder, WorldSettings(train=300, test=40, seed=5))
    annotate_concepts(folder / "train")
    return folder


@pytest.fixture(scope="session")
def retold(world, tmp_path_factory):
    """The same scenes with three captions each, of which every epoch draws one."""
    folder = tmp_path_factory.mktemp("retold") / "train"
    shutil.copytree(world / "train", folder)
    rows = [json.loads(line) for line in (folder / "captions.jsonl").read_text().splitlines()]
    for row in rows:
        caption = row.pop("caption")
        row["captions"] = [caption, f"a picture of {caption}", f"here is {caption}"]
    (folder / "captions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    annotate_concepts(folder)
    return folder


@pytest.fixture(scope="session")
def small_recipe(world):
    """``small_recipe(out, **settings)``: a recipe that differs from the small one in what is given."""

    def make(out, **settings):
        return load_recipe(None, {"data": world / "train", **SMALL, "out": out, **settings})

    return make


@pytest.fixture(scope="session")
def finished(small_recipe, tmp_path_factory):
    """A run that nothing interrupted, with all its checkpoints."""
    from rebind.training.run import train

    recipe = small_recipe(tmp_path_factory.mktemp("finished") / "run")
    train(recipe, show_progress=False)
    return recipe.out
