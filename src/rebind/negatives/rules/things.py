"""What the noun phrases of a caption name: things of a kind, one or several."""

from __future__ import annotations

from dataclasses import dataclass

from rebind.concepts.phrases import NounPhrase, Reading
from rebind.concepts.words import NUMBERS
from rebind.negatives.lexicon import Nouns, load_attributes
from rebind.negatives.lexicon.inflection import UNCHANGED
from rebind.negatives.lexicon.nouns import ALIVE, PEOPLE

_SEVERAL = NUMBERS - {"one"}
_ONE = frozenset(("a", "an", "one", "this", "that", "another", "each", "every"))
_UNIT_WORDS = 3


@dataclass(frozen=True)
class Thing:
    """What one noun phrase names.

    Attributes:
        phrase: its noun phrase.
        noun: its name in the singular, "baseball bat"; of several words when the lexicon knows them as one name.
        start: place of the first word of that name.
        kind: its kind in the lexicon; empty when it has none.
        plural: whether there are several.
        determiner: the determiner in small letters; empty when there is none.
        agrees: whether article or number and noun agree; "a hills" or "two woman" are best left alone.
    """

    phrase: NounPhrase
    noun: str
    start: int
    kind: str
    plural: bool
    determiner: str
    agrees: bool = True

    @property
    def end(self) -> int:
        """Place after the name."""
        return self.phrase.end

    @property
    def alive(self) -> bool:
        """Whether it is a person or an animal."""
        return self.kind in ALIVE

    @property
    def is_person(self) -> bool:
        """Whether it is a person, or people."""
        return self.kind in PEOPLE

    @property
    def attributes(self) -> range:
        """Places of the words between determiner and name, the number among them."""
        return range(self.phrase.start + (self.phrase.determiner is not None), self.start)


def things_in(reading: Reading, nouns: Nouns) -> tuple[Thing, ...]:
    """What the noun phrases of a caption name, in order."""
    return tuple(_thing(reading, phrase, nouns) for phrase in reading.phrases)


def _thing(reading: Reading, phrase: NounPhrase, nouns: Nouns) -> Thing:
    attributes = load_attributes().words
    head = reading.lower(phrase.head)
    known = nouns.singular(head)
    singular, plural = known or (head, reading.words[phrase.head].tag == "NNS")
    determiner = reading.lower(phrase.determiner) if phrase.determiner is not None else ""
    noun, start = singular, phrase.head
    first = phrase.start + (phrase.determiner is not None)
    for place in range(max(first, phrase.head - _UNIT_WORDS + 1), phrase.head):
        name = " ".join([*(reading.lower(before) for before in range(place, phrase.head)), singular])
        if nouns.knows(name) and (name in nouns.by_hand or reading.lower(place) not in attributes):
            noun, start = name, place
            break
    number = reading.lower(phrase.number) if phrase.number is not None else ""
    if head in UNCHANGED:
        plural = determiner not in _ONE and number != "one"
    is_name = phrase.head > 0 and reading.words[phrase.head].text[:1].isupper() and not reading.caption.isupper()
    misread = plural and determiner in _ONE  # the verb of "a bus stops" read as a plural
    misread |= not plural and number in _SEVERAL  # "two woman"
    kind = "" if is_name or misread else nouns.kind(noun)
    return Thing(phrase, noun, start, kind, plural, determiner, not misread)
