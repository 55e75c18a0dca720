"""A caption as the rules see it: which things it speaks of, of what kind and number, and what must not be put in."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

from rebind.concepts.phrases import Reading
from rebind.negatives.lexicon import Attributes, Nouns, load_attributes, load_nouns
from rebind.negatives.rules.substitutes import Substitutes
from rebind.negatives.rules.things import Thing

Choice = TypeVar("Choice")


@dataclass(frozen=True)
class Scene:
    """What a family of negatives is made from.

    Attributes:
        reading: the caption.
        things: what its noun phrases name, in order.
        mentioned: singular names of everything that the picture's captions speak of.
        substitutes: what the corpus speaks of.
        chance: random numbers, begun anew for each family.
        nouns: the lexicon's nouns.
        attributes: the lexicon's attributes.
    """

    reading: Reading
    things: tuple[Thing, ...]
    mentioned: frozenset[str]
    substitutes: Substitutes
    chance: random.Random
    nouns: Nouns = field(default_factory=load_nouns)
    attributes: Attributes = field(default_factory=load_attributes)

    def lower(self, place: int) -> str:
        """The word at ``place`` in small letters; empty beyond both ends."""
        return self.reading.lower(place)

    def says(self, words: Iterable[str]) -> bool:
        """Whether any of ``words`` stands in the caption."""
        return not self._words.isdisjoint(words)

    def shuffled(self, choices: Iterable[Choice]) -> list[Choice]:
        """The choices in random order."""
        listed = list(choices)
        self.chance.shuffle(listed)
        return listed

    def thing_before(self, place: int) -> Thing | None:
        """The thing whose name ends right before ``place``."""
        return self._by_end.get(place)

    def thing_from(self, place: int) -> Thing | None:
        """The thing whose phrase begins at ``place``."""
        return self._by_start.get(place)

    @cached_property
    def names(self) -> Counter[str]:
        """How many of the things have each name."""
        return Counter(thing.noun for thing in self.things)

    @cached_property
    def _words(self) -> frozenset[str]:
        return frozenset(word.lower for word in self.reading.words)

    @cached_property
    def _by_end(self) -> dict[int, Thing]:
        return {thing.end: thing for thing in self.things}

    @cached_property
    def _by_start(self) -> dict[int, Thing]:
        return {thing.phrase.start: thing for thing in self.things}
