"""The quick start, tiny: from nothing to a report, killed halfway, started again."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import yaml

pytestmark = pytest.mark.slow

TINY = [
    "--seeds",
    "1",
    "--jobs",
    "2",
    "--steps",
    "12",
    "--pretrain-steps",
    "12",
    "--scenes",
    "300",
    "--test-scenes",
    "30",
]
ARMS = {"c2lip": "C2LIP", "siglip": "SigLIP", "clip": "CLIP", "npc": "NPC alone", "xac": "XAC alone"}


def start(out):
    """The quick start as a process of its own."""
    command = [sys.executable, "-m", "rebind", "quickstart", "--out", str(out), *TINY]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_a_killed_quick_start_ends_its_workers_and_goes_on_to_the_report(tmp_path):
    out = tmp_path / "quickstart"
    killed = start(out)
    base = out / "runs" / "base" / "model"
    deadline = time.monotonic() + 120
    while not base.is_dir():
        assert killed.poll() is None, killed.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.1)
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate(timeout=30)  # returns when the workers, who share the pipe, are gone, too
    weights = (base / "model.safetensors").read_bytes()

    again = start(out)
    printed = again.communicate(timeout=300)[0]
    assert again.returncode == 0, printed
    assert (base / "model.safetensors").read_bytes() == weights
    runs = {path.name: path for path in (out / "runs").iterdir()}
    assert runs.keys() == {"base", *(f"{arm}-seed11" for arm in ARMS)}
    for arm, label in ARMS.items():
        run = runs[f"{arm}-seed11"]
        results = json.loads((run / "results.json").read_text())
        assert results["settings"]["label"] == label
        assert results["settings"]["steps"] == 12
        assert {score["split"] for score in results["scores"]} >= {"swap_att", "swap_obj", "held_out", "retention"}
    page = (out / "report.html").read_text()
    assert all(label in page for label in ARMS.values())
    assert "on swaps" in printed
    assert str(out / "report.html") in printed


def test_arms_differ_in_their_objective_only(tmp_path):
    from rebind.training import load_recipe

    recipes = {arm: load_recipe(f"world-{arm}", {"data": "d", "out": "o"}).as_dict() for arm in ARMS}
    for recipe in recipes.values():
        for name in ("objective", "objective_settings", "label"):
            recipe.pop(name)
    assert len({yaml.safe_dump(recipe) for recipe in recipes.values()}) == 1
