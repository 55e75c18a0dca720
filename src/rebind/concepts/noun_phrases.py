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


def phrases_of(words: list[str], classes: list[str]) -> list[tuple[int, int]]:
    """The base noun phrases of one caption that name something, in order of appearance.

    Args:
        words: the caption's lower-cased words.
        classes: their classes, see `rebind.concepts.word_classes`.

    Returns:
        Half-open ranges of words, without determiners.
    """
    return [span for span in base_phrases(words, classes) if not names_nothing(words, classes, *span)]


def base_phrases(words: list[str], classes: list[str]) -> Iterator[tuple[int, int]]:
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


def names_nothing(words: list[str], classes: list[str], start: int, end: int) -> bool:
    """Whether a noun phrase only says where or how much: "top" of "top of a cage", "a group" of "a group of goats"."""
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


def written(words: list[str]) -> str:
    """A phrase as it is written: spaces between the words, but not before "'s" and commas."""
    phrase = " ".join(words)
    return phrase.replace(" 's", "'s").replace(" ’s", "’s").replace("s ' ", "s' ").replace(" ,", ",")
