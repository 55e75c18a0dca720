"""Families that refinement could not make blind-proof, and those that are too small to know."""

from __future__ import annotations

from collections.abc import Mapping

from rebind.negatives.blind import FEWEST, BlindScore

LARGEST = 0.55  # of a blind reader's accuracy: SugarCrepe's, refined, are at most that


def exposing(scores: Mapping[str, BlindScore]) -> list[str]:
    """Blind readers that tell foils after refinement, too: the whole 95 % interval is above 55 %; the surest first."""
    return sorted((name for name, score in scores.items() if score.low > LARGEST), key=lambda name: -scores[name].low)


def too_few(scores: Mapping[str, BlindScore]) -> bool:
    """Whether nobody can say: fewer than 200 pairs, or a reader above 55 % whose interval reaches below."""
    return any(score.n < FEWEST or score.low <= LARGEST < score.accuracy for score in scores.values())
