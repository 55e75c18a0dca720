"""Pictures of negative captions of the world: what a caption says is read back and drawn."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from rebind.engine import Item, Made
from rebind.types import UserError
from rebind.world.render import PICTURE_SIZE, render
from rebind.world.scenes import (
    GRID,
    JITTER,
    MOST_OBJECTS,
    PRETRAINING,
    SHARE_WITHOUT_COLOUR,
    SIZES,
    TUNING,
    Scenes,
    describe,
    held_out_conjunctions,
    join_scenes,
    leave_unsaid,
    sample_scenes,
)
from rebind.world.vocabulary import ALL_COLOURS, ALL_SHAPES, OPPOSITE_RELATION
from rebind.world.writing import WorldSettings, png, read_world_settings

NOT_OF_THE_WORLD = "not a caption of the world"
_COLOURS = tuple(ALL_COLOURS)
_RELATIONS = tuple(OPPOSITE_RELATION)
_PHRASE = re.compile(rf"\ban? (?:({'|'.join(_COLOURS)}) )?({'|'.join(ALL_SHAPES)})\b")
_RELATION = re.compile(rf" ({'|'.join(_RELATIONS)}) ")
_PARTS = {"pretrain": (PRETRAINING, 2), "train": (TUNING, 3)}  # which scenes, and the number that seeds them


@dataclass(frozen=True)
class Said:
    """What a caption of the world says.

    Attributes:
        objects: one to three (colour or None, shape), in the caption's order.
        relation: of the first to the second, or None.
    """

    objects: tuple[tuple[str | None, str], ...]
    relation: str | None


def read_caption(caption: str) -> Said | None:
    """What :func:`rebind.world.scenes.describe` would say in these very words; None where it would never say them."""
    objects = tuple((colour or None, shape) for colour, shape in _PHRASE.findall(caption))
    relation = found[1] if (found := _RELATION.search(caption)) else None
    if not 1 <= len(objects) <= MOST_OBJECTS or (relation and len(objects) == 1):
        return None
    return Said(objects, relation) if describe(objects, relation) == caption else None


@dataclass(frozen=True)
class WorldPictures:
    """A stage of the data engine: ``{"key", "caption", "of"}`` → ``{"key", "caption", "image": PNG bytes}``.

    The picture is that of the sample ``of`` as the caption would have it: the same ground, and the first object that is
    named where the sample's first object is, and so on. Objects move only as far as a relation that the caption names
    makes them. What nobody knows, such as the place of an object that the sample lacks, is drawn by chance, seeded by
    ``seed`` and key; so is everything without ``data`` or ``of``. Captions that are not in the world's grammar are left
    out and counted.

    Attributes:
        data: folder ``train`` or ``pretrain`` of a world, whose samples the captions are negatives of; or None.
        seed: of what is drawn by chance.
        size: pixels a side; as in the world, or 48, if None.
        part_size: items in a part.
    """

    name: ClassVar[str] = "negative_images"

    data: str | None = None
    seed: int = 0
    size: int | None = None
    part_size: int = 1000

    def __post_init__(self) -> None:
        if self.size is not None and (self.size < 24 or self.size % GRID):
            raise UserError(f"pictures: size must be a multiple of {GRID} from 24 on, not {self.size}")
        if self.seed < 0:
            raise UserError(f"pictures: seed must be at least 0, not {self.seed}")

    @property
    def settings(self) -> dict[str, Any]:
        """All that the pictures depend on.

        Raises:
            UserError: when ``data`` is no part of a world.
        """
        world = None if self.data is None else asdict(self._world())
        part = None if self.data is None else Path(self.data).resolve().name
        return {"backend": "world", "world": world, "part": part, "seed": self.seed, "size": self._size()}

    def open(self) -> Callable[[list[Item]], Made]:
        """Build the scenes of ``data`` anew: they follow from the world's settings.

        Raises:
            UserError: when ``data`` is no part of a world.
        """
        scenes = None if self.data is None else training_scenes(self._world(), Path(self.data).resolve().name)
        size = self._size()

        def draw(items: list[Item]) -> Made:
            said = [(item, found) for item in items if (found := read_caption(item["caption"]))]
            tally = Counter({"captions": len(items), "pictures": len(said)})
            tally[f"left out: {NOT_OF_THE_WORLD}"] = len(items) - len(said)
            shown = [_scene(found, _original(scenes, item.get("of")), self._chance(item)) for item, found in said]
            pictures = render(join_scenes(shown), size) if shown else ()
            rows = [
                {"key": item["key"], "caption": item["caption"], "image": png(picture)}
                for (item, _), picture in zip(said, pictures, strict=True)
            ]
            return Made(rows, dict(+tally))

        return draw

    def _world(self) -> WorldSettings:
        folder = Path(self.data or "").resolve()
        if folder.name not in _PARTS:
            raise UserError(f"{self.data} is not the folder train or pretrain of a world")
        return read_world_settings(folder.parent)

    def _size(self) -> int:
        return self.size or (PICTURE_SIZE if self.data is None else self._world().picture_size)

    def _chance(self, item: Item) -> np.random.Generator:
        return np.random.default_rng(list(blake2b(f"{self.seed}\0{item['key']}".encode(), digest_size=16).digest()))


def training_scenes(settings: WorldSettings, part: str) -> Scenes:
    """The scenes of the part ``train`` or ``pretrain`` of a world; row i is that of the sample with key ``00000i``."""
    kind, number = _PARTS[part]
    count = settings.train if part == "train" else settings.pretrain or settings.train
    scenes = sample_scenes(kind, count, held_out_conjunctions(settings.seed), (settings.seed, number))
    return leave_unsaid(scenes, SHARE_WITHOUT_COLOUR, (settings.seed, number, 1))


def _original(scenes: Scenes | None, key: str | None) -> dict[str, Any] | None:
    """The scene of a sample, by its key, as one row of each array."""
    row = int(key) if key and key.isdecimal() else -1
    if scenes is None or not 0 <= row < len(scenes):
        return None
    return {name: values[row].copy() for name, values in vars(scenes).items()}


def _scene(said: Said, original: dict[str, Any] | None, rng: np.random.Generator) -> Scenes:
    """One scene that shows what was said, as like the original as can be."""
    drawn: dict[str, Any] = {
        "colour": rng.permutation(len(_COLOURS))[:MOST_OBJECTS],
        "cell": rng.permutation(GRID * GRID)[:MOST_OBJECTS],
        "look": rng.integers(SIZES * JITTER**2, size=MOST_OBJECTS),
        "ground": rng.integers(1 << 16),
        "relation": -1,
    }
    scene = {**drawn, **(original or {})}
    relation = -1 if said.relation is None else _RELATIONS.index(said.relation)
    if not _holds(relation, *scene["cell"][:2]):
        turned = scene["cell"][[1, 0, 2]]
        scene["cell"] = turned if _holds(relation, *turned[:2]) else _cells(relation, rng)
    if original is not None:  # of an object that it lacks, place and look were drawn with it, but no colour
        scene["colour"] = np.where(original["shape"] >= 0, original["colour"], drawn["colour"])
    shape = np.full(MOST_OBJECTS, -1)
    for place, (colour, name) in enumerate(said.objects):
        shape[place] = ALL_SHAPES.index(name)
        if colour is not None:
            scene["colour"][place] = _COLOURS.index(colour)
    told = [colour is not None for colour, _ in said.objects] + [True] * (MOST_OBJECTS - len(said.objects))
    scene |= {"shape": shape, "said": told, "relation": relation}
    return Scenes(**{name: np.array([value]) for name, value in scene.items()})


def _holds(relation: int, first: int, second: int) -> bool:
    """Whether the relation holds between two cells as the world has it: in one column or row."""
    if relation < 0:
        return True
    (down, across), (other_down, other_across) = divmod(int(first), GRID), divmod(int(second), GRID)
    return {
        "above": across == other_across and down < other_down,
        "below": across == other_across and down > other_down,
        "left of": down == other_down and across < other_across,
        "right of": down == other_down and across > other_across,
    }[_RELATIONS[relation]]


@cache
def _related_cells(relation: int) -> tuple[tuple[int, int], ...]:
    return tuple(pair for pair in itertools.permutations(range(GRID * GRID), 2) if _holds(relation, *pair))


def _cells(relation: int, rng: np.random.Generator) -> np.ndarray:
    """Three cells, of which the first two obey the relation."""
    first, second = _related_cells(relation)[rng.integers(len(_related_cells(relation)))]
    rest = [cell for cell in range(GRID * GRID) if cell not in (first, second)]
    return np.array([first, second, rest[rng.integers(len(rest))]])
