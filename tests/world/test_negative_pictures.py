import io
import json
import pickle
from collections import defaultdict

import numpy as np
import pytest
from captions import is_true, places
from captions import read_caption as parse
from PIL import Image

from rebind.types import UserError
from rebind.world import WorldSettings, write_world
from rebind.world.foils import FAMILIES
from rebind.world.pictures import WorldPictures, _original, _scene, read_caption, training_scenes
from rebind.world.render import render
from rebind.world.scenes import PRETRAINING, describe_all, held_out_conjunctions, sample_scenes
from rebind.world.writing import read_world_settings

LEFT_OUT = "left out: not a caption of the world"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("built") / "world"
    write_world(folder, WorldSettings(train=120, test=10, pretrain=60, seed=3, negatives=tuple(FAMILIES)))
    return folder


def read_lines(file):
    return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.mark.parametrize("part", ["train", "pretrain"])
def test_scenes_are_built_anew_as_they_were_written(world, part):
    scenes = training_scenes(read_world_settings(world), part)
    rows = read_lines(world / part / "captions.jsonl")
    assert describe_all(scenes) == [row["caption"] for row in rows]
    for picture, row in list(zip(render(scenes), rows, strict=True))[::17]:
        assert np.array_equal(picture, np.asarray(Image.open(world / part / row["image"])))


def test_the_worlds_own_negatives_are_drawn_as_the_world_drew_them(world):
    negatives = defaultdict(list)
    for row in read_lines(world / "train" / "annotations" / "negatives.jsonl"):
        for each in row["negatives"]:
            item = {"key": each["image"], "caption": each["caption"], "of": row["key"]}
            negatives[each["family"]].append(item)
    assert set(negatives) == set(FAMILIES)
    draw = pickle.loads(pickle.dumps(WorldPictures(str(world / "train")))).open()
    folder = world / "train" / "annotations" / "negative_images" / "images"
    for family, items in negatives.items():
        made = draw(items)
        assert made.tally == {"captions": len(items), "pictures": len(items)}
        same = [row["image"] == (folder / f"{row['key']}.png").read_bytes() for row in made.rows]

        assert all(same), family


def test_every_picture_shows_what_its_caption_says(world):
    scenes = training_scenes(read_world_settings(world), "train")
    free = sample_scenes(PRETRAINING, 400, held_out_conjunctions(1), (9,))
    for number, caption in enumerate(describe_all(free)):
        for original in (None, _original(scenes, f"{number % 120:06d}")):
            scene = _scene(read_caption(caption), original, np.random.default_rng(number))
            said = parse(caption)
            assert is_true(said, places(scene, 0)), caption
            assert len(places(scene, 0)) == len(said.objects)
            assert len(set(scene.cell[0].tolist())) == 3
            assert describe_all(scene) == [caption]
            if original is not None:
                assert scene.ground[0] == original["ground"]
                assert scene.look[0].tolist() == original["look"].tolist()


def test_objects_stay_where_they_are_as_far_as_the_caption_lets_them(world):
    scenes = training_scenes(read_world_settings(world), "train")
    row = int(np.flatnonzero((scenes.relation == 0) & scenes.present.all(axis=1))[0])  # "… above …"
    original = _original(scenes, str(row))
    first, second, third = scenes.cell[row].tolist()

    def cells(caption):
        return _scene(read_caption(caption), original, np.random.default_rng(0)).cell[0].tolist()

    assert cells("a red circle above a blue star") == [first, second, third]
    assert cells("a red circle and a blue star") == [first, second, third]
    assert cells("a red circle below a blue star") == [second, first, third]
    beside = cells("a red circle left of a blue star")
    assert beside[0] // 3 == beside[1] // 3
    assert beside[0] < beside[1]


@pytest.mark.parametrize(
    "caption",
    [
        "",
        "a photo of a red circle",
        "a red circle without a blue star",
        "a black circle",
        "a red circles",
        "an red circle",
        "a red circle above",
        "a red circle and a blue star and a green heart",
        "a red circle, a blue star and a green heart.",
        "a red circle above a blue star below a green heart",
        "a red circle and a blue star above a green heart",
        "a red circle, a blue star, a green heart and a lime tree",
        "A red circle",
    ],
)
def test_other_captions_are_left_out_and_counted(caption):
    assert read_caption(caption) is None
    made = WorldPictures().open()([{"key": "a", "caption": caption}])
    assert (made.rows, made.tally) == ([], {"captions": 1, LEFT_OUT: 1})


def test_colours_left_unsaid_are_read():
    said = read_caption("a star right of an orange key and a navy cup")
    assert said.objects == ((None, "star"), ("orange", "key"), ("navy", "cup"))
    assert said.relation == "right of"


def test_without_a_world_a_picture_follows_from_key_and_seed():
    items = [{"key": key, "caption": "a red circle and a star"} for key in "abcdef"]
    rows = WorldPictures().open()(items).rows
    assert WorldPictures().open()(items[::-1]).rows == rows[::-1]
    assert len({row["image"] for row in rows}) == 6
    others = WorldPictures(seed=1).open()(items).rows
    assert all(row["image"] != other["image"] for row, other in zip(rows, others, strict=True))
    big = WorldPictures(size=96).open()(items).rows
    assert Image.open(io.BytesIO(big[0]["image"])).size == (96, 96)
    assert Image.open(io.BytesIO(rows[0]["image"])).size == (48, 48)


def test_settings(world, tmp_path):
    settings = WorldPictures(str(world / "train")).settings
    assert settings["part"] == "train"
    assert settings["world"]["seed"] == 3
    assert settings["size"] == 48
    json.dumps(settings)
    for data in (tmp_path, tmp_path / "train"):
        with pytest.raises(UserError, match="is not"):
            WorldPictures(str(data)).open()
    with pytest.raises(UserError, match="size must be a multiple of 3"):
        WorldPictures(size=50)
    with pytest.raises(UserError, match="seed must be at least 0"):
        WorldPictures(seed=-1)
