from collections import Counter

import pytest
from captions import is_true, places, read_caption

from rebind.world.foils import FAMILIES, make_foils
from rebind.world.scenes import TEST, describe_all, held_out_conjunctions, sample_scenes
from rebind.world.vocabulary import COLOURS, SHAPES

COUNT = 3_000
CATEGORIES = ["swap_att", "swap_obj", "replace_att", "replace_obj", "replace_rel", "add_obj", "add_att"]


@pytest.fixture(scope="module", params=[False, True], ids=["scenes", "held_out"])
def scenes(request):
    return sample_scenes(TEST, COUNT, held_out_conjunctions(0), (0, 4), request.param)


@pytest.fixture(scope="module")
def read_foils(scenes):
    """Category -> list of (row of the scene, caption, foil)."""
    names = [f"{row}.png" for row in range(COUNT)]
    made = {category: make_foils(scenes, category, names, 0) for category in FAMILIES}
    for rows in made.values():
        assert list(rows) == [str(number) for number in range(len(rows))]
        assert all(row.keys() == {"filename", "caption", "negative_caption"} for row in rows.values())
    return {
        category: [
            (
                int(row["filename"].removesuffix(".png")),
                read_caption(row["caption"]),
                read_caption(row["negative_caption"]),
            )
            for row in rows.values()
        ]
        for category, rows in made.items()
    }


def changes(caption, foil):
    """``[(place, (colour, shape) before, after), …]``."""
    pairs = zip(caption.objects, foil.objects, strict=False)
    return [(place, before, after) for place, (before, after) in enumerate(pairs) if before != after]


def test_the_categories_are_those_of_sugarcrepe():
    assert list(FAMILIES) == CATEGORIES


@pytest.mark.parametrize("category", CATEGORIES)
def test_captions_are_true_and_foils_are_false(scenes, read_foils, category):
    for row, caption, foil in read_foils[category]:
        scene = places(scenes, row)
        assert is_true(caption, scene)
        assert not is_true(foil, scene)


@pytest.mark.parametrize("category", CATEGORIES)
def test_captions_are_those_of_the_scene(scenes, read_foils, category):
    """Word for word, except that adding an attribute needs one left unsaid."""
    texts = [read_caption(text) for text in describe_all(scenes)]
    for row, caption, _ in read_foils[category]:
        if category == "add_att":
            assert caption.relation == texts[row].relation
            ((_, before, after),) = changes(texts[row], caption)
            assert after == (None, before[1])
        else:
            assert caption == texts[row]


@pytest.mark.parametrize("category", ["swap_att", "swap_obj"])
def test_swaps_exchange_two_words_and_nothing_else(read_foils, category):
    word = CATEGORIES.index(category)  # 0: colours, 1: shapes
    swapped = Counter()
    for _, caption, foil in read_foils[category]:
        (first, one, one_after), (second, other, other_after) = changes(caption, foil)
        assert (one_after[word], other_after[word]) == (other[word], one[word])
        assert (one_after[1 - word], other_after[1 - word]) == (one[1 - word], other[1 - word])
        assert (foil.relation, len(foil.objects)) == (caption.relation, len(caption.objects))
        swapped[first, second, len(caption.objects)] += 1
    assert set(swapped) == {(0, 1, 2), (0, 1, 3), (0, 2, 3), (1, 2, 3)}


@pytest.mark.parametrize("category", ["replace_att", "replace_obj"])
def test_replacements_put_one_word_from_outside_the_scene(scenes, read_foils, category):
    word = ["replace_att", "replace_obj"].index(category)
    replaced, put = Counter(), Counter()
    for row, caption, foil in read_foils[category]:
        ((place, before, after),) = changes(caption, foil)
        assert before[1 - word] == after[1 - word]
        assert after[word] not in {pair[word] for pair in scenes.objects(row)}
        assert (foil.relation, len(foil.objects)) == (caption.relation, len(caption.objects))
        replaced[place] += 1
        put[after[word]] += 1
    assert set(replaced) == {0, 1, 2}
    assert set(put) == set((tuple(COLOURS), SHAPES)[word])


def test_a_replaced_relation_is_the_opposite_one(scenes, read_foils):
    opposite = {"above": "below", "below": "above", "left of": "right of", "right of": "left of"}
    for _, caption, foil in read_foils["replace_rel"]:
        assert foil.objects == caption.objects
        assert foil.relation == opposite[caption.relation]
    assert len(read_foils["replace_rel"]) == sum(scenes.relation_name(row) is not None for row in range(COUNT))


def test_an_added_object_is_new_in_shape_and_colour(scenes, read_foils):
    for row, caption, foil in read_foils["add_obj"]:
        assert foil.objects[:-1] == caption.objects
        assert foil.relation == caption.relation
        colour, shape = foil.objects[-1]
        assert colour not in {each for each, _ in scenes.objects(row)}
        assert shape not in {each for _, each in scenes.objects(row)}
        assert colour in COLOURS
        assert shape in SHAPES
    assert len(read_foils["add_obj"]) == sum(len(scenes.objects(row)) == 2 for row in range(COUNT))


def test_an_added_attribute_is_a_colour_that_the_scene_does_not_show(scenes, read_foils):
    for row, caption, foil in read_foils["add_att"]:
        ((_, before, after),) = changes(caption, foil)
        assert before == (None, after[1])
        assert after[0] not in {colour for colour, _ in scenes.objects(row)}
        assert after[0] in COLOURS
        assert (foil.relation, len(foil.objects)) == (caption.relation, len(caption.objects))


@pytest.mark.parametrize("category", ["swap_att", "swap_obj", "replace_att", "replace_obj", "add_att"])
def test_every_scene_has_a_foil(read_foils, category):
    assert [row for row, _, _ in read_foils[category]] == list(range(COUNT))


def test_foils_follow_from_the_seed(scenes):
    names = [f"{row}.png" for row in range(COUNT)]
    assert make_foils(scenes, "swap_att", names, 1) == make_foils(scenes, "swap_att", names, 1)
    assert make_foils(scenes, "swap_att", names, 1) != make_foils(scenes, "swap_att", names, 2)
