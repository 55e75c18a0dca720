"""What holds of every hard negative by rule, whatever the caption."""

import re

from hypothesis import example, given
from hypothesis import strategies as st

from rebind.negatives.families import FAMILIES, edits_between
from rebind.negatives.rules import write_foils

DETERMINERS = ["a", "an", "the", "two", "some", "his", "five", ""]
WORDS = [
    "red",
    "old",
    "man",
    "men",
    "dogs",
    "umbrella",
    "hour",
    "with",
    "on",
    "next",
    "to",
    "is",
    "riding",
    "horse",
    "and",
]
CAPTIONS = st.one_of(
    st.text(max_size=60),
    st.lists(st.sampled_from(DETERMINERS + WORDS + [",", ".", "'s", "/", "-"]), max_size=12).map(" ".join),
)


def words(text):
    return re.findall(r"\w+(?:[-'’]\w+)*|[^\w\s]", text)


@given(CAPTIONS, st.text(max_size=3))
@example("a an a", "")
@example("İ dog", "")
@example("A/an red/blue bus", "")
def test_foils_are_other_texts_of_known_families_and_always_the_same(caption, seed):
    foils = write_foils(caption, seed=seed)
    assert foils == write_foils(caption, seed=seed)
    assert len({foil.family for foil in foils}) == len(foils)
    for foil in foils:
        assert foil.family in FAMILIES
        assert foil.caption != caption
        assert foil.edits


@given(CAPTIONS)
def test_outside_the_spans_nothing_differs(caption):
    for foil in write_foils(caption):
        kept, end = "", 0
        for start, stop in foil.edits:
            assert 0 <= end <= start <= stop <= len(foil.caption)
            kept, end = kept + foil.caption[end:start] + " ", stop
        left = iter(words(caption))
        assert all(word in left for word in words(kept + foil.caption[end:]))  # a subsequence of the caption's words


@given(CAPTIONS, CAPTIONS)
def test_spans_between_any_two_texts_cover_all_that_is_new(caption, foil):
    spans = edits_between(caption, foil)
    assert (spans == ()) == (words(caption) == words(foil))
    assert list(spans) == sorted(spans)
    new = list(re.finditer(r"\w+(?:[-'’]\w+)*|[^\w\s]", foil))
    kept = [match.group() for match in new if not any(start <= match.start() < end for start, end in spans)]
    left = iter(words(caption))
    assert all(word in left for word in kept)


def test_a_deletion_is_an_empty_span():
    assert edits_between("a big red dog", "a red dog") == ((2, 2),)
    assert edits_between("a dog here", "a dog") == ((5, 5),)
