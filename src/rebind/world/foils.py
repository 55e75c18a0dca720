"""Captions that are nearly right: SugarCrepe's seven kinds of foil, made where the truth is known exactly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from rebind.world.scenes import Scenes, describe
from rebind.world.vocabulary import COLOURS, OPPOSITE_RELATION, SHAPES

Objects = list[tuple[str | None, str]]


@dataclass(frozen=True)
class View:
    """One scene as a maker of foils sees it.

    Attributes:
        objects: (colour, shape) in the caption's order, two or three.
        relation: between the first two, or None.
        first: an object chosen at random.
        second: another one.
        colour: a colour that is not in the scene.
        shape: a shape that is not in the scene.
    """

    objects: Objects
    relation: str | None
    first: int
    second: int
    colour: str
    shape: str

    def changed(self, changes: dict[int, tuple[str | None, str]]) -> str:
        """The caption with some objects replaced."""
        return describe([changes.get(place, pair) for place, pair in enumerate(self.objects)], self.relation)


Captions = tuple[str, str]  # the true one and the foil


def _swap_att(view: View) -> Captions:
    (one, this), (other, that) = view.objects[view.first], view.objects[view.second]
    return view.changed({}), view.changed({view.first: (other, this), view.second: (one, that)})


def _swap_obj(view: View) -> Captions:
    (one, this), (other, that) = view.objects[view.first], view.objects[view.second]
    return view.changed({}), view.changed({view.first: (one, that), view.second: (other, this)})


def _replace_att(view: View) -> Captions:
    return view.changed({}), view.changed({view.first: (view.colour, view.objects[view.first][1])})


def _replace_obj(view: View) -> Captions:
    return view.changed({}), view.changed({view.first: (view.objects[view.first][0], view.shape)})


def _replace_rel(view: View) -> Captions | None:
    if view.relation is None:
        return None
    return view.changed({}), describe(view.objects, OPPOSITE_RELATION[view.relation])


def _add_obj(view: View) -> Captions | None:
    if len(view.objects) > 2:  # four objects: longer than any caption of the world
        return None
    return view.changed({}), describe([*view.objects, (view.colour, view.shape)], view.relation)


def _add_att(view: View) -> Captions:
    shape = view.objects[view.first][1]
    return view.changed({view.first: (None, shape)}), view.changed({view.first: (view.colour, shape)})


FOIL_MAKERS: dict[str, Callable[[View], Captions | None]] = {
    "swap_att": _swap_att,
    "swap_obj": _swap_obj,
    "replace_att": _replace_att,
    "replace_obj": _replace_obj,
    "replace_rel": _replace_rel,
    "add_obj": _add_obj,
    "add_att": _add_att,
}


def make_foils(
    scenes: Scenes,
    category: str,
    file_names: list[str],
    seed: int,
    about: np.ndarray | None = None,
    unseen: Sequence[str] = (),
) -> dict[str, dict[str, str]]:
    """One foil for every scene that the category fits, as SugarCrepe's files hold them.

    Args:
        scenes: n scenes of two or three objects.
        category: a key of ``FOIL_MAKERS``.
        file_names: n image paths as they shall stand in the file.
        seed: decides which objects are changed, and into what.
        about: (n,) which object of each scene must be among those changed; any if None.
        unseen: words that no foil may add, such as ``"orange star"``: pairings that training never shows, which a
            model could turn down without looking at the picture.

    Returns:
        ``{"0": {"filename", "caption", "negative_caption"}, …}``.
    """
    rng = np.random.default_rng([seed, list(FOIL_MAKERS).index(category)])
    rows: list[dict[str, str]] = []
    for index, name in enumerate(file_names):
        captions = FOIL_MAKERS[category](_view(scenes, index, rng, None if about is None else int(about[index])))
        if captions is not None and not any(words in captions[1] and words not in captions[0] for words in unseen):
            rows.append({"filename": name, "caption": captions[0], "negative_caption": captions[1]})
    return {str(number): row for number, row in enumerate(rows)}


def _view(scenes: Scenes, index: int, rng: np.random.Generator, about: int | None) -> View:
    objects: Objects = list(scenes.objects(index))
    order = rng.permutation(len(objects)).tolist()
    if about is not None:
        order = [about, *(place for place in order if place != about)]
    first, second = order[:2]
    colours = sorted(COLOURS.keys() - {colour for colour, _ in objects})
    shapes = sorted(set(SHAPES) - {shape for _, shape in objects})
    return View(
        objects=objects,
        relation=scenes.relation_name(index),
        first=first,
        second=second,
        colour=colours[rng.integers(len(colours))],
        shape=shapes[rng.integers(len(shapes))],
    )
