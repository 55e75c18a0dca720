"""Families that change what is said of a thing: `replace_att`, `swap_att` and `add_att`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from rebind.concepts.words import COLOURS, PICTURES, SEVERAL, SHADES, word_set
from rebind.negatives.lexicon import Value
from rebind.negatives.lexicon.nouns import read_lines
from rebind.negatives.rules.editing import Change
from rebind.negatives.rules.scene import Scene
from rebind.negatives.rules.things import Thing

_JOINING = frozenset(("and", "or", "&", ",", "-", "/", "with"))
_NOT_REAL = word_set(
    "toy toys statue statues stuffed fake painting sculpture drawing cartoon painted colored colorful balloon "
    "kite kites costume costumes plush doll dolls figurine figurines teddy graffiti mural decorated art artwork logo"
)

#: People who may well be named after what they wear: "the blue team".
_DRESSED_ALIKE = word_set("team crowd audience passenger spectator family couple customer worker group")
_HARDLY = 0.01
#: Only so many attributes of a text without end are paired with one another.
_PAIRED = 64


@cache
def improbable() -> dict[str, tuple[str, ...]]:
    """Kind of noun -> attributes that nothing of this kind is likely to have."""
    rows = (line.partition("; ") for line in read_lines("improbable.txt"))
    return {kind: tuple(words.split(", ")) for kind, _, words in rows if words}


@dataclass(frozen=True)
class _Said:
    """An attribute that a caption gives to a thing."""

    thing: Thing
    place: int
    value: Value


def _said(scene: Scene) -> list[_Said]:
    """The attributes that a caption gives, where each stands alone in its dimension and means what it seems to."""
    found = []
    for thing in scene.things:
        if not thing.agrees:
            continue
        values = [(place, _value(scene, thing, place)) for place in thing.attributes]
        known = [(place, value) for place, value in values if value is not None]
        for place, value in known:
            alone = sum(other.dimension == value.dimension for _, other in known) == 1
            if alone and _plain(scene, place) and not _shaded(scene, place):
                found.append(_Said(thing, place, value))
    return found


def _value(scene: Scene, thing: Thing, place: int) -> Value | None:
    return scene.attributes.value(scene.lower(place), thing.noun, scene.nouns)


def _plain(scene: Scene, place: int) -> bool:
    """Whether a modifier stands by itself: not joined to another, not half of "long haired" or "light blue"."""
    before, after = scene.lower(place - 1), scene.lower(place + 1)
    if before in _JOINING | SHADES | COLOURS or after in _JOINING | SHADES | COLOURS:
        return False
    capital = scene.reading.words[place].text[:1].isupper() and place > 0
    return not capital and not after.endswith("ed") and scene.reading.kind(place - 1) != "A"


def _shaded(scene: Scene, place: int) -> bool:
    """Whether a word beside a modifier may say more of it or the same: "mustard yellow van", "little small cakes"."""
    before, kind = scene.lower(place - 1), scene.reading.kind(place - 1)
    unknown = kind in ("M", "N") and before not in SEVERAL and before not in scene.attributes.words
    return unknown or scene.lower(place + 1) == "little"


def replace_att(scene: Scene) -> Iterator[tuple[Change, ...]]:
    """Another value of the same dimension: a red bus becomes a green one, a wooden bench one of metal."""
    for said in scene.shuffled(_said(scene)):
        for value in _likely_first(scene, said):
            if not scene.says(value.name.split()):
                yield (Change(said.place, said.place + 1, value.name),)


def _likely_first(scene: Scene, said: _Said) -> list[Value]:
    """The other values, those first that the corpus gives to such things."""
    met = scene.substitutes.attributes.get(said.thing.noun, {})
    return sorted(scene.shuffled(scene.attributes.others(said.value)), key=lambda value: value.name not in met)


def swap_att(scene: Scene) -> Iterator[tuple[Change, ...]]:
    """Two things exchange what is said of them in one dimension."""
    said = _said(scene)[:_PAIRED]
    pairs = [(one, other) for place, one in enumerate(said) for other in said[place + 1 :]]
    for one, other in scene.shuffled(pairs):
        if one.thing is other.thing or scene.nouns.alike(one.thing.noun, other.thing.noun):
            continue
        if not scene.attributes.exclude(one.value, other.value):
            continue
        first, second = scene.lower(one.place), scene.lower(other.place)
        if {first, second} & {"little", "speeding"}:
            continue
        yield Change(one.place, one.place + 1, second), Change(other.place, other.place + 1, first)


def add_att(scene: Scene) -> Iterator[tuple[Change, ...]]:
    """A colour or a material that such a thing hardly ever has."""
    if scene.says(_NOT_REAL) or scene.says(PICTURES) or (scene.says(("black",)) and scene.says(("white",))):
        return
    for thing in scene.shuffled(scene.things):
        if not thing.kind or thing.attributes or not (thing.determiner or thing.plural):
            continue
        if scene.lower(thing.phrase.start - 1) == "of" and not thing.determiner:
            continue
        if scene.lower(thing.end) in ("of", "'s", "’s", "'", "-") or not _determined(thing):
            continue
        for word in scene.shuffled(_never(scene, thing)):
            yield (Change(thing.start, thing.start, word),)


def _determined(thing: Thing) -> bool:
    return thing.determiner in ("a", "an", "the", "his", "her", "their", "its", "this", "some", "")


def _never(scene: Scene, thing: Thing) -> list[str]:
    """Attributes that the thing does not have, by its kind and by what the corpus says of such things."""
    named_by_one = not scene.attributes.words.keys().isdisjoint(thing.noun.split())  # "wood table"
    if thing.noun in _DRESSED_ALIKE or named_by_one:
        return []
    met = scene.substitutes.attributes.get(thing.noun, {})
    most = _HARDLY * scene.substitutes.nouns.get(thing.noun, 0)
    words = improbable().get(thing.kind, ())
    shaded = scene.attributes.names_sort(thing.noun) and not thing.is_person
    return [
        word
        for word in words
        if met.get(word, 0) <= most and not scene.says((word,)) and not (shaded and word in COLOURS)
    ]
