"""Plurals, verb forms and "a" or "an" against lists written by hand."""

import pytest

from rebind.negatives.lexicon.inflection import article, gerund, plural, third_person

AN = """hour honest heir umbrella apple elephant orange ugly uncle unusual uninteresting unimportant under old X-ray SUV
MRI LCD FM 8 11 18 80 egg ice idea upside-down underwater oven NBA urn usher owl 18-wheeler unlit unidentified"""
A = """unicorn uniform union unique universe university useful used user one one-way once european ewe unicycle ukulele
UFO TV DVD 1 10 12 100 house hat horse yellow utensil urinal u-turn utility U-shaped BMW year 180 united"""


@pytest.mark.parametrize("word", AN.split())
def test_before_a_vowel_sound_stands_an(word):
    assert article(word) == "an"


@pytest.mark.parametrize("word", A.split())
def test_before_a_consonant_sound_stands_a(word):
    assert article(word) == "a"


@pytest.mark.parametrize(
    ("one", "several"),
    [
        ("dog", "dogs"),
        ("bus", "buses"),
        ("box", "boxes"),
        ("bench", "benches"),
        ("wine glass", "wine glasses"),
        ("lady", "ladies"),
        ("trolley", "trolleys"),
        ("knife", "knives"),
        ("bookshelf", "bookshelves"),
        ("wolf", "wolves"),
        ("policeman", "policemen"),
        ("woman", "women"),
        ("human", "humans"),
        ("child", "children"),
        ("goose", "geese"),
        ("sheep", "sheep"),
        ("potato", "potatoes"),
        ("photo", "photos"),
        ("giraffe", "giraffes"),
        ("tooth", "teeth"),
    ],
)
def test_plurals(one, several):
    assert plural(one) == several


@pytest.mark.parametrize(
    ("verb", "form"),
    [
        *[("sit", "sitting"), ("lie", "lying"), ("ride", "riding"), ("drop", "dropping"), ("throw", "throwing")],
        *[("carry", "carrying"), ("open", "opening"), ("stand", "standing"), ("push", "pushing"), ("cry", "crying")],
        *[("sleep", "sleeping"), ("run", "running"), ("ignore", "ignoring"), ("sniff", "sniffing")],
    ],
)
def test_gerunds(verb, form):
    assert gerund(verb) == form


def test_third_persons():
    assert [third_person(verb) for verb in ("sit", "carry", "watch", "play")] == ["sits", "carries", "watches", "plays"]
