"""What becomes of the noun phrases that a backend found: the same options for every backend, applied here only."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from rebind.concepts import words as known
from rebind.concepts.mentions import Mentions, Phrase, Relation
from rebind.concepts.stop_concepts import read_stop_concepts
from rebind.types import UserError

_DIGITS = re.compile(r"\d+(?:[.,]\d+)*")


@dataclass(frozen=True)
class ConceptOptions:
    """Which concepts a caption gives, and how they are written.

    Attributes:
        keep_determiners: "a red hat" rather than "red hat". A thing that is named twice is written as the first time.
        keep_numbers: "two dogs" rather than "dogs".
        relations: after the phrases, add what the caption says of them: relations ("dog on a couch", "man riding a
            horse") and attributes ("the fruit is green" gives "green fruit").
        stop_concepts: phrases that are no concept, whatever determiner or number they have; "busy street" is not
            stopped by "street". A text names built-in lists and files, see
            :func:`rebind.concepts.stop_concepts.read_stop_concepts`; a list holds the concepts themselves.
        max_per_image: keep the first so many, phrases before relations; all when None. Captions name what matters
            first.

    Raises:
        UserError: when a value has the wrong type or is out of range.
    """

    keep_determiners: bool = False
    keep_numbers: bool = True
    relations: bool = False
    stop_concepts: str | Sequence[str] = ()
    max_per_image: int | None = None

    def __post_init__(self) -> None:
        for name in ("keep_determiners", "keep_numbers", "relations"):
            if not isinstance(getattr(self, name), bool):
                raise UserError(f"option {name!r} of concepts is {getattr(self, name)!r}; it must be true or false")
        most = self.max_per_image
        if most is not None and (not isinstance(most, int) or isinstance(most, bool) or most < 1):
            raise UserError(f"option 'max_per_image' of concepts is {most!r}; it must be a whole number from 1 on")
        stopped = read_stop_concepts(self.stop_concepts)
        object.__setattr__(self, "stop_concepts", stopped)
        object.__setattr__(self, "_stopped", frozenset(stopped))

    def as_dict(self) -> dict[str, Any]:
        """The options as JSON holds them; :func:`rebind.concepts.build_extractor` takes them back."""
        return {each.name: _plain(getattr(self, each.name)) for each in fields(self)}

    def choose(self, mentions: Mentions) -> list[str]:
        """The concepts of one caption, each once; empty when it names nothing that may be kept."""
        chosen: dict[str, str] = {}
        written: list[str | None] = []
        for phrase in mentions.phrases:
            unnumbered = _without_number(phrase.text)
            if unnumbered in self._stopped:  # type: ignore[attr-defined]
                written.append(None)
                continue
            text = phrase.text if self.keep_numbers else unnumbered
            as_written = f"{phrase.determiner} {text}" if self.keep_determiners and phrase.determiner else text
            written.append(as_written)
            chosen.setdefault(text, as_written)
        if self.relations:
            for relation in mentions.relations:
                if said := self._say(relation, mentions.phrases, written):
                    chosen.setdefault(said, said)
        return list(chosen.values())[: self.max_per_image]

    def _say(self, relation: Relation, phrases: Sequence[Phrase], written: list[str | None]) -> str | None:
        """A relation in words; None when one of its ends is stopped."""
        subject = written[relation.subject]
        if subject is None:
            return None
        if relation.object is None:
            owned = _without_number(phrases[relation.subject].text)
            noun = owned.rpartition("'s ")[2]  # "the man's hat is black": the man is not
            return f"{subject.removesuffix(noun)}{relation.words} {noun}"
        if written[relation.object] is None:
            return None
        # The inner determiner stays: "dog on a couch" is what a caption says, "dog on couch" is not.
        return " ".join((subject, relation.words, *filter(None, reversed(phrases[relation.object]))))


def frequent(concepts: Iterable[str], counts: Mapping[str, int], minimum: int) -> list[str]:
    """Those that occur at least ``minimum`` times in the corpus, in order; perhaps none.

    Args:
        concepts: of one image.
        counts: concept -> how often it occurs in the corpus, see :class:`rebind.concepts.ConceptReport`.
        minimum: 1 keeps every concept that was counted.
    """
    return [concept for concept in concepts if counts.get(concept, 0) >= minimum]


def _without_number(text: str) -> str:
    first, space, rest = text.partition(" ")
    while space and (first in known.NUMBERS or _DIGITS.fullmatch(first)):
        text = rest
        first, space, rest = text.partition(" ")
    return text


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
