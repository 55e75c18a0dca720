"""How well negatives can be told without the picture, before and after refinement, family by family."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from rebind.annotate.balanced_negatives import Candidate, CandidateBlocks, candidates_of, pairs_of
from rebind.engine import PartBlocks
from rebind.negatives.blind import FEWEST, BlindScore, sample_folds
from rebind.negatives.families import FAMILIES
from rebind.negatives.telltale import cross_fitted_gaps, pair_features

JUDGED = 4  # parts that are judged at most, spread evenly, all of them by one judge
_SEED = 99  # of the judge's folds, which are not those that the choice was made with


@dataclass(frozen=True)
class FamilyRefinement:
    """What refinement made of one family.

    Attributes:
        candidates: that it could choose from, several of a sample among them.
        samples: that have any.
        kept: negatives that remain, each of another sample.
        before: how the judge does on one candidate of each sample; None where there are too few pairs to judge.
        after: how it does on those kept.
    """

    candidates: int
    samples: int
    kept: int
    before: BlindScore | None
    after: BlindScore | None

    def as_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return asdict(self)


def judge_refinement(
    tally: dict[str, int], candidates: CandidateBlocks, refined: PartBlocks
) -> dict[str, FamilyRefinement]:
    """Score every family before and after, with a judge that looks at up to ``JUDGED`` parts at once.

    The judge is a logistic regression on word n-grams, trained anew on the pairs before and on those after. It is asked
    about each part after learning from the others, with more pairs than any one was refined on, so that it would see
    what adds up over parts. Where there is one part only, it is cross-fitted over samples; where all words are balanced
    between the samples learnt from and those asked about, this makes it lean to the wrong side, below one half.

    Args:
        tally: of the whole run of :class:`rebind.annotate.balanced_negatives.RefinedNegatives`.
        candidates: its input.
        refined: its output, part by part the same samples.
    """
    before: dict[str, list[tuple[int, Candidate]]] = defaultdict(list)
    after: dict[str, list[tuple[int, Candidate]]] = defaultdict(list)
    parts = len(candidates)
    for number in sorted({round(share * (parts - 1)) for share in np.linspace(0, 1, JUDGED)}):
        items = candidates[number]
        kept = {(row["key"], each["family"], each["caption"]) for row in refined[number] for each in row["negatives"]}
        for family, several in candidates_of(items).items():
            first = {one.row: one for one in reversed(several)}  # the preferred one of each sample comes first
            before[family] += [(number, one) for one in first.values()]
            after[family] += [(number, one) for one in several if (one.key, family, one.foil) in kept]
    return {
        family: FamilyRefinement(
            tally[f"{family}: candidates"],
            tally[f"{family}: samples"],
            tally[f"{family}: kept"],
            _score(before[family]),
            _score(after[family]),
        )
        for family in FAMILIES
        if f"{family}: candidates" in tally
    }


def _score(candidates: list[tuple[int, Candidate]]) -> BlindScore | None:
    if len(candidates) < FEWEST:
        return None
    pairs, parts = pairs_of([one for _, one in candidates]), np.array([part for part, _ in candidates])
    folds = parts if len(np.unique(parts)) > 1 else sample_folds(pairs.samples, _SEED)
    everything = np.ones(len(pairs), dtype=bool)
    gaps = cross_fitted_gaps(pair_features(pairs.captions, pairs.foils), folds, everything)
    return BlindScore.of(gaps, np.array(pairs.samples))
