"""Families in which two things of a caption change places around a relation: `swap_obj` and `swap_rel`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rebind.concepts.words import word_set
from rebind.negatives.lexicon.inflection import plural
from rebind.negatives.lexicon.nouns import ALIVE
from rebind.negatives.rules.editing import Change
from rebind.negatives.rules.scene import Scene
from rebind.negatives.rules.things import Thing

#: Relations that never hold both ways; "on" and the like after a posture, or right after the first thing.
_PLACES = (
    ("on", "top", "of"),
    *(("on",), ("under",), ("underneath",), ("beneath",), ("behind",), ("atop",), ("above",), ("below",), ("inside",)),
)
_DEEDS = word_set(
    "riding holding carrying eating pulling pushing chasing feeding kicking throwing catching biting licking driving "
    "swinging hitting wearing rides holds carries eats pulls pushes chases feeds kicks throws catches drives"
)
_POSTURES = word_set("sitting standing lying laying sleeping resting riding sits stands lies perched parked")
_SOLID = ALIVE | frozenset(
    (
        *("vehicle", "furniture", "fixture", "appliance", "electronics", "ridden", "hit with", "ball", "carried"),
        *("tableware", "cutlery", "dish", "sweet", "fruit", "vegetable", "instrument", "toy"),
        *("headwear", "outfit", "neckwear", "street sign"),
    )
)


@dataclass(frozen=True)
class _Related:
    """Two things and the places of the words between them."""

    first: Thing
    second: Thing


def _related(scene: Scene) -> Iterator[_Related]:
    """The caption's first thing and the one that it is in an asymmetric relation to."""
    if not scene.things or scene.things[0].phrase.start != 0:
        return
    first = scene.things[0]
    place = first.end
    if scene.lower(place) in ("is", "are"):
        place += 1
    if scene.lower(place) in _DEEDS:
        ends = [place + 1]
    else:
        if scene.lower(place) in _POSTURES:
            place += 1
        ends = [place + len(words) for words in _PLACES if _stand_at(scene, words, place)][:1]
    for end in ends:
        second = scene.thing_from(end)
        if second is not None and _apart(scene, first, second) and not _speaks_on(scene, first, second):
            yield _Related(first, second)


def _stand_at(scene: Scene, words: tuple[str, ...], place: int) -> bool:
    return all(scene.lower(place + offset) == word for offset, word in enumerate(words))


def _apart(scene: Scene, first: Thing, second: Thing) -> bool:
    """Whether two things are different solid ones whose names can stand in each other's place."""
    if first.kind not in _SOLID or second.kind not in _SOLID or scene.nouns.alike(first.noun, second.noun):
        return False
    if second.determiner in ("his", "her", "their", "its", "my", "your", "our"):
        return False
    if scene.lower(second.end) in ("of", "'s", "’s", "'", "and", ",", "that", "who", "which", "-"):
        return False
    if not all(scene.nouns.countable(thing.noun) or thing.noun == "people" for thing in (first, second)):
        return False
    return all(thing.determiner or thing.plural or thing.phrase.number is not None for thing in (first, second))


def _speaks_on(scene: Scene, first: Thing, second: Thing) -> bool:
    """Whether "on" says that a person uses a thing, which is then on the person as well: "a woman on her phone"."""
    return first.is_person and second.kind == "electronics" and scene.lower(second.phrase.start - 1) == "on"


def swap_obj(scene: Scene) -> Iterator[tuple[Change, ...]]:
    """The two head nouns change places, each in the number of its new place."""
    for pair in _related(scene):
        if _coloured_people(scene, pair):
            continue
        first = _in_number(scene, pair.second, pair.first.plural)
        second = _in_number(scene, pair.first, pair.second.plural)
        yield Change(pair.first.start, pair.first.end, first), Change(pair.second.start, pair.second.end, second)


def _in_number(scene: Scene, thing: Thing, several: bool) -> str:
    if several == thing.plural:
        text = scene.reading.text(thing.start, thing.end)
        return text if thing.start else text[:1].lower() + text[1:]
    if thing.noun == "people":
        return "people" if several else "person"
    return plural(thing.noun) if several else thing.noun


def _coloured_people(scene: Scene, pair: _Related) -> bool:
    """Whether what is said of one thing cannot be said of the other."""
    for thing, other in ((pair.first, pair.second), (pair.second, pair.first)):
        for place in thing.attributes:
            said = scene.attributes.value(scene.lower(place), other.noun, scene.nouns)
            if scene.reading.kind(place) != "#" and said is None:
                return True
    return False


def swap_rel(scene: Scene) -> Iterator[tuple[Change, ...]]:
    """The two whole noun phrases change places; the verb agrees with the one that comes first."""
    for pair in _related(scene):
        first, second = pair.first, pair.second
        verb = _agreeing(scene, first.end, second.plural) if first.plural != second.plural else ()
        if verb is None:
            continue
        yield (
            Change(first.phrase.start, first.end, _phrase(scene, second)),
            *verb,
            Change(second.phrase.start, second.end, _phrase(scene, first)),
        )


def _phrase(scene: Scene, thing: Thing) -> str:
    text = scene.reading.text(thing.phrase.start, thing.end)
    return text[:1].lower() + text[1:] if thing.phrase.start == 0 else text


def _agreeing(scene: Scene, place: int, several: bool) -> tuple[Change, ...] | None:
    """What makes the word after the first thing agree; None when it is a verb that no rule changes."""
    word = scene.lower(place)
    if word in ("is", "are"):
        return (Change(place, place + 1, "are" if several else "is"),)
    return () if word.endswith("ing") or scene.reading.kind(place) != "V" else None
