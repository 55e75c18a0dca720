"""The stages of the data engine: the same bytes on every engine, and after any number of kills."""

import shutil
from pathlib import Path

import pytest
from corpus import write_captions, write_folder
from refine_in_parts import refine_in_parts

from killing import contents, kill_at_random, run_to_the_end
from rebind.engine import Workforce
from rebind.world import WorldSettings, write_world

pytestmark = pytest.mark.slow
REBIND = ("-m", "rebind")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """The training scenes of a world, with negatives by rule and without pictures."""
    folder = tmp_path_factory.mktemp("world") / "world"
    write_world(folder, WorldSettings(train=1500, test=10, pretrain=1, negatives=()))
    run_to_the_end([*REBIND, "negatives", folder / "train", "--jobs", 2])
    return folder / "train"


def test_ray_and_processes_write_the_same_bytes(tmp_path, world):
    here, there = write_folder(tmp_path / "here", 21_000), tmp_path / "there" / "here"
    shutil.copytree(here, there)
    other = tmp_path / "there" / "world"
    shutil.copytree(world.parent, other)
    for command in ("concepts", "negatives"):
        run_to_the_end([*REBIND, command, here, "--jobs", 2])
    run_to_the_end([*REBIND, "pictures", world, "--backend", "world", "--jobs", 1])
    captions = write_captions(tmp_path / "captions.jsonl", 1500)
    refine_in_parts(captions, tmp_path / "refined" / "here", Workforce(jobs=1))
    run_to_the_end(
        [Path(__file__).parent / "on_ray.py", there, other / "train", captions, tmp_path / "refined" / "ray"]
    )
    assert contents(tmp_path / "refined" / "here") == contents(tmp_path / "refined" / "ray")
    assert len(list((here / "annotations" / "concepts").glob("part-*"))) == 3
    assert contents(here) == contents(there)
    assert contents(world) == contents(other / "train")


@pytest.mark.parametrize("command", ["concepts", "negatives"])
def test_ten_kills_of_a_stage_leave_no_trace(tmp_path, command):
    captions = write_captions(tmp_path / "captions.jsonl", 21_000)
    words = [*REBIND, command, "--captions", captions, "--jobs", 2, "--out"]
    run_to_the_end([*words, tmp_path / "whole" / "out.jsonl"])
    (tmp_path / "killed").mkdir()
    killed = [*words, tmp_path / "killed" / "out.jsonl"]
    assert kill_at_random(killed, tmp_path / "killed", longest=0.6) >= 5
    run_to_the_end(killed)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def test_ten_kills_while_pictures_are_drawn(tmp_path, world):
    shutil.rmtree(world / "annotations" / "negative_images", ignore_errors=True)
    shutil.copytree(world.parent, tmp_path / "world")
    pictures = [*REBIND, "pictures", "--backend", "world", "--jobs", 2]
    run_to_the_end([*pictures, world])
    killed = tmp_path / "world" / "train"
    assert kill_at_random([*pictures, killed], killed / "annotations", longest=0.3) >= 3
    run_to_the_end([*pictures, killed])
    assert contents(killed) == contents(world)
