"""Scenes edited so that their captions are nearly right about the scenes they were: SugarCrepe's seven kinds of foil.

A foil is the caption of an edited scene. It is false of the scene as it was, true of the edited one, and the picture of
the edited one shows what the foil says: the same ground and the same objects in the same places, but for the edit.
Tests take the captions only; hard negatives of training are captions with pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from rebind.world.scenes import Scenes, describe_all, is_bound, join_scenes, shows_any
from rebind.world.vocabulary import ALL_COLOURS, ALL_SHAPES, COLOURS, OPPOSITE_RELATION, SHAPES

Places = np.ndarray | int  # an object of each of n scenes: (n,) or the same for all

_SWAPS = ("swap_att", "swap_obj")  # the same bag, bound in another way
_TRIES = 50
_RELATIONS = list(OPPOSITE_RELATION)
_OPPOSITE = np.array([_RELATIONS.index(opposite) for opposite in OPPOSITE_RELATION.values()])
_COLOURS = [list(ALL_COLOURS).index(colour) for colour in sorted(COLOURS)]
_SHAPES = [ALL_SHAPES.index(shape) for shape in sorted(SHAPES)]


@dataclass(frozen=True)
class Choice:
    """What to edit in each of n scenes.

    Attributes:
        first: (n,) an object chosen at random.
        second: (n,) another one.
        colour: (n,) a colour that is not in the scene.
        shape: (n,) a shape that is not in the scene.
    """

    first: np.ndarray
    second: np.ndarray
    colour: np.ndarray
    shape: np.ndarray


@dataclass(frozen=True)
class Family:
    """A kind of foil.

    Attributes:
        edit: scenes that it fits -> scenes of which the foil is true.
        fits: (n,) bool: whether the foil would be false of the scene as it is. What a caption leaves unsaid cannot be
            said wrongly, except by ``add_att``.
    """

    edit: Callable[[Scenes, Choice], Scenes]
    fits: Callable[[Scenes, Choice], np.ndarray]


def _put(values: np.ndarray, places: Places, new: np.ndarray | bool) -> np.ndarray:
    changed = values.copy()
    changed[np.arange(len(values)), places] = new
    return changed


def _exchange(values: np.ndarray, first: Places, second: Places) -> np.ndarray:
    rows = np.arange(len(values))
    return _put(_put(values, first, values[rows, second]), second, values[rows, first])


def _is_said(scenes: Scenes, places: Places) -> np.ndarray:
    return scenes.said[np.arange(len(scenes)), places]


def _both_said(scenes: Scenes, choice: Choice) -> np.ndarray:
    return _is_said(scenes, choice.first) & _is_said(scenes, choice.second)


def _swap_att(scenes: Scenes, choice: Choice) -> Scenes:
    return replace(scenes, colour=_exchange(scenes.colour, choice.first, choice.second))


def _swap_obj(scenes: Scenes, choice: Choice) -> Scenes:
    return replace(scenes, shape=_exchange(scenes.shape, choice.first, choice.second))


def _replace_att(scenes: Scenes, choice: Choice) -> Scenes:
    return replace(scenes, colour=_put(scenes.colour, choice.first, choice.colour))


def _replace_obj(scenes: Scenes, choice: Choice) -> Scenes:
    return replace(scenes, shape=_put(scenes.shape, choice.first, choice.shape))


def _replace_rel(scenes: Scenes, choice: Choice) -> Scenes:
    return replace(scenes, relation=_OPPOSITE[scenes.relation], cell=_exchange(scenes.cell, 0, 1))


def _add_obj(scenes: Scenes, choice: Choice) -> Scenes:
    """The cell and the look of a third object were drawn with the scene, and are free."""
    return replace(
        scenes,
        shape=_put(scenes.shape, 2, choice.shape),
        colour=_put(scenes.colour, 2, choice.colour),
        said=_put(scenes.said, 2, True),
    )


def _add_att(scenes: Scenes, choice: Choice) -> Scenes:
    return replace(_replace_att(scenes, choice), said=_put(scenes.said, choice.first, True))


FAMILIES: dict[str, Family] = {
    "swap_att": Family(_swap_att, _both_said),
    "swap_obj": Family(_swap_obj, _both_said),
    "replace_att": Family(_replace_att, lambda scenes, choice: _is_said(scenes, choice.first)),
    "replace_obj": Family(_replace_obj, lambda scenes, choice: scenes.present[:, 0]),
    "replace_rel": Family(_replace_rel, lambda scenes, choice: scenes.relation >= 0),
    # four objects would be longer than any caption of the world
    "add_obj": Family(_add_obj, lambda scenes, choice: ~scenes.present[:, 2]),
    "add_att": Family(_add_att, lambda scenes, choice: ~_is_said(scenes, choice.first)),
}


def make_foils(
    scenes: Scenes,
    category: str,
    file_names: list[str],
    seed: int,
    about: np.ndarray | None = None,
    held_out: np.ndarray | None = None,
) -> dict[str, dict[str, str]]:
    """One foil for every scene that the category fits, as SugarCrepe's files hold them.

    Args:
        scenes: n scenes of two or three objects, all colours said; for ``add_att`` one is left unsaid.
        category: a key of ``FAMILIES``.
        file_names: n image paths as they shall stand in the file.
        seed: decides which objects are changed, and into what.
        about: (n,) which object of each scene must be among those changed; any if None.
        held_out: (shapes, colours) bool: pairings that no foil may add: training never shows them, and a model could
            turn them down without looking at the picture.

    Returns:
        ``{"0": {"filename", "caption", "negative_caption"}, …}``.
    """
    choice = _choose_one_by_one(scenes, np.random.default_rng([seed, list(FAMILIES).index(category)]), about)
    if category == "add_att":
        scenes = replace(scenes, said=_put(scenes.said, choice.first, False))
    rows, edited = _edit(scenes, category, choice, held_out)
    captions = zip(rows.tolist(), describe_all(scenes[rows]), describe_all(edited), strict=True)
    return {
        str(number): {"filename": file_names[row], "caption": caption, "negative_caption": foil}
        for number, (row, caption, foil) in enumerate(captions)
    }


def make_negatives(
    scenes: Scenes, family: str, seed: tuple[int, ...], held_out: np.ndarray
) -> tuple[np.ndarray, Scenes]:
    """A hard negative for every training scene that the family fits, under the rules of the training scenes.

    No negative shows a held-out pairing, and each binds its own bag of words as training binds it, swaps excepted:
    otherwise the negatives would tell what the training captions do not, that a bag can be bound in several ways.
    A scene of which no such edit was found in a number of tries has no negative.

    Args:
        scenes: n scenes of two or three objects.
        family: a key of ``FAMILIES``.
        seed: decides which objects are changed, and into what.
        held_out: (shapes, colours) bool.

    Returns:
        (m,) rows of ``scenes``, ascending, and the m edited scenes.
    """
    rng = np.random.default_rng(seed)
    rows, edits = np.arange(0), scenes[slice(0, 0)]
    waiting = np.arange(len(scenes))
    for _ in range(_TRIES):
        found, edited = _edit(scenes[waiting], family, _choose(scenes[waiting], rng), held_out)
        kept = is_bound(edited) | (family in _SWAPS)
        rows, edits = np.append(rows, waiting[found[kept]]), join_scenes([edits, edited[kept]])
        waiting = np.delete(waiting, found[kept])
    order = np.argsort(rows)
    return rows[order], edits[order]


def _edit(scenes: Scenes, family: str, choice: Choice, held_out: np.ndarray | None) -> tuple[np.ndarray, Scenes]:
    rows = np.flatnonzero(FAMILIES[family].fits(scenes, choice))
    chosen = Choice(**{name: values[rows] for name, values in vars(choice).items()})
    edited = FAMILIES[family].edit(scenes[rows], chosen)
    if held_out is None:
        return rows, edited
    allowed = ~shows_any(held_out, edited)
    return rows[allowed], edited[allowed]


def _choose(scenes: Scenes, rng: np.random.Generator) -> Choice:
    """Choices for many scenes at once."""
    order = np.argsort(rng.random(scenes.shape.shape) + ~scenes.present, axis=1)
    rows = np.arange(len(scenes))[:, None]
    picked = []
    for values, words in ((scenes.colour, _COLOURS), (scenes.shape, _SHAPES)):
        lots = np.full((len(scenes), 1 + max(words)), -1.0)
        lots[:, words] = rng.random((len(scenes), len(words)))
        lots[rows, np.where(scenes.present, values, values[:, :1])] = -1
        picked.append(np.argmax(lots, axis=1))
    return Choice(order[:, 0], order[:, 1], *picked)


def _choose_one_by_one(scenes: Scenes, rng: np.random.Generator, about: np.ndarray | None) -> Choice:
    """The same, drawn in the order in which the published test foils were; ``about`` are to be the first objects."""
    chosen = []
    for row, present in enumerate(scenes.present):
        order = rng.permutation(present.sum()).tolist()
        if about is not None:
            order = [int(about[row]), *(place for place in order if place != about[row])]
        shown = set(scenes.colour[row, present].tolist()), set(scenes.shape[row, present].tolist())
        colours = [colour for colour in _COLOURS if colour not in shown[0]]
        shapes = [shape for shape in _SHAPES if shape not in shown[1]]
        chosen.append((*order[:2], colours[rng.integers(len(colours))], shapes[rng.integers(len(shapes))]))
    return Choice(*np.array(chosen, dtype=int).reshape(-1, 4).T)
