"""What is in a scene: objects, their cells and how they are described. Thousands of scenes are drawn at once.

The world asks one question: does a model bind attributes to objects when its data do not force it to? Real captions do
not: almost every bag of words occurs with one reading only. So does the training part of this world. Which colour goes
with which shape is a fixed pseudo-random function of the two sets, so that a model can satisfy whole-caption training
without binding. Test scenes bind freely.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rebind.world.vocabulary import ALL_COLOURS, ALL_SHAPES, COLOURS, OPPOSITE_RELATION, SHAPES, noun_phrase

GRID = 3  # cells on a side
MOST_OBJECTS = 3
JITTER = 3  # positions within a cell, on a side
SIZES = 2
SHARE_WITHOUT_COLOUR = 0.03  # of the objects named in training captions
HELD_OUT_SHARE = 0.05  # of the shape-colour conjunctions of the tuning data
_COLOUR_NAMES = tuple(ALL_COLOURS)
_RELATIONS = tuple(OPPOSITE_RELATION)
_PERMUTATIONS = {count: tuple(itertools.permutations(range(count))) for count in range(1, MOST_OBJECTS + 1)}


@dataclass(frozen=True)
class Scenes:
    """n scenes with up to three objects each, in the order in which captions name them.

    Attributes:
        shape: (n, 3) index into ``ALL_SHAPES``, -1 where there is no object.
        colour: (n, 3) index into ``ALL_COLOURS``.
        cell: (n, 3) cell of the grid, row by row.
        look: (n, 3) which of the ``SIZES * JITTER ** 2`` sizes and positions within the cell.
        said: (n, 3) bool, whether the caption names the object's colour.
        relation: (n,) index into the relations between the first two objects, -1 where the caption says "and".
        ground: (n,) which background, any integer.
    """

    shape: np.ndarray
    colour: np.ndarray
    cell: np.ndarray
    look: np.ndarray
    said: np.ndarray
    relation: np.ndarray
    ground: np.ndarray

    def __len__(self) -> int:
        return len(self.shape)

    def __getitem__(self, rows: np.ndarray | slice) -> Scenes:
        return Scenes(**{name: values[rows] for name, values in vars(self).items()})

    @property
    def present(self) -> np.ndarray:
        """(n, 3) bool: where there is an object."""
        return self.shape >= 0

    def objects(self, row: int) -> list[tuple[str, str]]:
        """``[(colour, shape), …]`` of one scene."""
        kept = self.present[row]
        pairs = zip(self.colour[row][kept], self.shape[row][kept], strict=True)
        return [(_COLOUR_NAMES[colour], ALL_SHAPES[shape]) for colour, shape in pairs]

    def relation_name(self, row: int) -> str | None:
        """The relation of the first object to the second, or None where the caption says "and"."""
        return _RELATIONS[self.relation[row]] if self.relation[row] >= 0 else None


@dataclass(frozen=True)
class Part:
    """Which scenes a part of the world holds.

    Attributes:
        shapes: indices into ``ALL_SHAPES`` to draw from.
        colours: indices into ``ALL_COLOURS`` to draw from.
        counts: how many objects a scene may have, each entry as likely as any other.
        free: bind colours to shapes at random (tests) rather than by the fixed function (training).
    """

    shapes: np.ndarray
    colours: np.ndarray
    counts: tuple[int, ...]
    free: bool = False


TUNING = Part(np.arange(len(SHAPES)), np.arange(len(COLOURS)), (2, 3))
PRETRAINING = Part(np.arange(len(ALL_SHAPES)), np.arange(len(ALL_COLOURS)), (1, 2, 3))
TEST = Part(TUNING.shapes, TUNING.colours, (2, 3), free=True)


def held_out_conjunctions(seed: int) -> np.ndarray:
    """(shapes, colours) bool: conjunctions of tuning shapes and colours that no training scene shows."""
    held = np.zeros((len(ALL_SHAPES), len(ALL_COLOURS)), dtype=bool)
    pairs = len(SHAPES) * len(COLOURS)
    chosen = np.random.default_rng([seed, 1]).choice(pairs, round(pairs * HELD_OUT_SHARE), replace=False)
    held[chosen // len(COLOURS), chosen % len(COLOURS)] = True
    return held


def sample_scenes(
    part: Part, count: int, held_out: np.ndarray, seed: tuple[int, ...], with_held_out: bool = False
) -> Scenes:
    """Draw ``count`` scenes of a part; none shows a held-out conjunction, or all do if ``with_held_out``."""
    rng = np.random.default_rng(seed)
    pieces: list[Scenes] = []
    found = 0
    while found < count:
        drawn = _draw(part, max(2 * (count - found), 256) * (8 if with_held_out else 1), rng)
        pieces.append(drawn[shows_any(held_out, drawn) == with_held_out])
        found += len(pieces[-1])
    return join_scenes(pieces)[slice(0, count)]


def join_scenes(pieces: Sequence[Scenes]) -> Scenes:
    """All scenes of one or more pieces."""
    return Scenes(**{name: np.concatenate([getattr(piece, name) for piece in pieces]) for name in vars(pieces[0])})


def shows_any(conjunctions: np.ndarray, scenes: Scenes) -> np.ndarray:
    """(n,) bool: whether a scene shows any of the (shapes, colours) conjunctions."""
    return np.any(conjunctions[scenes.shape, scenes.colour] & scenes.present, axis=1)


def _draw(part: Part, count: int, rng: np.random.Generator) -> Scenes:
    shape = part.shapes[_distinct(count, len(part.shapes), rng)]
    colour = part.colours[_distinct(count, len(part.colours), rng)]
    objects = rng.choice(part.counts, size=count)
    if not part.free:
        colour = _bind(shape, colour, objects)
    relation = np.where((objects > 1) & (rng.random(count) < 0.5), rng.integers(len(_RELATIONS), size=count), -1)
    absent = np.arange(MOST_OBJECTS) >= objects[:, None]
    return Scenes(
        shape=np.where(absent, -1, shape),
        colour=np.where(absent, 0, colour),
        cell=_place(relation, rng),
        look=rng.integers(SIZES * JITTER**2, size=(count, MOST_OBJECTS)),
        said=np.ones((count, MOST_OBJECTS), dtype=bool),
        relation=relation,
        ground=rng.integers(1 << 16, size=count),
    )


def _distinct(count: int, among: int, rng: np.random.Generator) -> np.ndarray:
    return np.argsort(rng.random((count, among)), axis=1)[:, :MOST_OBJECTS]


def _bind(shape: np.ndarray, colour: np.ndarray, objects: np.ndarray) -> np.ndarray:
    """Reorder each scene's colours so that the binding is a function of its set of shapes and set of colours."""
    bound = colour.copy()
    for count, permutations in _PERMUTATIONS.items():
        rows = np.flatnonzero(objects == count)
        order = np.argsort(shape[rows, :count], axis=1)
        colours = np.sort(colour[rows, :count], axis=1)
        words = np.concatenate([np.sort(shape[rows, :count], axis=1), colours], axis=1).astype(np.uint64)
        mixed = np.full(len(rows), 0x9E3779B97F4A7C15, dtype=np.uint64)
        for word in words.T:  # a splitmix-style mixing of the bag into one number
            mixed = (mixed ^ (word + np.uint64(1))) * np.uint64(0xBF58476D1CE4E5B9)
            mixed ^= mixed >> np.uint64(29)
        chosen = np.array(permutations)[(mixed >> np.uint64(7)) % np.uint64(len(permutations))]
        in_shape_order = np.take_along_axis(colours, chosen, axis=1)
        reordered = np.empty_like(in_shape_order)
        np.put_along_axis(reordered, order, in_shape_order, axis=1)
        bound[rows[:, None], np.arange(count)] = reordered
    return bound


