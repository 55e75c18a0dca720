"""Hard negatives of training: true of their own pictures, false of the sample's, and under the rules of the world."""

import io
import json
from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np
import pytest
from captions import is_true, places, read_caption
from PIL import Image

from rebind.data import open_source
from rebind.data.annotations import with_negatives
from rebind.types import UserError
from rebind.world import WorldSettings, write_world
from rebind.world.foils import FAMILIES, make_negatives
from rebind.world.render import render
from rebind.world.scenes import (
    SHARE_WITHOUT_COLOUR,
    TUNING,
    describe_all,
    held_out_conjunctions,
    leave_unsaid,
    sample_scenes,
)
from rebind.world.vocabulary import ALL_COLOURS, ALL_SHAPES, COLOURS, SHAPES

SEED, COUNT = 5, 3_000
HELD_OUT = held_out_conjunctions(SEED)
HELD_OUT_PAIRS = {(list(ALL_COLOURS)[colour], ALL_SHAPES[shape]) for shape, colour in np.argwhere(HELD_OUT)}
SWAPS = ("swap_att", "swap_obj")
SETTINGS = WorldSettings(train=200, test=3, pretrain=1, seed=SEED, negatives=tuple(FAMILIES))


@pytest.fixture(scope="module")
def scenes():
    """Tuning scenes that leave many colours unsaid."""
    return leave_unsaid(sample_scenes(TUNING, COUNT, HELD_OUT, (SEED, 3)), 0.2, (SEED, 3, 1))


@pytest.fixture(scope="module")
def made(scenes):
    return {family: make_negatives(scenes, family, (SEED, 8), HELD_OUT) for family in FAMILIES}


@pytest.fixture(scope="module", params=["folder", "shards"])
def train(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param) / "world"
    write_world(folder, replace(SETTINGS, format=request.param))
    return folder / "train"


@pytest.mark.parametrize("family", FAMILIES)
def test_each_is_false_of_the_scene_and_true_of_its_own(scenes, made, family):
    rows, edited = made[family]
    assert len(set(rows)) == len(rows) > 300
    captions = describe_all(scenes[rows])
    for number, (row, foil) in enumerate(zip(rows, describe_all(edited), strict=True)):
        before, after = places(scenes, row), places(edited, number)
        assert is_true(read_caption(captions[number]), before)
        assert is_true(read_caption(foil), after)
        assert not is_true(read_caption(foil), before), (captions[number], foil)


@pytest.mark.parametrize("family", FAMILIES)
def test_each_scene_differs_from_its_own_by_the_edit_only(scenes, made, family):
    rows, edited = made[family]
    assert np.array_equal(edited.ground, scenes.ground[rows])
    assert np.array_equal(edited.look, scenes.look[rows])
    for number, row in enumerate(rows):
        before, after = places(scenes, row), places(edited, number)
        gone, new = before.keys() - after.keys(), after.keys() - before.keys()
        moved = [pair for pair in before.keys() & after.keys() if before[pair] != after[pair]]
        assert (len(gone), len(new), len(moved)) == {
            "swap_att": (2, 2, 0), "swap_obj": (2, 2, 0), "replace_att": (1, 1, 0), "replace_obj": (1, 1, 0),
            "replace_rel": (0, 0, 2), "add_obj": (0, 1, 0), "add_att": (1, 1, 0),
        }[family]  # fmt: skip
        assert len(set(after.values())) == len(after)  # no two objects in one cell
        if family != "add_obj":
            assert set(before.values()) == set(after.values())


def test_every_word_of_the_tuning_part_is_put_in(made):
    for family, word, words in (("replace_att", 0, set(COLOURS)), ("replace_obj", 1, set(SHAPES))):
        _, edited = made[family]
        assert {pair[word] for row in range(len(edited)) for pair in edited.objects(row)} == words


def test_new_words_fall_on_scenes_of_two_objects_alike(scenes, made):
    rows, edited = made["replace_att"]
    two = [number for number, row in enumerate(rows) if len(scenes.objects(row)) == 2]
    put = Counter(
        colour for number in two for colour, _ in set(edited.objects(number)) - set(scenes.objects(rows[number]))
    )
    assert min(put.values()) > 0.6 * len(two) / len(COLOURS)


def test_none_shows_a_held_out_pairing(made):
    assert HELD_OUT_PAIRS
    for _, edited in made.values():
        assert not HELD_OUT_PAIRS & {pair for row in range(len(edited)) for pair in edited.objects(row)}


