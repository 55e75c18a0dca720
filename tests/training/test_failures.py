"""What stops a run, and what does not."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from rebind.training.run import train
from rebind.types import UserError


@pytest.fixture
def photos(world, tmp_path):
    """A copy of the tuning data whose pictures may be damaged."""
    shutil.copytree(world / "train", tmp_path / "photos")
    return tmp_path / "photos"


def damage(folder, count):
    """Cut the first pictures short; returns their keys."""
    rows = [json.loads(line) for line in (folder / "captions.jsonl").read_text().splitlines()[:count]]
    for row in rows:
        picture = folder / row["image"]
        picture.write_bytes(picture.read_bytes()[:60])
    return {row.get("key", row["image"]) for row in rows}


def test_a_loss_that_is_not_finite_stops_with_all_that_helps(small_recipe, finished, tmp_path):
    """NaN weights in the checkpoint that the run continues from: step, samples and checkpoint are named."""
    recipe = small_recipe(tmp_path / "run")
    shutil.copytree(finished, recipe.out)
    (recipe.out / "summary.json").unlink()
    for step in (15, 20):
        shutil.rmtree(recipe.out / "checkpoints" / f"checkpoint-{step}")
    newest = recipe.out / "checkpoints" / "checkpoint-10"
    weights = load_file(newest / "model.safetensors")
    weights["vision_model.head.probe"] += torch.nan
    save_file(weights, newest / "model.safetensors", {"format": "pt"})
    with pytest.raises(UserError) as caught:
        train(recipe, show_progress=False)
    message = str(caught.value)
    assert message.startswith("the loss is nan at step 11 (samples ")
    assert "; lower the learning rate" in message
    assert message.endswith(f"the last good checkpoint is {newest}")
    told = json.loads((recipe.out / "not_finite.json").read_text())
    assert len(told["keys"]) == 32
    assert told["keys"][0] in message


def test_weights_that_are_not_finite_are_never_saved(small_recipe, tmp_path, monkeypatch):
    """An update can break the weights after a finite loss: the checkpoints before it are the good ones."""
    from rebind.training import trainer

    original = trainer.LogitScaleClamp.on_optimizer_step

    def break_weights(self, args, state, control, **kwargs):
        original(self, args, state, control, **kwargs)
        if state.global_step == 9:
            self.encoder.model.logit_bias.data.fill_(torch.inf)

    monkeypatch.setattr(trainer.LogitScaleClamp, "on_optimizer_step", break_weights)
    recipe = small_recipe(tmp_path / "run")
    with pytest.raises(UserError, match=r"the weights are not finite after the update at step 10 .*checkpoint-5$"):
        train(recipe, show_progress=False)
    assert [path.name for path in (recipe.out / "checkpoints").iterdir()] == ["checkpoint-5"]


def test_broken_pictures_are_counted_and_named(small_recipe, photos, tmp_path):
    broken = damage(photos, 5)
    recipe = small_recipe(tmp_path / "run", data=photos, steps=9)
    train(recipe, show_progress=False)
    summary = json.loads((recipe.out / "summary.json").read_text())
    assert set(summary["broken"]) <= broken
    assert len(summary["broken"]) == summary["broken_count"] >= 4  # an epoch leaves twelve samples out
    assert summary["samples_seen"] == 9 * 32
    assert all("truncated" in reason or "broken" in reason for reason in summary["broken"].values())


def test_too_many_broken_pictures_are_an_error_that_can_be_waived(small_recipe, photos, tmp_path):
    damage(photos, 60)
    with pytest.raises(UserError, match=r"samples seen are broken, more than the tolerated 10% .*max_broken_share"):
        train(small_recipe(tmp_path / "run", data=photos), show_progress=False)
    train(small_recipe(tmp_path / "run", data=photos, max_broken_share=0.4), show_progress=False)


def test_a_batch_without_a_whole_picture_is_passed_over(small_recipe, photos, tmp_path):
    damage(photos, 300)
    recipe = small_recipe(tmp_path / "run", data=photos, steps=2, max_broken_share=1.0)
    train(recipe, show_progress=False)
    assert json.loads((recipe.out / "summary.json").read_text())["broken_count"] == 64


def test_a_batch_larger_than_the_data_is_refused(small_recipe, tmp_path):
    with pytest.raises(UserError, match="holds 300 samples, fewer than one batch; set batch_size to at most 300"):
        train(small_recipe(tmp_path / "run", batch_size=301), show_progress=False)


def test_half_precision_needs_a_gpu(small_recipe, tmp_path):
    with pytest.raises(UserError, match="precision: fp16 needs a GPU; on a processor use fp32 or bf16"):
        train(small_recipe(tmp_path / "run", precision="fp16"), show_progress=False)
    assert not (tmp_path / "run").exists()


def test_tensorboard_gets_the_curves(small_recipe, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    recipe = small_recipe(tmp_path / "run", tensorboard=True, steps=4)
    train(recipe, show_progress=False)
    events = EventAccumulator(str(recipe.out / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("train/loss")] == [1, 2, 3, 4]
    assert {"train/contrastive", "train/concept", "train/attention"} <= set(events.Tags()["scalars"])