def is_bound(scenes: Scenes) -> np.ndarray:
    """(n,) bool: whether a scene binds its bag of words as the training parts do."""
    bound = _bind(scenes.shape, scenes.colour, scenes.present.sum(axis=1))
    return np.all((bound == scenes.colour) | ~scenes.present, axis=1)


def _place(relation: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(n, 3) distinct cells; the first two obey the relation (same column for above/below, same row for left/right)."""
    count = len(relation)
    cells = np.argsort(rng.random((count, GRID * GRID)), axis=1)
    line = rng.integers(GRID, size=count)
    near, far = np.sort(np.argsort(rng.random((count, GRID)), axis=1)[:, :2], axis=1).T
    first_is_near = np.isin(relation, [_RELATIONS.index("above"), _RELATIONS.index("left of")])
    first, second = np.where(first_is_near, near, far), np.where(first_is_near, far, near)
    vertical = np.isin(relation, [_RELATIONS.index("above"), _RELATIONS.index("below")])
    first = np.where(vertical, first * GRID + line, line * GRID + first)
    second = np.where(vertical, second * GRID + line, line * GRID + second)
    related = relation >= 0
    first, second = np.where(related, first, cells[:, 0]), np.where(related, second, cells[:, 1])
    free = (cells != first[:, None]) & (cells != second[:, None])
    third = cells[np.arange(count), np.argmax(free, axis=1)]
    return np.stack([first, second, third], axis=1)


def describe(objects: Sequence[tuple[str | None, str]], relation: str | None) -> str:
    """A caption: ``a red circle above a blue star and a green heart``. A colour of None is left unsaid."""
    phrases = [noun_phrase(colour, shape) for colour, shape in objects]
    if relation is not None:
        phrases = [f"{phrases[0]} {relation} {phrases[1]}", *phrases[2:]]
    return " and ".join([", ".join(phrases[:-1]), phrases[-1]] if len(phrases) > 1 else phrases)


def leave_unsaid(scenes: Scenes, share: float, seed: tuple[int, ...]) -> Scenes:
    """Leave the colours of a share of the objects unsaid, never of an object that is alone."""
    said = np.random.default_rng(seed).random(scenes.said.shape) >= share
    alone = scenes.present.sum(axis=1, keepdims=True) == 1
    return replace(scenes, said=said | alone)


def describe_all(scenes: Scenes) -> list[str]:
    """One caption a scene."""
    captions = []
    for row in range(len(scenes)):
        pairs = zip(scenes.objects(row), scenes.said[row].tolist(), strict=False)
        objects = [(colour if said else None, shape) for (colour, shape), said in pairs]
        captions.append(describe(objects, scenes.relation_name(row)))
    return captions