def test_no_bag_of_words_is_bound_in_two_ways_but_by_swaps(scenes, made):
    readings = defaultdict(set)
    everything = [scenes, *(edited for family, (_, edited) in made.items() if family not in SWAPS)]
    for each in everything:
        for row in range(len(each)):
            objects = each.objects(row)
            readings[frozenset(c for c, _ in objects), frozenset(s for _, s in objects)].add(frozenset(objects))
    assert sum(map(len, readings.values())) == len(readings)
    assert len(readings) < 0.8 * sum(map(len, everything))  # bags do repeat
    for family in SWAPS:
        rows, edited = made[family]
        for number, row in enumerate(rows):
            one, other = scenes.objects(row), edited.objects(number)
            assert [sorted(words) for words in zip(*one, strict=True)] == [
                sorted(words) for words in zip(*other, strict=True)
            ]


def test_nearly_every_scene_that_a_family_fits_has_one(scenes, made):
    counts = np.array([len(scenes.objects(row)) for row in range(COUNT)])
    unsaid = (~scenes.said & (np.arange(3) < counts[:, None])).sum(axis=1)
    fits = {
        "swap_att": counts - unsaid > 1, "swap_obj": counts - unsaid > 1, "replace_att": counts > unsaid,
        "replace_obj": counts > 0, "replace_rel": scenes.relation >= 0, "add_obj": counts == 2, "add_att": unsaid > 0,
    }  # fmt: skip
    for family, (rows, _) in made.items():
        assert set(rows) <= set(np.flatnonzero(fits[family])), family
        assert len(rows) > 0.85 * fits[family].sum(), family


def test_they_follow_from_the_seed(scenes):
    few = scenes[slice(0, 50)]

    def foils(seed):
        return describe_all(make_negatives(few, "replace_att", seed, HELD_OUT)[1])

    assert foils((1, 2)) == foils((1, 2)) != foils((1, 3))


def test_the_files_hold_them_all_with_the_pictures_of_the_edited_scenes(train):
    scenes = sample_scenes(TUNING, SETTINGS.train, HELD_OUT, (SEED, 3))
    scenes = leave_unsaid(scenes, SHARE_WITHOUT_COLOUR, (SEED, 3, 1))
    assert describe_all(scenes) == [caption for sample in open_source(train) for caption in sample.captions]
    rows = [json.loads(line) for line in (train / "annotations" / "negatives.jsonl").read_text().splitlines()]
    assert [row["key"] for row in rows] == list(open_source(train).keys)
    pictures = open_source(train / "annotations" / "negative_images")
    index = {key: number for number, key in enumerate(pictures.keys)}
    written = {(row["key"], each["family"]): each for row in rows for each in row["negatives"]}
    assert len(written) == len(pictures) == sum(len(row["negatives"]) for row in rows)
    for number, family in enumerate(FAMILIES):
        found, edited = make_negatives(scenes, family, (SEED, 8, number), HELD_OUT)
        drawn = render(edited)
        for place, (row, foil) in enumerate(zip(found, describe_all(edited), strict=True)):
            negative = written.pop((rows[row]["key"], family))
            assert negative["caption"] == foil
            assert pictures.captions(index[negative["image"]]) == (foil,)
            picture = pictures.image(index[negative["image"]])
            with Image.open(io.BytesIO(picture) if isinstance(picture, bytes) else picture) as image:
                assert np.array_equal(np.asarray(image), drawn[place])
    assert not written


def test_training_reads_them_as_it_reads_any_others(train):
    joined = with_negatives(open_source(train), ["replace_att", "add_obj"], with_images=True)
    rows = [json.loads(line)["negatives"] for line in (train / "annotations" / "negatives.jsonl").open()]
    for index, written in enumerate(rows):
        wanted = [(each["caption"], each["family"]) for each in written if each["family"] in ("replace_att", "add_obj")]
        found = joined.negatives(index)
        assert [(each.caption, each.family) for each in found] == wanted
        assert all(each.image is not None for each in found)


def test_a_world_may_do_without(tmp_path):
    write_world(tmp_path / "world", replace(SETTINGS, negatives=()))
    assert not (tmp_path / "world" / "train" / "annotations").exists()


@pytest.mark.parametrize(
    ("families", "reason"),
    [
        (("swap_att", "swap"), "negatives must be among swap_att, .*, add_att, not 'swap'"),
        (("add_obj", "add_obj"), "negatives must differ from each other, not add_obj, add_obj"),
    ],
)
def test_families_that_there_are_not_are_refused(families, reason):
    with pytest.raises(UserError, match=f"world: {reason}"):
        WorldSettings(negatives=families)
