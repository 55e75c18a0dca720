"""Lists of phrases that name little worth learning: the picture itself, places that any picture may show."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rebind.concepts import words as known
from rebind.types import UserError


def _list(concepts: str) -> tuple[str, ...]:
    return tuple(concept.strip() for concept in concepts.split(","))


#: Name of a built-in list -> its concepts.
STOP_LISTS = {
    "pictures": (
        *sorted(known.PICTURES),
        *_list("shots, camera, view, views, scene, scenes, frame, background, foreground, close-up, close up, closeup"),
        *_list("blurry photo, blurry picture, blurry image, stock photo, selfie, black and white photo"),
        *_list("black and white picture, black and white image, black and white photograph"),
    ),
    "places": _list(
        "area, areas, place, places, location, spot, space, world, ground, floor, wall, walls, room, building, "
        "buildings, street, road, city, town, field, yard, sky, air, outdoors, distance, surface, side, sides, front, "
        "back, top, bottom, middle, center, centre, corner, edge, end, left, right, inside, outside"
    ),
    "vague": _list("thing, things, item, items, object, objects, stuff, way, time, day, night, type, kind, sort"),
}


def read_stop_concepts(stop_concepts: str | Sequence[str]) -> tuple[str, ...]:
    """The stop concepts that a setting stands for, lower-cased, each once.

    Args:
        stop_concepts: a list holds the concepts. A text names lists, separated by commas: ``pictures``,
            ``places`` and ``vague`` are built in, anything else is a UTF-8 file with one concept a line:
            ``"pictures,places,my-stop-concepts.txt"``.

    Raises:
        UserError: when a name is neither a list nor a readable file, or the list holds anything but texts.
    """
    if isinstance(stop_concepts, str):
        names = [name.strip() for name in stop_concepts.split(",") if name.strip()]
        concepts = [concept for name in names for concept in STOP_LISTS.get(name) or _read(name)]
    elif isinstance(stop_concepts, list | tuple):
        concepts = list(stop_concepts)
    else:
        raise UserError(f"option 'stop_concepts' is {stop_concepts!r}; it must be a text or a list of texts")
    for concept in concepts:
        if not isinstance(concept, str) or not concept.strip():
            raise UserError(f"option 'stop_concepts' holds {concept!r}; each must be a text that is not empty")
    return tuple(dict.fromkeys(" ".join(concept.lower().split()) for concept in concepts))


def _read(name: str) -> list[str]:
    try:
        lines = Path(name).read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise UserError(f"{name} is not UTF-8 text; save it with one stop concept a line") from error
    except OSError as error:
        raise UserError(
            f"stop concepts {name!r} cannot be read ({error.strerror}); name a built-in list "
            f"({', '.join(STOP_LISTS)}) or give a text file with one concept a line"
        ) from error
    return [line for line in lines if line.strip()]
