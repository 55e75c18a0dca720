"""What the lexicon knows of nouns and attributes, and how it was distilled."""

import pytest

from rebind.negatives.lexicon import load_attributes, load_nouns
from rebind.negatives.lexicon.distil import distil
from rebind.negatives.lexicon.nouns import read_lines

NOUNS, ATTRIBUTES = load_nouns(), load_attributes()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *[("couch", "sofa"), ("woman", "person"), ("person", "man"), ("desk", "table"), ("mug", "cup"), ("man", "guy")],
        *[("puppy", "dog"), ("kitten", "cat"), ("dog", "animal"), ("hamburger", "sandwich"), ("van", "car")],
        *[("tennis racket", "racket"), ("bus", "vehicle"), ("polar bear", "bear"), ("sparrow", "bird"), ("cat", "cat")],
    ],
)
def test_these_may_name_one_thing(one, other):
    assert NOUNS.alike(one, other)
    assert NOUNS.alike(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [("cat", "dog"), ("man", "woman"), ("bus", "airplane"), ("bed", "toilet"), ("pizza", "cake"), ("beach", "kitchen")],
)
def test_these_are_different_things(one, other):
    assert not NOUNS.alike(one, other)


@pytest.mark.parametrize(
    ("word", "singular"),
    [
        *[("men", ("man", True)), ("buses", ("bus", True)), ("bus", ("bus", False)), ("glass", ("glass", False))],
        *[("knives", ("knife", True)), ("people", ("people", True)), ("scissors", ("scissors", True))],
    ],
)
def test_singulars(word, singular):
    assert NOUNS.singular(word) == singular


def test_mass_nouns_and_plurals_are_not_counted():
    assert not any(map(NOUNS.countable, ("water", "broccoli", "luggage", "scissors", "people")))
    assert all(map(NOUNS.countable, ("dog", "cake", "wine glass")))


def test_attributes_exclude_one_another_within_a_dimension_only():
    def value(word, noun):
        return ATTRIBUTES.value(word, noun, NOUNS)

    red, green, old = value("red", "bus"), value("green", "bus"), value("old", "bus")
    assert ATTRIBUTES.exclude(red, green)
    assert not ATTRIBUTES.exclude(red, old)
    assert "orange" not in {other.name for other in ATTRIBUTES.others(red)}
    assert value("big", "bus").name == value("huge", "bus").name


def test_colours_are_not_said_of_people_or_where_they_name_a_sort():
    assert ATTRIBUTES.value("black", "man", NOUNS) is None
    assert ATTRIBUTES.value("green", "bean", NOUNS) is None


def test_every_noun_of_the_hand_written_lists_is_known():
    for line in read_lines("look_alikes.txt"):
        assert all(map(NOUNS.knows, line.split(", "))), line
    for line in read_lines("added.txt"):
        assert all(NOUNS.knows(noun) and NOUNS.countable(noun) for noun in line.partition(": ")[2].split(", ")), line


def test_distilling_keeps_visible_everyday_nouns_and_all_that_is_above_them(tmp_path):
    index = [
        "  1 a line of the licence",
        "animal n 1 1 ~ 1 1 00000010",
        "dog n 2 2 @ ~ 2 1 00000020 00000040",
        "dogma n 1 1 @ 1 0 00000030",
        "zyzzyva n 1 1 @ 1 0 00000020",
    ]
    data = [
        "  1 a line of the licence",
        "00000010 03 n 01 animal 0 000 | lives",
        "00000020 05 n 01 dog 0 001 @ 00000010 n 0000 | barks",
        "00000030 09 n 01 dogma 0 000 | an idea",
        "00000040 05 n 01 dog 0 001 @ 00000010 n 0000 | a fellow",
    ]
    every_anchor = {line.rpartition("\t")[2].rpartition(" ")[0] for line in read_lines("kinds.tsv")} - {"animal"}
    index += [f"{noun.replace(' ', '_')} n 2 1 @ 2 1 00000030 00000030" for noun in sorted(every_anchor)]
    (tmp_path / "index.noun").write_text("\n".join(index) + "\n")
    (tmp_path / "data.noun").write_text("\n".join(data) + "\n")
    nouns, synsets = distil(tmp_path, frozenset(("dog", "animal", "dogma")))
    rows = {row.split("\t")[0]: row.split("\t")[1:] for row in nouns.splitlines()}
    assert rows == {"animal": ["animal", "0"], "dog": ["animal", "1 2"]}
    assert synsets.splitlines() == ["", "0", "0"]
