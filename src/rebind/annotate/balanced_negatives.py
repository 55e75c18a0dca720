"""Refined negatives: of many candidates those are kept that nobody tells from their captions without the picture."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rebind.engine import CANDIDATES, Blocks, Item, Made, PartBlocks, Parts, Stage, Workforce, run_stage
from rebind.engine.rules import rules_digest
from rebind.negatives.blind import CaptionModel, Pairs, draw, length_gaps
from rebind.negatives.families import FAMILIES
from rebind.negatives.refinement import refine
from rebind.negatives.rules import RuleNegatives
from rebind.negatives.telltale import two_sided, word_leanings
from rebind.types import UserError

REFINE = "refine"  # a setting of the name that the option has
ALTERNATIVES = 4  # candidates of a sample in one family; with more to choose from, more samples keep one
RULES = ("annotate/balanced_negatives.py", "negatives")  # where refinement is written
_PART = 20_000  # samples refined together, up to half as many again in the last part


@dataclass(frozen=True)
class SeveralByRule:
    """Negatives by rule, several of each caption and family, for refinement to choose from.

    Attributes:
        rules: what writes them; it is run ``ALTERNATIVES`` times, with other seeds.
    """

    rules: RuleNegatives

    @property
    def name(self) -> str:
        """Of the annotation."""
        return self.rules.name

    @property
    def part_size(self) -> int:
        """Samples in a part."""
        return self.rules.part_size

    @property
    def settings(self) -> dict[str, Any]:
        """Those of the rules, and how often they are run."""
        return {**self.rules.settings, REFINE: True, "alternatives": ALTERNATIVES}

    @property
    def corpus(self) -> str:
        """That of the rules."""
        return self.rules.corpus

    def open(self) -> Callable[[list[Item]], Made]:
        """From items to rows as of the rules, no text twice in one."""
        seeds = range(self.rules.seed * ALTERNATIVES, (self.rules.seed + 1) * ALTERNATIVES)
        runs = [replace(self.rules, seed=seed).open() for seed in seeds]

        def make(items: list[Item]) -> Made:
            rows = []
            for item in items:  # one by one: what was read in its captions is then at hand for all runs
                written = (negative for run in runs for negative in run([item]).rows[0]["negatives"])
                texts = {negative["caption"]: negative for negative in written}
                rows.append({"key": item["key"], "negatives": list(texts.values())})
            return Made(rows, {"captions": len(items), "negatives": sum(len(row["negatives"]) for row in rows)})

        return make


class Candidate(NamedTuple):
    """A negative that may be kept: which of its sample, which caption it stands against, and how much it is liked."""

    row: int
    place: int
    key: str
    caption: str
    foil: str
    preference: float


def candidates_of(items: list[Item]) -> dict[str, list[Candidate]]:
    """Family -> its candidates, at most ``ALTERNATIVES`` of a sample, the most preferred first.

    Args:
        items: ``{"key", "captions", "negatives"}``. Preference is drawn by key and text.
    """
    found: dict[str, list[Candidate]] = defaultdict(list)
    for row, item in enumerate(items):
        own: dict[str, list[Candidate]] = defaultdict(list)
        for place, negative in enumerate(item["negatives"]):
            caption, foil = item["captions"][negative["of"]], negative["caption"]
            candidate = Candidate(row, place, item["key"], caption, foil, draw("negative", item["key"], foil))
            own[negative["family"]].append(candidate)
        for family, several in own.items():
            found[family] += sorted(several, key=lambda one: -one.preference)[:ALTERNATIVES]
    return {family: found[family] for family in FAMILIES if family in found}


def pairs_of(candidates: list[Candidate]) -> Pairs:
    """Captions and foils, as blind judges read them."""
    return Pairs([one.caption for one in candidates], [one.foil for one in candidates], [one.key for one in candidates])


@dataclass(frozen=True)
class RefinedNegatives:
    """Adversarial refinement of one part: items ``{"key", "captions", "negatives"}``, rows ``{"key", "negatives"}``.

    Every family is refined by itself, and at most one negative of a sample and family remains. The judges are length,
    an n-gram model of the part's captions and a classifier, all cross-fitted within the part, and every word is kept
    as often in captions as in their negatives, so that nothing adds up over the parts.

    The tally: of each family ``FAMILY: candidates``, ``FAMILY: samples`` that have any, and ``FAMILY: kept``.

    Attributes:
        candidates: settings of the stage that wrote them.
        name: of the annotation.
        part_size: samples in a part.
    """

    candidates: Mapping[str, Any]
    name: str = field(default="refined_negatives", init=False)
    part_size: int = field(default=_PART, init=False)

    @property
    def settings(self) -> dict[str, Any]:
        """Those of the candidates, how they were refined, and the version of what solves the linear program."""
        how = {"every_word": True, "alternatives": ALTERNATIVES, "rules": rules_digest(*RULES)}
        return {**self.candidates, REFINE: True, "refined": {**how, "solver": f"scipy {version('scipy')}"}}

    def open(self) -> Callable[[list[Item]], Made]:
        """The work on one part."""
        return self._make

    def _make(self, items: list[Item]) -> Made:
        captions = [(caption, item["key"]) for item in items for caption in item["captions"]]
        model = CaptionModel([caption for caption, _ in captions], [key for _, key in captions])
        kept: dict[int, set[int]] = defaultdict(set)
        tally: dict[str, int] = {}
        for family, candidates in candidates_of(items).items():
            chosen = _choose(candidates, model)
            for one in chosen:
                kept[one.row].add(one.place)
            samples = {one.row for one in candidates}
            counts = {"candidates": len(candidates), "samples": len(samples), "kept": len(chosen)}
            tally |= {f"{family}: {name}": count for name, count in counts.items()}
        rows = [
            {"key": item["key"], "negatives": [each for n, each in enumerate(item["negatives"]) if n in kept[row]]}
            for row, item in enumerate(items)
        ]
        return Made(rows, tally)


def _choose(candidates: list[Candidate], model: CaptionModel) -> list[Candidate]:
    every = pairs_of(candidates)
    hopeful = two_sided(word_leanings(every.captions, every.foils))
    left = [one for one, hope in zip(candidates, hopeful, strict=True) if hope]
    if not left:
        return []
    pairs, preference = pairs_of(left), np.array([one.preference for one in left])
    refinement = refine(pairs, length_gaps(pairs) | model(pairs), preference, every_word=True)
    return [left[number] for number in refinement.kept]


@dataclass(frozen=True)
class CandidateBlocks:
    """Captions with the candidates that were written for them, many parts of the first stage in a block.

    Attributes:
        captions: what the first stage read.
        rows: what it wrote.
        together: parts in a block. What is left in the end joins the block before it, if it is less than half of one.
    """

    captions: Blocks
    rows: PartBlocks
    together: int

    def __len__(self) -> int:
        return max(1, (self.captions.items + self._size // 2) // self._size)

    def __getitem__(self, number: int) -> list[Item]:
        first = number * self.together
        end = first + self.together if number < len(self) - 1 else len(self.rows)
        return [item for part in range(first, end) for item in self._part(part)]

    @property
    def items(self) -> int:
        """How many samples there are."""
        return self.captions.items

    @property
    def _size(self) -> int:
        return self.together * self.rows.rows[0]

    def _part(self, number: int) -> list[Item]:
        written = {row["key"]: row["negatives"] for row in self.rows[number]}
        return [
            {"key": item["key"], "captions": item["captions"], "negatives": written[item["key"]]}
            for item in self.captions[number]
        ]


def write_refined(
    stage: Stage, blocks: Blocks, folder: Path, workforce: Workforce, prepare: Callable[[], None] = lambda: None
) -> tuple[dict[str, int], CandidateBlocks]:
    """Write candidates into ``folder/candidates`` and those of them that refinement keeps into ``folder``.

    Args:
        stage: writes negatives; the rules are asked for several of each caption and family.
        blocks: captions, in parts as the stage wants them.
        folder: of the annotation.
        workforce: who does the work.
        prepare: what is to be done before, once the folder is claimed.

    Returns:
        the tally of :class:`RefinedNegatives`, and what it was made of.

    Raises:
        UserError: when the folder holds something made otherwise, or a number of negatives was asked for.
    """
    if isinstance(stage, RuleNegatives):
        if stage.count is not None:
            raise UserError(f"--count {stage.count} does not go with --refine, which itself drops most; leave it out")
        stage = SeveralByRule(stage)
    refined = RefinedNegatives(stage.settings)
    # The whole folder is claimed first: other settings are refused before any work is done.
    with Parts(folder, "jsonl").opened({**refined.settings, "part_size": refined.part_size}):
        prepare()
        run_stage(stage, blocks, folder / CANDIDATES, workforce)
    written = PartBlocks.of(folder / CANDIDATES)
    candidates = CandidateBlocks(blocks, written, max(1, _PART // stage.part_size))
    return run_stage(refined, candidates, folder, workforce)["tally"], candidates
