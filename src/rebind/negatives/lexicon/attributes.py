"""What the lexicon knows of attributes: which exclude one another, and of what they may be said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from rebind.negatives.lexicon.nouns import PEOPLE, Nouns, read_lines, word_list


@dataclass(frozen=True)
class Value:
    """One value of a dimension.

    Attributes:
        dimension: e.g. ``colour``.
        name: the word by which it is put in, e.g. ``gray``.
        rank: its place among the dimension's values.
    """

    dimension: str
    name: str
    rank: int


@dataclass(frozen=True)
class Dimension:
    """Values of which a thing has one.

    Attributes:
        name: e.g. ``size``.
        values: the values that are put in.
        bearers: nouns and ``=kinds`` of which they may be said, or ``*``.
    """

    name: str
    values: tuple[Value, ...]
    bearers: frozenset[str]


class Attributes:
    """The attributes of the lexicon; build it once with `load_attributes`."""

    def __init__(self) -> None:
        self.dimensions: dict[str, Dimension] = {}
        self._values: dict[str, list[Value]] = {}
        for line in read_lines("attributes.txt"):
            name, values, bearers = line.split("; ")
            put_in = []
            for rank, names in enumerate(values.split(" / ")):
                words = names.strip("()").split(", ")
                value = Value(name, words[0], rank)
                if not names.startswith("("):
                    put_in.append(value)
                for word in words:
                    self._values.setdefault(word, []).append(value)
            self.dimensions[name] = Dimension(name, tuple(put_in), frozenset(bearers.split(", ")))
        alike = [tuple(line.split()) for line in read_lines("colours_alike.txt")]
        self._alike = frozenset(alike) | {(second, first) for first, second in alike}
        self._sorts = word_list("colours_with_nouns.txt")

    def value(self, word: str, noun: str, nouns: Nouns) -> Value | None:
        """What ``word`` says of a thing called ``noun`` (singular); None when it says nothing that has an opposite."""
        return next((value for value in self._values.get(word, ()) if self.suits(value.dimension, noun, nouns)), None)

    @property
    def words(self) -> Mapping[str, list[Value]]:
        """Every word that says something in some dimension."""
        return self._values

    def suits(self, dimension: str, noun: str, nouns: Nouns) -> bool:
        """Whether things called ``noun`` have this dimension."""
        bearers = self.dimensions[dimension].bearers
        if dimension == "colour" and self.names_sort(noun):
            return False
        kind, last = nouns.kind(noun), noun.rpartition(" ")[2]
        if "*" in bearers:
            return kind not in PEOPLE
        return noun in bearers or last in bearers or f"={kind}" in bearers

    def names_sort(self, noun: str) -> bool:
        """Whether a colour before ``noun`` names a sort or a shade of it: "green beans"."""
        return noun.rpartition(" ")[2] in self._sorts

    def others(self, value: Value) -> list[Value]:
        """The values that exclude ``value`` and can be put in its place."""
        return [
            other
            for other in self.dimensions[value.dimension].values
            if other.rank != value.rank and (value.name, other.name) not in self._alike
        ]

    def exclude(self, one: Value, other: Value) -> bool:
        """Whether a thing cannot have both."""
        same = one.dimension != other.dimension or one.rank == other.rank
        return not same and (one.name, other.name) not in self._alike


@cache
def load_attributes() -> Attributes:
    """The attributes of the lexicon, read once in a process."""
    return Attributes()
