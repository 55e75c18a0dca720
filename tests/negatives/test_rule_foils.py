"""What the rules make of small captions: every family, and the traps that each of them must walk round."""

from collections import Counter

import pytest

from rebind.negatives.families import FAMILIES
from rebind.negatives.lexicon import load_nouns
from rebind.negatives.rules import Substitutes, write_foils


def foils(caption, family, seeds=25, **more):
    """All that a family makes of a caption, over some seeds."""
    return {
        foil.caption
        for seed in range(seeds)
        for foil in write_foils(caption, families=[family], seed=str(seed), **more)
    }


@pytest.fixture(scope="module")
def corpus():
    """A corpus in which cats sit on couches, and nothing of the house is met in the street."""
    home = ["A cat on a red couch", "A dog on a brown couch", "A cat and a dog in a bedroom", "A horse beside a cow"]
    street = ["A bus on a street", "A truck on a street", "A red bus and a blue truck", "A zebra next to a bus"]
    kitchen = ["A sink and a stove in a kitchen", "A toilet in a bathroom with a sink", "A bed in a bedroom"]
    return Substitutes.mine([[caption] for caption in (*home, *street, *kitchen) for _ in range(30)])


@pytest.mark.parametrize(
    ("family", "caption", "foil"),
    [
        ("swap_att", "A red bus next to a blue car.", "A blue bus next to a red car."),
        ("swap_att", "An old bus and a new car", "A new bus and an old car"),
        ("swap_obj", "A man riding a horse.", "A horse riding a man."),
        ("swap_obj", "Two men on a horse.", "Two horses on a man."),
        ("swap_obj", "An elephant is sitting on a white couch.", "A couch is sitting on a white elephant."),
        ("swap_rel", "A woman holding a red umbrella", "A red umbrella holding a woman"),
        ("swap_rel", "Two dogs are on a couch.", "A couch is on two dogs."),
        ("replace_rel", "A cat under a table.", "A cat on top of a table."),
        ("replace_rel", "A dog next to a tree", "A dog far away from a tree"),
        ("replace_rel", "A man walking up a hill", "A man walking down a hill"),
        ("negate", "A dog with a leash.", "A dog without a leash."),
        ("negate", "The dog is sleeping.", "The dog is not sleeping."),
        ("negate", "A man riding a horse.", "A man who is not riding a horse."),
        ("negate", "Two cars driving down a road", "Two cars that are not driving down a road"),
        ("negate", "A boy carries a bag", "A boy does not carry a bag"),
        ("negate", "There is a cat on the bed", "There is no cat on the bed"),
        ("negate", "THE DOG IS SLEEPING", "THE DOG IS NOT SLEEPING"),
    ],
)
def test_what_a_family_makes(family, caption, foil):
    assert foil in foils(caption, family)


def test_one_becomes_several_and_its_verb_agrees():
    made = foils("A child is playing with a ball.", "replace_num")
    assert any(foil.startswith(("Two children are", "Three children are", "Four children are")) for foil in made)
    assert foils("An old man rides a bike.", "replace_num") >= {"Two old men ride a bike."}


def test_numbers_only_grow():
    made = foils("Three dogs on the grass", "replace_num")
    assert made == {f"{number} dogs on the grass" for number in ("Four", "Five", "Six", "Seven")}


@pytest.mark.parametrize(
    "caption",
    [
        "A man and his dog walk",  # "their"
        "A cat that sleeps on a bed",  # "three cats that sleeps"
        "A man in a hat rides a bike",
        "A man rides a horse and carries a bag",
        "A man holding a ball in one hand",
    ],
)
def test_no_number_where_something_else_would_have_to_agree(caption):
    assert all("men" not in foil.lower() and "cats" not in foil for foil in foils(caption, "replace_num"))


def test_a_and_an_follow_the_sound():
    assert foils("An orange cat", "replace_att") <= {
        f"A {colour} cat" for colour in ("green", "blue", "purple", "black", "white")
    }
    assert "An old woman at a desk" in foils("A young woman at a desk", "replace_att")


@pytest.mark.parametrize(
    ("caption", "family"),
    [
        ("A cat and a dog", "swap_obj"),
        ("A cat next to a dog", "swap_obj"),
        ("A cat next to a dog", "swap_rel"),
        ("A man with a woman", "swap_rel"),
        ("A red bus and a red car", "swap_att"),
        ("A white plate and a black plate", "swap_att"),
        ("A big red bus and a small car", "swap_att"),
    ],
)
def test_no_swap_that_says_the_same_or_something_as_true(caption, family):
    assert not {foil for foil in foils(caption, family) if "bus" not in foil or "big" in foil}


@pytest.mark.parametrize(
    "caption",
    ["A black and white cat", "A light blue car", "A long haired cat", "green beans", "A hot dog", "A red, blue kite"],
)
def test_attributes_that_are_joined_shaded_or_part_of_a_name_stay(caption):
    assert not foils(caption, "replace_att")


def test_a_colour_that_is_in_the_caption_is_not_put_in_again():
    assert not {foil for foil in foils("A red bus beside a green bus", "replace_att") if foil.count("green") > 1}


