"""Many processes train the model that one process would have trained on their batches together."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from rebind.training.metrics_file import read_metrics
from rebind.training.run import train
from rebind.types import UserError

SETTINGS = {"objective": "c2lip", "steps": 10, "epsilon": 1e-4, "save_every": 5}
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "rebind"]
FSDP = {
    "compute_environment": "LOCAL_MACHINE",
    "distributed_type": "FSDP",
    "fsdp_config": {
        "fsdp_version": 2,
        "fsdp_auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
        "fsdp_transformer_layer_cls_to_wrap": "SiglipEncoderLayer",
        "fsdp_state_dict_type": "FULL_STATE_DICT",
        "fsdp_cpu_ram_efficient_loading": False,
    },
    "mixed_precision": "no",
    "num_machines": 1,
    "num_processes": 2,
    "use_cpu": True,
}


def start(launcher, recipe, **options):
    flags = [f"--{name}={value}" for name, value in recipe.as_dict().items() if value not in (None, {})]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    command = [sys.executable, *launcher, "train", *flags]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, **options)


def undo_second_half(run):
    """Leave the folder as a kill after the checkpoint at step 5 would have."""
    shutil.rmtree(run / "model")
    shutil.rmtree(run / "checkpoints" / "checkpoint-10")
    (run / "summary.json").unlink()


def assert_same_training(run, reference):
    rows, expected = (read_metrics(folder / "metrics.jsonl") for folder in (run, reference))
    for name in ("step", "loss", "contrastive", "concept", "attention", "gradient_norm", "logit_scale", "logit_bias"):
        assert [row[name] for row in rows] == pytest.approx([row[name] for row in expected], rel=1e-5), name
    weights, wanted = (load_file(folder / "model" / "model.safetensors") for folder in (run, reference))
    assert weights.keys() == wanted.keys()
    for name, value in wanted.items():
        torch.testing.assert_close(weights[name], value, rtol=0, atol=1e-6, msg=name)
    summary, other = (json.loads((folder / "summary.json").read_text()) for folder in (run, reference))
    assert (summary["samples_seen"], summary["steps"]) == (other["samples_seen"], other["steps"])


@pytest.fixture(scope="module")
def alone(small_recipe, tmp_path_factory):
    """One process on the whole batch, encoded at once."""
    recipe = small_recipe(tmp_path_factory.mktemp("alone") / "run", **SETTINGS, batch_size=32)
    train(recipe, show_progress=False)
    return recipe.out


@pytest.mark.slow
def test_two_processes_train_what_one_trains(small_recipe, alone, tmp_path):
    recipe = small_recipe(tmp_path / "run", **SETTINGS, batch_size=16)
    done = start(TORCHRUN, recipe, check=True)
    assert done.stdout.count("The model is in") == 1  # one process speaks
    assert_same_training(recipe.out, alone)
    assert json.loads((recipe.out / "summary.json").read_text())["processes"] == 2


@pytest.mark.slow
def test_two_processes_with_cached_gradients_continue_after_a_kill(small_recipe, alone, tmp_path):
    recipe = small_recipe(tmp_path / "run", **SETTINGS, batch_size=16, micro_batch_size=5)
    start(TORCHRUN, recipe, check=True)
    undo_second_half(recipe.out)
    assert len(list((recipe.out / "checkpoints" / "checkpoint-5").glob("rng_state_*.pth"))) == 2
    with pytest.raises(UserError, match="was written by 2 processes, and these are 1; continue with as many"):
        train(recipe, show_progress=False)
    start(TORCHRUN, recipe, check=True)
    assert_same_training(recipe.out, alone)


@pytest.mark.parametrize("settings", [{}, {"gradient_accumulation": 2, "batch_size": 16}], ids=["whole", "accumulated"])
def test_cached_gradients_train_the_same_model(small_recipe, tmp_path, settings):
    settings = {**SETTINGS, **settings}
    dense, cached = (
        small_recipe(tmp_path / "a", **settings),
        small_recipe(tmp_path / "b", micro_batch_size=5, **settings),
    )
    for recipe in (dense, cached):
        train(recipe, show_progress=False)
    assert_same_training(cached.out, dense.out)


@pytest.mark.slow
def test_sharded_models_train_the_same_and_continue(small_recipe, alone, tmp_path):
    """FSDP as accelerate's configuration asks for it, with cached gradients."""
    (tmp_path / "fsdp.yaml").write_text(yaml.safe_dump(FSDP))
    script = str(Path(__file__).with_name("fsdp_on_processors.py"))
    launcher = [
        "-m",
        "accelerate.commands.accelerate_cli",
        "launch",
        "--config_file",
        str(tmp_path / "fsdp.yaml"),
        script,
    ]
    recipe = small_recipe(tmp_path / "run", **SETTINGS, batch_size=16, micro_batch_size=8)
    start(launcher, recipe, check=True)
    assert (recipe.out / "checkpoints" / "checkpoint-10" / "pytorch_model_fsdp.bin").is_file()  # so it was sharded
    assert_same_training(recipe.out, alone)

    undo_second_half(recipe.out)
    start(launcher, recipe, check=True)
    assert_same_training(recipe.out, alone)


def test_sharding_that_accelerate_would_pass_over_is_an_error(small_recipe, tmp_path, monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(UserError, match=r"accelerate shards models \(FSDP\) on accelerators only"):
        train(small_recipe(tmp_path / "run", **SETTINGS), show_progress=False)


@pytest.mark.slow
def test_a_process_whose_images_are_all_broken_does_not_stop_the_others(small_recipe, world, tmp_path):
    """The first batch of the second process has no whole image at all."""
    data = tmp_path / "train"
    shutil.copytree(world / "train", data)
    settings = {**SETTINGS, "objective": "siglip", "data": data, "steps": 3, "save_every": 1, "batch_size": 16}
    recipe = small_recipe(tmp_path / "run", **settings, max_broken_share=0.5)
    from rebind.data import open_source
    from rebind.data.dataset import EpochShuffle

    source = open_source(data)
    second = list(EpochShuffle(len(source), recipe.seed))[16:32]
    for index, _ in second:
        Path(source.image(index)).write_bytes(b"not a picture")
    start(TORCHRUN, recipe, check=True)
    summary = json.loads((recipe.out / "summary.json").read_text())
    assert summary["broken_count"] == 16
    assert set(summary["broken"]) == {source.keys[index] for index, _ in second}
    assert summary["samples_seen"] == 3 * 32
