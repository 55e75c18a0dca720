"""What a corpus speaks of, how often, and together with what: the substitutes for its own captions."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from rebind.concepts.phrases import read_caption
from rebind.negatives.lexicon import load_nouns
from rebind.negatives.rules.things import things_in
from rebind.storage import write_text
from rebind.types import UserError

#: A noun of the corpus stands for others if so many pictures at least speak of it.
FEWEST = 4
#: A thing is improbable in a scene when it is met there less than this many times as often as by chance.
RARE = 0.25
_NOUNS = 1500
_MOST_PAIRS = 2_000_000


@dataclass(frozen=True)
class Substitutes:
    """Counts over the pictures of a corpus; nouns are singular names such as "baseball bat".

    Attributes:
        pictures: how many pictures were read.
        nouns: how many pictures' captions speak of each noun, the most frequent ones only.
        pairs: how many speak of two nouns: first -> second -> count, the first being the smaller text.
        attributes: how many captions say each attribute of a noun: noun -> attribute -> count.
        after: how many captions have the noun's phrase right after each word: noun -> word -> count.
        mined_from: a digest of the captions; empty when nobody took one.
    """

    pictures: int = 0
    nouns: dict[str, int] = field(default_factory=dict)
    pairs: dict[str, dict[str, int]] = field(default_factory=dict)
    attributes: dict[str, dict[str, int]] = field(default_factory=dict)
    after: dict[str, dict[str, int]] = field(default_factory=dict)
    mined_from: str = ""

    @classmethod
    def mine(cls, pictures: Iterable[Sequence[str]]) -> Substitutes:
        """Read a corpus once; each item holds the captions (or the concepts) of one picture."""
        lexicon = load_nouns()
        count, nouns, pairs = 0, Counter[str](), Counter[tuple[str, str]]()
        attributes: dict[str, Counter[str]] = defaultdict(Counter)
        after: dict[str, Counter[str]] = defaultdict(Counter)
        for captions in pictures:
            count += 1
            names = set()
            for caption in captions:
                reading = read_caption(caption)
                for thing in things_in(reading, lexicon):
                    if not lexicon.knows(thing.noun):
                        continue
                    names.add(thing.noun)
                    for place in thing.attributes:
                        attributes[thing.noun][reading.lower(place)] += 1
                    after[thing.noun][reading.lower(thing.phrase.start - 1)] += 1
            nouns.update(names)
            ordered = sorted(names)
            if len(pairs) > _MOST_PAIRS:  # of a corpus without end, keep what is met more than once
                pairs = Counter({pair: number for pair, number in pairs.items() if number > 1})
            pairs.update((one, other) for place, one in enumerate(ordered) for other in ordered[place + 1 :])
        kept = dict(sorted(nouns.items(), key=lambda item: (-item[1], item[0]))[:_NOUNS])
        together: dict[str, dict[str, int]] = {}
        for (one, other), number in sorted(pairs.items()):
            if one in kept and other in kept:
                together.setdefault(one, {})[other] = number
        said = {noun: dict(sorted(attributes[noun].items())) for noun in sorted(kept) if attributes[noun]}
        governed = {noun: dict(sorted(after[noun].items())) for noun in sorted(kept)}
        return cls(count, kept, together, said, governed)

    def together(self, one: str, other: str) -> int:
        """How many pictures' captions speak of both nouns."""
        first, second = sorted((one, other))
        return self.pairs.get(first, {}).get(second, 0)

    def expected(self, one: str, other: str) -> float:
        """How many pictures would have both if things were strewn by chance."""
        return self.nouns.get(one, 0) * self.nouns.get(other, 0) / max(self.pictures, 1)

    def follows(self, noun: str, word: str, share: float) -> bool:
        """Whether the corpus has at least this share of ``noun`` right after ``word``, and more than once."""
        met = self.after.get(noun, {})
        return met.get(word, 0) >= max(2, share * sum(met.values()))

    def improbable(self, noun: str, others: Iterable[str]) -> bool:
        """Whether ``noun`` is hardly ever spoken of together with any of ``others``."""
        return all(self.together(noun, other) <= RARE * self.expected(noun, other) for other in others)

    def of_kind(self, kind: str) -> tuple[str, ...]:
        """The nouns of a kind that the corpus speaks of often enough; the lexicon's own when these are too few."""
        return self._kinds.get(kind, ())

    @cached_property
    def _kinds(self) -> dict[str, tuple[str, ...]]:
        lexicon = load_nouns()
        kinds: dict[str, list[str]] = defaultdict(list)
        for noun, count in self.nouns.items():
            if count >= FEWEST:
                kinds[lexicon.kind(noun)].append(noun)
        own = {kind: tuple(sorted(listed)) for kind, listed in kinds.items() if kind}
        few = {kind: listed for kind, listed in lexicon.everyday.items() if len(own.get(kind, ())) < 3}
        return {**own, **few}

    def as_dict(self) -> dict[str, Any]:
        """As it stands in the file."""
        return {
            "pictures": self.pictures,
            "nouns": self.nouns,
            "pairs": self.pairs,
            "attributes": self.attributes,
            "after": self.after,
            "mined_from": self.mined_from,
        }

    def write(self, path: Path) -> None:
        """Write the counts to ``path`` as one JSON file, atomically; equal counts give equal bytes."""
        write_text(Path(path), json.dumps(self.as_dict(), ensure_ascii=False, separators=(",", ":")) + "\n")

    @classmethod
    def read(cls, path: Path) -> Substitutes:
        """Read what `write` wrote.

        Raises:
            UserError: when the file cannot be read or is none of these.
        """
        try:
            return cls(**json.loads(Path(path).read_text(encoding="utf-8")))
        except OSError as error:
            raise UserError(f"cannot read {path}: {error.strerror}; give a file of substitutes") from error
        except (ValueError, TypeError) as error:
            raise UserError(f"{path} is no file of substitutes; mine them from the captions again") from error
