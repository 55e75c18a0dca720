"""The example scenes of the page: who prefers the caption to the foil, and where each model looks for each concept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from rebind.reports.arms import C2LIP, CATEGORY_NAMES, Arm, concept_arm
from rebind.reports.pictures import draw_difference, draw_gaze, open_picture
from rebind.reports.runs import Concept, Example

SCENES = 8
GAZE_SCENES = 3
GAZE_CONCEPTS = 3

Identity = tuple[str, str, str, str]


@dataclass(frozen=True)
class Bar:
    """A score as a bar: ``left`` and ``width`` in per cent of the room for bars, which holds zero."""

    score: float
    left: float
    width: float


@dataclass(frozen=True)
class Judgement:
    """What one arm makes of one scene."""

    arm: Arm
    seed: int
    caption: Bar
    foil: Bar

    @property
    def outcome(self) -> str:
        """``right``, ``wrong`` or ``tie``; ties count as wrong."""
        if self.caption.score == self.foil.score:
            return "tie"
        return "right" if self.caption.score > self.foil.score else "wrong"


@dataclass(frozen=True)
class Scene:
    """One example with every arm's judgement; ``picture`` is None when the file cannot be read."""

    category: str
    caption: str
    foil: str
    picture: Image.Image | None
    judgements: tuple[Judgement, ...]


@dataclass(frozen=True)
class GazeRow:
    """Where each arm looks for one concept, in the arms' order, and the second arm minus the first."""

    concept: str
    pictures: tuple[Image.Image, ...]
    difference: Image.Image | None


@dataclass(frozen=True)
class Gaze:
    """Attention over one picture. ``low``, ``high`` and ``reach`` are in units of an even share (1 / tokens)."""

    caption: str
    picture: Image.Image
    arms: tuple[Arm, ...]
    scales: tuple[float | None, ...]
    rows: tuple[GazeRow, ...]
    low: float
    high: float
    reach: float


def identities(arms: Sequence[Arm]) -> list[Identity]:
    """Every example scene, those that most arms have scored first, otherwise in file order."""
    found = dict.fromkeys(ex.identity for arm in arms for run in arm.runs for ex in run.examples)
    held_by = {identity: sum(arm.example(identity) is not None for arm in arms) for identity in found}
    return sorted(found, key=lambda identity: -held_by[identity])


def example_scenes(arms: Sequence[Arm], limit: int = SCENES) -> list[Scene]:
    """The first scene of each category, then the second of each and so on, up to ``limit``: nobody chose them."""
    queues: dict[str, list[Identity]] = {}
    for identity in identities(arms):
        queues.setdefault(identity[1], []).append(identity)
    turns = sorted(
        (turn, place, queue[turn]) for place, queue in enumerate(queues.values()) for turn in range(len(queue))
    )
    shown = sorted((place, turn, identity) for turn, place, identity in turns[:limit])
    chosen = [identity for _, _, identity in shown]
    return judged_scenes(arms, chosen)


def judged_scenes(arms: Sequence[Arm], chosen: Sequence[Identity]) -> list[Scene]:
    """The ``chosen`` scenes with each arm's scores; an arm's bars share one room over all of them."""
    ranges = {arm.label: _range(arm, chosen) for arm in arms}
    return [_scene(arms, identity, ranges) for identity in chosen]


def _scene(arms: Sequence[Arm], identity: Identity, ranges: dict[str, tuple[float, float]]) -> Scene:
    held = [(arm, *found) for arm in arms if (found := arm.example(identity)) is not None]
    judgements = tuple(
        Judgement(
            arm,
            run.results.seed,
            bar(example.caption_score, ranges[arm.label]),
            bar(example.foil_score, ranges[arm.label]),
        )
        for arm, run, example in held
    )
    pictures = (open_picture(run.picture(example), example.pictures == "upright") for _, run, example in held)
    picture = next((found for found in pictures if found is not None), None)
    _, category, caption, foil = identity
    name = CATEGORY_NAMES.get(category, category.replace("_", " "))
    return Scene(name, caption, foil, picture, judgements)


def _range(arm: Arm, chosen: Sequence[Identity]) -> tuple[float, float]:
    """The smallest and largest of an arm's scores and zero: scores of different models have no common unit."""
    examples = [found[1] for identity in chosen if (found := arm.example(identity)) is not None]
    scores = [score for example in examples for score in (example.caption_score, example.foil_score)]
    return min([0.0, *scores]), max([0.0, *scores])


def bar(score: float, ends: tuple[float, float]) -> Bar:
    """The bar from zero to ``score`` in a room that spans ``ends``."""
    low, high = ends
    room = (high - low) or 1.0
    return Bar(score, left=100 * (min(score, 0.0) - low) / room, width=100 * abs(score) / room)


def gazes(arms: Sequence[Arm], limit: int = GAZE_SCENES) -> list[Gaze]:
    """Where plain tuning (else the base, else whoever there is) and C2LIP look, for the first ``limit`` pictures."""
    pair = _pair(arms)
    found: list[Gaze] = []
    seen: set[str] = set()
    for identity in identities(pair):
        if len(found) == limit:
            break
        gaze = None if identity[0] in seen else _gaze(pair, identity)
        if gaze is not None:
            seen.add(identity[0])
            found.append(gaze)
    return found


def _pair(arms: Sequence[Arm]) -> list[Arm]:
    """The two arms to compare, of those whose examples hold attention."""
    able = [arm for arm in arms if any(example.concepts for run in arm.runs for example in run.examples)]
    subject = concept_arm(able)
    plain = [arm for arm in able if arm.is_plain] or [arm for arm in able if arm.slot != C2LIP]
    return plain[:1] + ([subject] if subject else plain[1:2])


def _gaze(pair: Sequence[Arm], identity: Identity) -> Gaze | None:
    held = [found for arm in pair if (found := arm.example(identity)) is not None and found[1].concepts]
    if len(held) < len(pair) or not held:
        return None
    run, example = held[0]
    picture = open_picture(run.picture(example), example.pictures == "upright")
    if picture is None:
        return None
    examples = [example for _, example in held]
    by_name = [{concept.text: concept for concept in example.concepts} for example in examples]
    names = [name for name in by_name[0] if all(name in concepts for concepts in by_name)][:GAZE_CONCEPTS]
    if not names:
        return None
    maps = [
        [_shares(example, concepts[name]) for example, concepts in zip(examples, by_name, strict=True)]
        for name in names
    ]
    low = min(float(values.min()) for row in maps for values in row)
    high = max(float(values.max()) for row in maps for values in row)
    comparable = len(pair) == 2 and examples[0].grid == examples[1].grid
    differences = [row[1] - row[0] if comparable else None for row in maps]
    reach = max((float(np.abs(values).max()) for values in differences if values is not None), default=0.0)
    rows = tuple(
        GazeRow(
            name,
            tuple(draw_gaze(picture, values, low, high) for values in row),
            None if change is None else draw_difference(picture, change, reach),
        )
        for name, row, change in zip(names, maps, differences, strict=True)
    )
    scales = tuple(example.attention_scale for example in examples)
    return Gaze(examples[0].caption, picture, tuple(pair), scales, rows, low, high, reach)


def _shares(example: Example, concept: Concept) -> np.ndarray:
    """(h, w) attention in units of an even share: 1 everywhere if the model looked nowhere in particular."""
    return np.array(concept.attention).reshape(example.grid) * len(concept.attention)