@pytest.mark.parametrize(
    ("caption", "never"),
    [
        ("A man next to a woman", "woman next to a woman"),
        ("A dog chasing a cat", "cat chasing a cat"),
        ("A man and his dog", "woman and his"),
        ("A woman in the kitchen with her cat", "man in the kitchen with her"),
        ("A person on a bench", "man on a bench"),
    ],
)
def test_no_substitute_that_is_mentioned_or_at_odds_with_the_rest(caption, never, corpus):
    assert not {foil for foil in foils(caption, "replace_obj", substitutes=corpus) if never in foil}


def test_substitutes_are_neither_synonyms_nor_more_or_less_general():
    nouns = load_nouns()
    for foil in foils("A dog near a fence", "replace_obj", 80):
        new = foil.removeprefix("A ").removeprefix("An ").removesuffix(" near a fence")
        assert not nouns.alike(new, "dog")
        assert nouns.kind(new) == "animal"


def test_plurals_and_modifiers_are_kept():
    made = foils("Two brown dogs near a fence", "replace_obj")
    assert made
    assert all(foil.startswith("Two brown ") for foil in made)
    assert "Two brown sheep near a fence" in foils("Two brown dogs near a fence", "replace_obj", 120)


def test_what_other_captions_mention_is_not_put_in():
    assert "A woman on a bench" in foils("A man on a bench", "replace_obj")
    assert not foils("A man on a bench", "replace_obj", others=["a woman next to him"])


def test_what_is_often_there_as_well_is_neither_put_in_nor_added(corpus):
    made = foils("A sink in a bathroom", "replace_obj", substitutes=corpus)
    assert not {foil for foil in made if "toilet" in foil}
    assert not {foil for foil in foils("A truck on a street", "add_obj", substitutes=corpus) if "bus" in foil}


def test_things_are_added_from_the_other_side_of_the_door():
    indoors = foils("A sink in a bathroom", "add_obj")
    assert indoors
    assert not {foil for foil in indoors if "toilet" in foil or "stove" in foil}
    assert all(foil.startswith("A sink in a bathroom ") for foil in indoors)


def test_added_attributes_are_not_said_of_toys():
    assert foils("A dog on the grass", "add_att")
    assert not foils("A toy dog on the grass", "add_att")


@pytest.mark.parametrize(
    "caption", ["A plane with no wings", "The dog is not sleeping", "Nobody is sitting on a bench"]
)
def test_what_is_denied_is_not_denied_again(caption):
    assert not foils(caption, "negate")


@pytest.mark.parametrize(
    "caption", ["A table covered with a cloth", "A bowl filled with fruit", "A man playing with two dogs"]
)
def test_with_stays_where_without_would_be_odd(caption):
    assert not {foil for foil in foils(caption, "negate") if "without" in foil}


@pytest.mark.parametrize(
    "caption",
    [
        "Some people are walking on a beach",
        "Several men riding horses",
        "A cat sits and sleeps",
        "There are a few dogs here",
    ],
)
def test_nothing_is_denied_of_some_only_or_of_half_a_sentence(caption):
    assert not foils(caption, "negate")


def test_a_bird_that_sits_may_be_said_to_stand():
    assert foils("A cat sitting on a fence", "replace_rel")
    assert not foils("A bird sitting on a fence", "replace_rel")


@pytest.mark.parametrize("caption", ["What is on the table?", "Is this a dog?", "", "   ", "...", "12"])
def test_questions_and_blanks_have_no_foil(caption):
    assert write_foils(caption) == []


def test_the_first_letter_keeps_its_case():
    assert all(
        foil[0].isupper() for family in FAMILIES for foil in foils("Giraffes in a zoo near a red bus", family, 5)
    )
    assert all(
        foil[0].islower() for family in FAMILIES for foil in foils("giraffes in a zoo near a red bus", family, 5)
    )
    assert "Purple giraffes in a zoo" in foils("Giraffes in a zoo", "add_att", 60)


def test_spans_are_where_the_foil_differs():
    (foil,) = write_foils("A dog with a leash.", families=["negate"])
    assert [foil.caption[start:end] for start, end in foil.edits] == ["without"]
    (foil,) = write_foils("A red bus next to a blue car.", families=["swap_att"])
    assert [foil.caption[start:end] for start, end in foil.edits] == ["blue", "red"]


def test_a_count_limits_the_foils_and_draws_their_families():
    caption = "An old man with an umbrella next to a red bus."
    everything = write_foils(caption)
    some = [write_foils(caption, count=2, seed=str(seed)) for seed in range(40)]
    assert len(everything) > 4
    assert all(len(drawn) == 2 for drawn in some)
    drawn = Counter(foil.family for foils in some for foil in foils)
    assert set(drawn) == {foil.family for foil in everything}


def test_foils_are_in_the_order_of_the_families_and_differ():
    made = write_foils("A young man riding a brown horse next to a red bus.")
    families = [foil.family for foil in made]
    assert families == sorted(families, key=FAMILIES.index)
    assert len({foil.caption for foil in made}) == len(made) > 6
