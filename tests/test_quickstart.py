"""The quick start, tiny: from nothing to a report, killed halfway, started again."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from rebind.quickstart import WORLD_SEED, QuickstartSettings, run_quickstart
from rebind.training import load_recipe
from rebind.types import UserError
from rebind.world import WorldSettings, write_world

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
ARMS = {
    "c2lip": "C2LIP",
    "siglip": "SigLIP",
    "clip": "CLIP",
    "npc": "NPC alone",
    "xac": "XAC alone",
    "negclip": "NegCLIP",
    "tripletclip": "TripletCLIP",
}


def start(out, *words):
    """The quick start as a process of its own."""
    command = [sys.executable, "-m", "rebind", "quickstart", "--out", str(out), *TINY, *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_a_killed_quick_start_ends_its_workers_and_goes_on_to_the_report(tmp_path):
    out = tmp_path / "quickstart"
    killed = start(out, "--objectives", "siglip, negclip")  # the world is the same whatever is asked for
    base = out / "runs" / "base" / "model"
    deadline = time.monotonic() + 120
    while not base.is_dir():
        assert killed.poll() is None, killed.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.1)
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate(timeout=30)  # returns when the workers, who share the pipe, are gone, too
    weights = (base / "model.safetensors").read_bytes()

    again = start(out, "--objectives", ",".join(ARMS))
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

    assert "seen families, mean" in printed
    assert "On unseen families (swap attribute, " in printed


def test_arms_differ_in_their_objective_and_its_negatives_only():
    recipes = {arm: load_recipe(f"world-{arm}", {"data": "d", "out": "o"}).as_dict() for arm in ARMS}
    for recipe in recipes.values():
        for name in ("objective", "objective_settings", "label", "negative_families", "negatives_per_image"):
            recipe.pop(name)
    assert len({yaml.safe_dump(recipe) for recipe in recipes.values()}) == 1


def test_hard_negatives_are_of_families_that_the_world_writes_and_swaps_do_not_share():
    for arm in ("negclip", "tripletclip"):
        recipe = load_recipe(f"world-{arm}", {"data": "d", "out": "o"})
        assert set(recipe.negative_families) <= set(WorldSettings().negatives)
        assert not [family for family in recipe.negative_families if family.startswith("swap")]
        assert recipe.negatives_per_image == 1


def test_the_arms_asked_for_are_tuned():
    def arms(*objectives):
        return set(QuickstartSettings(Path("out"), objectives=objectives or None).arms)

    assert arms() == {"siglip", "clip", "negclip", "tripletclip", "c2lip"}
    assert arms("xac", "siglip", "xac") == {"siglip", "xac"}


def test_an_unknown_objective_is_refused_before_anything_is_written(tmp_path):
    settings = QuickstartSettings(tmp_path / "out", objectives=("siglip", "laclip"))
    with pytest.raises(UserError, match=r"no objective 'laclip'; it knows (\w+, ){6}\w+$"):
        run_quickstart(settings, Console(quiet=True))
    assert not (tmp_path / "out").exists()


def test_a_world_of_other_settings_is_left_alone(tmp_path):
    write_world(tmp_path / "world", WorldSettings(train=2, test=2, negatives=()))
    written = json.loads((tmp_path / "world" / "world.json").read_text())
    del written["negatives"]  # as older worlds
    (tmp_path / "world" / "world.json").write_text(json.dumps(written))
    with pytest.raises(UserError, match=r"world is a world of other settings; choose another --out or remove it"):
        run_quickstart(QuickstartSettings(tmp_path), Console(quiet=True))


def test_the_benchmark_is_the_one_that_numbers_were_published_for(tmp_path):
    write_world(tmp_path / "world", WorldSettings(train=1, pretrain=1, test=1_000, seed=WORLD_SEED))
    texts = sorted((tmp_path / "world" / "test").rglob("*.json*"))  # PNG bytes differ between versions of zlib
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in texts)).hexdigest()
    assert digest == "55920aba4bc0cc5ee0c73e03238aa2de81c1f4872b834653d4aaea3f55bf8d7b"
