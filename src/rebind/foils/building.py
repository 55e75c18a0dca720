"""From captioned images and hard negatives of their captions to foils that only the picture tells apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from rebind.data.source import Source
from rebind.foils.candidates import (
    FoilPair,
    WriteNegatives,
    beside_other_captions,
    find_vetoed,
    gather_candidates,
)
from rebind.foils.exposure import exposing
from rebind.foils.vetoes import Veto
from rebind.negatives.blind import BlindScorer, CaptionModel, Pairs, draw, length_gaps
from rebind.negatives.refinement import Refinement, refine
from rebind.types import UserError

_POOL = 20  # samples looked at for each foil wanted of a family: no caption gives them all, and refinement drops most
_READ = 200_000  # samples whose captions the language model reads
_ALTERNATIVES = 8  # candidates of one sample in one family, and again as many that stand against another caption


@dataclass(frozen=True)
class FoilSettings:
    """What the foils depend on, besides captions, negatives and vetoes.

    Attributes:
        families: only these, also where blind readers tell their foils; when None, all that the negatives have but
            for those that refinement cannot make blind-proof.
        share: of the samples that are held out for testing, above 0 and at most 1; foils are made of these alone.
        per_family: at most so many foils of each family.
        refine: balance the foils against blind judges.
        seed: not negative.
        origin: where the negatives come from, for who reads the report.

    Raises:
        UserError: when one of them is out of its range.
    """

    families: tuple[str, ...] | None = None
    share: float = 0.2
    per_family: int = 500
    refine: bool = True
    seed: int = 0
    origin: str = "rules"

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise UserError(f"the share of samples held out must be above 0 and at most 1, not {self.share:g}")
        if self.per_family < 1:
            raise UserError(f"the number of foils per family must be at least 1, not {self.per_family}")
        if self.seed < 0:
            raise UserError(f"the seed must not be negative, as {self.seed} is")


@dataclass(frozen=True)
class FoilSet:
    """The foils of a source and how they came about.

    Attributes:
        foils: family by family, in the order of the source.
        held_out: keys of the samples that foils may be made of; training should leave them all out.
        tally: family -> counts: ``candidates``; those ``true`` (saying the same as a caption of the picture),
            ``duplicates`` and ``vetoed``; ``samples`` that any are left for; ``balanced``, those that refinement left;
            ``kept``.
        refinements: family -> how blind judges do before and after; empty when nothing was to be refined.
        exposed: family -> blind judges that tell its foils after refinement, too; left out unless it was asked for.
        unmatched: vetoes that no candidate is meant by.
        settings: what it was made with.
    """

    foils: tuple[FoilPair, ...]
    held_out: tuple[str, ...]
    tally: dict[str, dict[str, int]]
    refinements: dict[str, Refinement]
    exposed: dict[str, list[str]]
    unmatched: tuple[Veto, ...]
    settings: FoilSettings

    @property
    def dropped(self) -> dict[str, list[str]]:
        """Exposed families that nobody asked for by name, so that their foils were left out."""
        return {} if self.settings.families else self.exposed


def build_foils(
    source: Source,
    write_negatives: WriteNegatives,
    settings: FoilSettings,
    vetoes: Iterable[Veto] = (),
    judges: Sequence[BlindScorer] = (),
) -> FoilSet:
    """Choose at most one foil of each family for each held-out sample; equal input gives equal foils.

    A sample is held out when a hash of its key and the seed says so, whatever else is in the source: it stays held out
    as the source grows. Where nearly all foils of a family are longer than their captions (additions), a foil may stand
    against another caption of its picture, so that length does not give it away.

    Args:
        source: captioned images; pictures are not looked at.
        write_negatives: makes or looks up the negatives of some samples.
        settings: see there.
        vetoes: foils that must not be among them.
        judges: blind judges besides length, language model and classifier.

    Raises:
        UserError: when no sample is held out, a negative is not what it should be, or a family that was asked for has
            none.
    """
    seed = str(settings.seed)
    drawn = [draw("held out", seed, key) for key in source.keys]
    held_out = [row for row, number in enumerate(drawn) if number < settings.share]
    if not held_out:
        raise UserError(f"none of the {len(source)} samples of {source.path} is held out; raise the share")
    pool = sorted(sorted(held_out, key=drawn.__getitem__)[: _POOL * settings.per_family])
    candidates = gather_candidates(source, pool, write_negatives, settings.families)
    vetoed, unmatched = find_vetoed(source, chain.from_iterable(candidates.by_family.values()), vetoes)
    scorers: list[BlindScorer] = [length_gaps, _caption_model(source, drawn), *judges] if settings.refine else []
    chosen: list[FoilPair] = []
    refinements = {}
    exposed = {}
    for family, foils in candidates.by_family.items():
        kept, refinement = _choose(source, foils, vetoed, scorers, settings)
        if refinement is not None:
            refinements[family] = refinement
            if telling := exposing(refinement.after):
                exposed[family] = telling
                kept = kept if settings.families else []
        allowed = [foil.row for foil in foils if (foil.row, foil.foil) not in vetoed]
        counts = {"vetoed": len(foils) - len(allowed), "samples": len(set(allowed))}
        balanced = {} if refinement is None else {"balanced": refinement.balanced}
        candidates.tally[family].update({**counts, **balanced, "kept": len(kept)})
        chosen += kept
    tally = {family: dict(candidates.tally[family]) for family in candidates.by_family}
    keys = tuple(source.keys[row] for row in held_out)
    return FoilSet(tuple(chosen), keys, tally, refinements, exposed, unmatched, settings)


def _caption_model(source: Source, drawn: Sequence[float]) -> CaptionModel:
    rows = sorted(sorted(range(len(source)), key=drawn.__getitem__)[:_READ])
    read = [(caption, source.keys[row]) for row in rows for caption in source.captions(row)]
    return CaptionModel([caption for caption, _ in read], [key for _, key in read])


def _choose(
    source: Source,
    foils: list[FoilPair],
    vetoed: set[tuple[int, str]],
    scorers: Sequence[BlindScorer],
    settings: FoilSettings,
) -> tuple[list[FoilPair], Refinement | None]:
    """The foils of one family, at most one a sample and no more than asked for, in the order of the source."""
    own = _some_of_each(foils, vetoed, settings.seed)
    if not scorers or not own:
        left = [(preferred, foil) for preferred, foil in own if (foil.row, foil.foil) not in vetoed]
        first = {foil.row: (preferred, foil) for preferred, foil in reversed(left)}
        best = sorted(first.values(), key=lambda pair: -pair[0])[: settings.per_family]
        return sorted((foil for _, foil in best), key=lambda foil: foil.row), None
    other = _some_of_each(beside_other_captions(source, [foil for _, foil in own]), vetoed, settings.seed)
    several = [foil for _, foil in own + other]
    preference = np.array([0.5 + drawn / 2 for drawn, _ in own] + [drawn / 2 for drawn, _ in other])
    pairs = Pairs([foil.caption for foil in several], [foil.foil for foil in several], [foil.key for foil in several])
    gaps = {name: gap for scorer in scorers for name, gap in scorer(pairs).items()}
    allowed = np.array([(foil.row, foil.foil) not in vetoed for foil in several])
    refinement = refine(pairs, gaps, preference, settings.per_family, allowed, settings.seed)
    per_word = refinement.gaps["likelihood_per_word"]
    kept = [replace(several[row], gap=round(float(per_word[row]), 3)) for row in refinement.kept]
    return sorted(kept, key=lambda foil: foil.row), refinement


def _some_of_each(foils: Iterable[FoilPair], vetoed: set[tuple[int, str]], seed: int) -> list[tuple[float, FoilPair]]:
    """For each sample the few candidates that a hash prefers, the most preferred first, with that number of [0, 1).

    What was vetoed takes no place of others but stays among them, so that judges learn the same with a veto as without.
    """
    by_row: dict[int, list[tuple[float, FoilPair]]] = defaultdict(list)
    for foil in foils:
        by_row[foil.row].append((draw("candidate", str(seed), foil.key, foil.caption, foil.foil), foil))
    several: list[tuple[float, FoilPair]] = []
    for each in by_row.values():
        places = _ALTERNATIVES
        for preferred, foil in sorted(each, key=lambda pair: (-pair[0], pair[1].foil)):
            if places:
                several.append((preferred, foil))
                places -= (foil.row, foil.foil) not in vetoed
    return several
