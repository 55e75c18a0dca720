"""What a backend finds in one caption, before any option is applied to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rebind.concepts import words as known


class Phrase(NamedTuple):
    """A base noun phrase, lower-cased.

    Attributes:
        text: without its determiner, with its number: "two red hats".
        determiner: what stands before it: "the", "all the"; empty when nothing does.
    """

    text: str
    determiner: str = ""

    @classmethod
    def read(cls, written: str) -> Phrase:
        """From the words as they were written, such as "The two red hats"."""
        words = written.lower().split()
        start = 0
        while start < len(words) - 1 and words[start] in known.DETERMINERS:
            start += 1
        return cls(" ".join(words[start:]), " ".join(words[:start]))


class Relation(NamedTuple):
    """What a caption says of one of its phrases.

    Attributes:
        subject: place of the phrase among those of the caption.
        words: how it is related ("sitting on"), or what it is said to be ("green and yellow").
        object: place of the phrase that it is related to; None for an attribute.
    """

    subject: int
    words: str
    object: int | None = None


class Mentions(NamedTuple):
    """The noun phrases of one caption in order of appearance, and what the caption says of them."""

    phrases: Sequence[Phrase]
    relations: Sequence[Relation] = ()
