"""A run that is killed at any moment and started again gives what it would have given, step for step."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from safetensors.torch import load_file

from rebind.training.checkpoints import last_checkpoint
from rebind.training.metrics_file import read_metrics
from rebind.training.run import train
from rebind.types import UserError

TIMES = {"seconds", "images_per_second"}


def rows(run):
    """Everything in the metrics that should not depend on when it was run."""
    return [
        {name: value for name, value in row.items() if name not in TIMES} for row in read_metrics(run / "metrics.jsonl")
    ]


def assert_same_run(run, reference):
    assert [row["step"] for row in rows(run)] == list(range(1, len(rows(reference)) + 1))
    assert rows(run) == rows(reference)
    weights, expected = (load_file(folder / "model" / "model.safetensors") for folder in (run, reference))
    assert all(weights[name].equal(expected[name]) for name in expected)
    seen, wanted = (json.loads((folder / "summary.json").read_text()) for folder in (run, reference))
    assert {name: seen[name] for name in ("steps", "samples_seen", "broken")} == {
        name: wanted[name] for name in ("steps", "samples_seen", "broken")
    }


def interrupted_copy(finished, out, newest):
    """The folder as it was when the checkpoint ``newest`` had just been written, and some more steps were made."""
    shutil.copytree(finished, out)
    shutil.rmtree(out / "model")
    (out / "summary.json").unlink()
    for checkpoint in (out / "checkpoints").iterdir():
        if int(checkpoint.name.split("-")[1]) > newest:
            shutil.rmtree(checkpoint)


def kill_past(command, metrics, step, environment):
    """Start the command and SIGKILL it once it has logged ``step``."""
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        while not (read_metrics(metrics) and read_metrics(metrics)[-1]["step"] >= step):
            assert process.poll() is None, "training ended before it could be killed"
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


@pytest.mark.slow
def test_a_killed_run_continues(small_recipe, retold, tmp_path):
    """SIGKILL in the third epoch, with captions that are drawn anew each epoch and a process that decodes images."""
    settings = {"data": retold, "steps": 30}
    recipe = small_recipe(tmp_path / "killed", **settings, workers=1)
    flags = [f"--{name}={value}" for name, value in recipe.as_dict().items() if value not in (None, {})]
    command = [sys.executable, "-m", "rebind", "train", *flags]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    kill_past(command, recipe.out / "metrics.jsonl", 21, environment)
    assert not (recipe.out / "summary.json").exists()
    subprocess.run(command, env=environment, check=True)

    whole = small_recipe(tmp_path / "whole", **settings)
    train(whole, show_progress=False)
    assert_same_run(recipe.out, whole.out)
    assert len({row["loss"] for row in rows(whole.out)}) == 30


@pytest.mark.parametrize("newest", [10, 20])
def test_it_continues_from_any_checkpoint(small_recipe, finished, tmp_path, newest):
    """Also from the last of all: there is nothing left to train then, only the model to write."""
    recipe = small_recipe(tmp_path / "run")
    interrupted_copy(finished, recipe.out, newest)
    train(recipe, show_progress=False)
    assert_same_run(recipe.out, finished)


@pytest.mark.parametrize(
    "settings",
    [
        {"objective": "siglip", "save_every": 9, "cache_images": True},  # an epoch has nine steps
        {"objective": "clip", "gradient_accumulation": 2, "batch_size": 16},
        {"precision": "bf16"},
    ],
    ids=["end of an epoch", "accumulation", "bf16"],
)
def test_it_continues_whatever_the_settings(small_recipe, retold, tmp_path, settings):
    whole, recipe = (small_recipe(tmp_path / name, data=retold, **settings) for name in ("whole", "stopped"))
    train(whole, show_progress=False)
    interrupted_copy(whole.out, recipe.out, newest=whole.save_every)
    train(recipe, show_progress=False)
    assert_same_run(recipe.out, whole.out)


@pytest.mark.parametrize("damage", ["missing", "cut short"])
def test_a_half_written_checkpoint_is_not_used(small_recipe, finished, tmp_path, damage):
    recipe = small_recipe(tmp_path / "run")
    interrupted_copy(finished, recipe.out, newest=15)
    broken = recipe.out / "checkpoints" / "checkpoint-15"
    (broken / "optimizer.pt").write_bytes(b"half")
    state = broken / "trainer_state.json"
    state.write_text(state.read_text()[:100])
    if damage == "missing":
        state.unlink()
    (recipe.out / "checkpoints" / ".checkpoint-20.77.partial").mkdir()
    (recipe.out / ".metrics.jsonl.77.partial").write_text("")
    assert last_checkpoint(recipe.out / "checkpoints").name == "checkpoint-10"
    train(recipe, show_progress=False)
    assert_same_run(recipe.out, finished)
    assert not list(recipe.out.rglob("*.partial"))


def test_a_torn_row_of_metrics_is_written_again(small_recipe, finished, tmp_path):
    recipe = small_recipe(tmp_path / "run")
    interrupted_copy(finished, recipe.out, newest=10)
    metrics = recipe.out / "metrics.jsonl"
    metrics.write_text("\n".join(metrics.read_text().splitlines()[:13])[:-20])
    train(recipe, show_progress=False)
    assert_same_run(recipe.out, finished)


def test_a_finished_run_is_left_alone(small_recipe, finished):
    before = {file: (file.stat().st_mtime_ns, file.stat().st_size) for file in finished.rglob("*")}
    assert train(small_recipe(finished), show_progress=False) == finished / "model"
    assert {file: (file.stat().st_mtime_ns, file.stat().st_size) for file in finished.rglob("*")} == before


def test_another_run_in_the_same_folder_is_refused(small_recipe, finished):
    with pytest.raises(UserError, match=r"a run with other settings \(batch_size is 32 there and 16 here; seed is 0"):
        train(small_recipe(finished, batch_size=16, seed=1))


def test_settings_that_change_no_loss_may_change(small_recipe, finished, tmp_path):
    shutil.copytree(finished, tmp_path / "moved")
    train(small_recipe(tmp_path / "moved", max_broken_share=0.5, label="ours"), show_progress=False)
    assert "label: ours" in (tmp_path / "moved" / "recipe.yaml").read_text()


def test_a_folder_of_other_things_is_refused(small_recipe, tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(UserError, match="holds files that are no run; choose another --out"):
        train(small_recipe(tmp_path))
    assert os.listdir(tmp_path) == ["thesis.tex"]
