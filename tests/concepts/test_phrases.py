"""Captions taken apart: words with their places, noun phrases with determiner, number and head."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebind.concepts.phrases import read_caption


def phrases(caption):
    reading = read_caption(caption)
    return [reading.text(phrase.start, phrase.end) for phrase in reading.phrases]


def test_phrases_carry_their_determiners_and_the_captions_own_letters():
    assert phrases("A man in a Red hat walks the two dogs.") == ["A man", "a Red hat", "the two dogs"]


def test_a_phrase_knows_its_parts():
    reading = read_caption("Two old wooden baseball bats lie on the grass.")
    first = reading.phrases[0]
    assert reading.lower(first.number) == "two"
    assert [reading.lower(place) for place in first.modifiers] == ["old", "wooden"]
    assert [reading.lower(place) for place in first.nouns] == ["baseball", "bats"]
    assert reading.lower(first.head) == "bats"
    assert first.determiner is None
    assert reading.lower(reading.phrases[1].determiner) == "the"


@pytest.mark.parametrize("caption", ["", "   ", "\n"])
def test_a_blank_caption_has_neither_words_nor_phrases(caption):
    reading = read_caption(caption)
    assert (reading.words, reading.phrases) == ((), ())


def test_beyond_both_ends_there_is_nothing():
    reading = read_caption("a dog")
    assert reading.lower(-1) == reading.lower(2) == reading.kind(-1) == ""


@given(st.text(max_size=80))
def test_words_are_in_order_and_stand_where_they_say(caption):
    reading = read_caption(caption)
    assert all(caption[word.start : word.end] == word.text for word in reading.words)
    assert all(one.end <= other.start for one, other in zip(reading.words, reading.words[1:], strict=False))
    assert all(0 <= phrase.start < phrase.end <= len(reading.words) for phrase in reading.phrases)


def test_letters_that_grow_in_lower_case_do_not_shift_the_places():
    reading = read_caption("İİ a dog")
    assert [word.text for word in reading.words[-2:]] == ["a", "dog"]
