"""What the lexicon knows of nouns: their kinds, what else one may call a thing, and how they are counted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from rebind.negatives.lexicon.inflection import plural

HERE = Path(__file__).parent

#: Kinds whose nouns name people.
PEOPLE = frozenset(("man", "woman", "anybody", "athlete", "sportsman", "role"))
#: Kinds whose nouns name animals.
ANIMALS = frozenset(("animal", "young animal", "bird", "insect"))
#: Kinds of people and animals.
ALIVE = PEOPLE | ANIMALS

#: WordNet's kinds that are too mixed for one thing to stand for another; kept for their meanings above.
_MIXED = frozenset(
    ("person", "container", "clothing", "building", "sport gear", "electronics", "tool", "bakery", "tree")
)

_MOST_COMPARED = 200_000


def read_lines(name: str) -> Iterator[str]:
    """The lines of a data file of the lexicon, without comments and empty lines."""
    for line in (HERE / name).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            yield line


def word_list(name: str) -> frozenset[str]:
    """All words of a data file."""
    return frozenset(word for line in read_lines(name) for word in line.split())


class Nouns:
    """The nouns of the lexicon; build it once with `load_nouns`."""

    def __init__(self) -> None:
        self._above = [tuple(map(int, line.split())) for line in read_lines_kept("synsets.tsv")]
        self._kinds: dict[str, str] = {}
        self._senses: dict[str, tuple[int, ...]] = {}
        for line in read_lines("nouns.tsv"):
            noun, kind, senses = line.split("\t")
            self._kinds[noun] = "" if kind in _MIXED else kind
            self._senses[noun] = tuple(map(int, senses.split()))
        self.everyday: dict[str, tuple[str, ...]] = {}
        for line in read_lines("nouns_by_hand.txt"):
            kind, _, listed = line.partition(": ")
            nouns = listed.split(", ")
            self._kinds.update(dict.fromkeys(nouns, kind.strip("-")))
            self.everyday[kind] = tuple(nouns)
        self.by_hand = frozenset(noun for nouns in self.everyday.values() for noun in nouns)
        self._alike: dict[str, set[str]] = defaultdict(set)
        for line in read_lines("look_alikes.txt"):
            group = line.split(", ")
            for noun in group:
                self._alike[noun].update(group)
        self.mass = word_list("mass.txt")
        self.plural_only = word_list("plural_only.txt")
        uncounted = self.mass | self.plural_only
        self._singulars = {plural(noun): noun for noun in self._kinds if noun not in uncounted}
        self._meanings: dict[str, frozenset[int]] = {}
        self._compared: dict[tuple[str, str], bool] = {}

    def knows(self, noun: str) -> bool:
        """Whether the lexicon holds ``noun``, in the singular."""
        return noun in self._kinds

    def kind(self, noun: str) -> str:
        """The kind of a singular noun; empty when nothing of its kind can stand for it."""
        return self._kinds.get(noun, "")

    def singular(self, noun: str) -> tuple[str, bool] | None:
        """The singular of a known noun and whether it stood in the plural; None for a noun that is not known."""
        if noun in self.plural_only:
            return noun, True
        if noun == "people":
            return noun, True
        if noun in self._kinds and (noun not in self._singulars or noun.endswith("ss")):
            return noun, False
        if noun in self._singulars:
            return self._singulars[noun], self._singulars[noun] != noun
        return None

    def countable(self, noun: str) -> bool:
        """Whether "a" can stand before the noun; the last word decides."""
        last = noun.rpartition(" ")[2]
        return last not in self.mass and last not in self.plural_only and noun != "people"

    def alike(self, one: str, other: str) -> bool:
        """Whether two singular nouns may name one thing: synonyms, more or less general words, look-alikes."""
        compared = self._compared.get((one, other))
        if compared is None:
            if len(self._compared) > _MOST_COMPARED:
                self._compared.clear()
            compared = self._compared[one, other] = self._may_be_one(one, other)
        return compared

    def _may_be_one(self, one: str, other: str) -> bool:
        if one == other or one in self._alike.get(other, ()):
            return True
        ends = one.rpartition(" ")[2], other.rpartition(" ")[2]
        if ends[0] == other or ends[1] == one or ends[0] == ends[1]:
            return True
        ones, others = self._senses.get(one, ()), self._senses.get(other, ())
        return any(sense in self._upwards(other) for sense in ones) or any(s in self._upwards(one) for s in others)

    def _upwards(self, noun: str) -> frozenset[int]:
        """Every sense of a noun and the meanings above them."""
        if noun not in self._meanings:
            waiting = list(self._senses.get(noun, ()))
            reached = set()
            while waiting:
                synset = waiting.pop()
                if synset not in reached:
                    reached.add(synset)
                    waiting.extend(self._above[synset])
            self._meanings[noun] = frozenset(reached)
        return self._meanings[noun]


def read_lines_kept(name: str) -> Iterator[str]:
    """All lines of a data file, empty ones too: their numbers count."""
    return iter((HERE / name).read_text(encoding="utf-8").splitlines())


@cache
def load_nouns() -> Nouns:
    """The nouns of the lexicon, read once in a process."""
    return Nouns()
