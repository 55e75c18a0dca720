"""From classed words to concepts: find the base noun phrases, then leave out what names nothing."""

from __future__ import annotations

from collections.abc import Iterator

from rebind.concepts import gerunds
from rebind.concepts import words as known
from rebind.concepts.reader import (
    ADVERB,
    COMMA,
    CONJUNCTION,
    MODIFIER,
    NOUN,
    NUMBER,
    POSSESSIVE,
    is_participle,
)

_INSIDE = frozenset((ADVERB, MODIFIER, NUMBER, NOUN, POSSESSIVE))


def concepts_of(words: list[str], classes: list[str], keep_numbers: bool = True) -> list[str]:
    """The concepts of one caption in order of appearance, without duplicates; empty if it names nothing.

    Args:
        words: the caption's lower-cased words.
        classes: their classes, see `rebind.concepts.word_classes`.
        keep_numbers: whether a number stays in its phrase ("two dogs").
    """
    concepts: dict[str, None] = {}
    for start, end in _phrases(words, classes):
        if _names_nothing(words, classes, start, end):
            continue
        kept = [place for place in range(start, end) if keep_numbers or classes[place] != NUMBER]
        concepts[_join([words[place] for place in kept])] = None
    return list(concepts)


def _phrases(words: list[str], classes: list[str]) -> Iterator[tuple[int, int]]:
    """Half-open ranges of words, each a base noun phrase without its determiner."""
    start, head = 0, None
    for place, kind in enumerate(classes):
        if kind in (CONJUNCTION, COMMA) and head is None and _joins_modifiers(classes, start, place):
            continue
        breaks = kind not in _INSIDE
        if not breaks and head is not None:
            breaks = kind in (ADVERB, MODIFIER, NUMBER) and not _continues(words, classes, place)
        if breaks:
            if head is not None:
                yield start, head + 1
            head = None
            start = place if kind in _INSIDE else place + 1
        if kind == NOUN:
            head = place
    if head is not None:
        yield start, head + 1


def _joins_modifiers(classes: list[str], start: int, place: int) -> bool:
    """Whether the "and" or comma at ``place`` stands between modifiers of a noun still to come."""
    following = place + 1
    while following < len(classes) and classes[following] in (CONJUNCTION, ADVERB):
        following += 1
    if place == start or following >= len(classes) or classes[following] != MODIFIER:
        return place > start and classes[place - 1] == COMMA
    while following < len(classes) and classes[following] in (MODIFIER, ADVERB, CONJUNCTION, COMMA):
        following += 1
    return following < len(classes) and classes[following] == NOUN


def _continues(words: list[str], classes: list[str], place: int) -> bool:
    """Whether a modifier after a noun still belongs to its phrase: "snow covered tracks", "light green wall"."""
    word, before = words[place], words[place - 1]
    if classes[place] == NUMBER:
        return word[0].isdigit()
    if is_participle(word) or word in ("style", "size", "free"):
        return True
    if word in known.COLOURS and before in known.SHADES | known.COLOURS:
        return True
    return word in gerunds.COMPOUNDS


def _names_nothing(words: list[str], classes: list[str], start: int, end: int) -> bool:
    head = words[end - 1]
    if NOUN in classes[start : end - 1]:
        return False
    bare = all(classes[place] == NUMBER or words[place] in known.WHICH for place in range(start, end - 1))
    if bare and head in known.EMPTY_NOUNS:
        return True
    of_something = words[end : end + 1] == ["of"] or words[end - 1 : end + 1] == ["view", "from"]
    if of_something and (head in known.RELATIONAL or (bare and head in known.PICTURES)):
        return True
    return bare and head in known.LOCATIONS


def _join(words: list[str]) -> str:
    phrase = " ".join(words)
    return phrase.replace(" 's", "'s").replace(" ’s", "’s").replace("s ' ", "s' ").replace(" ,", ",")
