"""The stage of the data engine that writes hard negative captions by rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rebind.engine.rules import rules_digest
from rebind.engine.stage import Item, Made
from rebind.negatives.families import FAMILIES
from rebind.negatives.rules.substitutes import Substitutes
from rebind.negatives.rules.writing import write_foils
from rebind.types import UserError

#: Where the rules are written, and the lexicon that they look into.
RULES = ("concepts", "negatives/families.py", "negatives/lexicon", "negatives/rules")


@dataclass(frozen=True)
class RuleNegatives:
    """Hard negative captions by rule: items ``{"key", "captions"}``, rows ``{"key", "negatives"}``.

    Every caption gets at most one negative of each family. What the other captions of a sample and its ``concepts``,
    where it has some, speak of is never put in.

    The tally: ``captions``, ``without_negative``, ``negatives``, one count for each family, and ``rejected: ...`` with
    the reason for proposals that were left out, or for captions that are not English.

    Attributes:
        families: which kinds of negatives to write.
        count: at most so many of a caption, their families drawn by chance; None for all.
        seed: other negatives with another seed.
        substitutes: file of :class:`rebind.negatives.rules.Substitutes` mined from the same captions; without one the
            lexicon's own everyday nouns stand in.
        mined: the file follows from the captions and nobody chose it, so that it is no setting: when it changes, the
            rows are made anew. It need not be there before the work begins.
        all_captions: write negatives of every caption of a sample, not only of the first.
        name: of the annotation.
        part_size: samples in a part.

    Raises:
        UserError: when a family is unknown or named twice, the count is not positive, or the file cannot be read.
    """

    families: tuple[str, ...] = FAMILIES
    count: int | None = None
    seed: int = 0
    substitutes: Path | None = None
    all_captions: bool = False
    mined: bool = False
    name: str = field(default="negatives", init=False)
    part_size: int = field(default=10_000, init=False)

    def __post_init__(self) -> None:
        unknown = sorted(set(self.families) - set(FAMILIES))
        if unknown or len(set(self.families)) != len(self.families) or not self.families:
            wrong = unknown[0] if unknown else ", ".join(self.families)
            raise UserError(f"families of negatives {wrong!r}: give each once, out of {', '.join(FAMILIES)}")
        if self.count is not None and self.count < 1:
            raise UserError(f"count of negatives is {self.count}; it must be at least 1")
        if self.substitutes is not None and not self.mined:
            Substitutes.read(self.substitutes)

    @property
    def settings(self) -> dict[str, Any]:
        """All that the rows depend on."""
        return {
            "backend": "rules",
            "tagger": version("textblob"),
            "rebind_rules": rules_digest(*RULES),
            "families": list(self.families),
            "count": self.count,
            "seed": self.seed,
            "substitutes": "mined" if self.mined else self._digest_of_substitutes,
            "all_captions": self.all_captions,
        }

    @property
    def corpus(self) -> str:
        """A digest of the substitutes, if they were mined."""
        return self._digest_of_substitutes or "" if self.mined else ""

    @property
    def _digest_of_substitutes(self) -> str | None:
        if self.substitutes is None:
            return None
        return blake2b(self.substitutes.read_bytes(), digest_size=8).hexdigest()

    def open(self) -> Callable[[list[Item]], Made]:
        """From items with ``key`` and ``captions``, perhaps ``concepts``, to rows with ``key`` and ``negatives``."""
        mined = Substitutes() if self.substitutes is None else Substitutes.read(self.substitutes)

        def make(items: list[Item]) -> Made:
            tally: Counter[str] = Counter()
            return Made([self._row(item, mined, tally) for item in items], dict(+tally))

        return make

    def _row(self, item: Item, mined: Substitutes, tally: Counter[str]) -> dict[str, Any]:
        captions = [caption if isinstance(caption, str) else "" for caption in item["captions"]]
        named = [*captions, *item.get("concepts", ())]
        rejects: Counter[str] = Counter()
        negatives = []
        for place, caption in enumerate(captions if self.all_captions else captions[:1]):
            seed = f"{self.seed}\0{item['key']}"
            foils = write_foils(caption, mined, self.families, seed, named, self.count, rejects)
            tally.update(captions=1, without_negative=not foils, negatives=len(foils))
            tally.update(foil.family for foil in foils)
            negatives += [{**asdict(foil), "edits": [list(edit) for edit in foil.edits], "of": place} for foil in foils]
        tally.update({f"rejected: {reason}": number for reason, number in rejects.items()})
        return {"key": item["key"], "negatives": negatives}
