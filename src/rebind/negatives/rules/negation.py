"""The family `negate`: what is said to be there is said not to be."""

from __future__ import annotations

from collections.abc import Iterator

from rebind.concepts.words import VERBS, third_person, word_set
from rebind.negatives.rules.editing import Change
from rebind.negatives.rules.scene import Scene

_NEGATIVE = word_set("no not n't without never none nobody nothing neither nor cannot rather instead but")
_BASE = {third_person(verb): verb for verb in VERBS}


def negate(scene: Scene) -> Iterator[tuple[Change, ...]]:
    """ "with" becomes "without", "is sitting" "is not sitting", "a man riding" "a man who is not riding"."""
    if scene.says(_NEGATIVE):
        return
    ways = [*_without(scene), *_is_not(scene), *_who_is_not(scene), *_does_not(scene)]
    yield from scene.shuffled(ways)


def _without(scene: Scene) -> Iterator[tuple[Change, ...]]:
    for place, word in enumerate(scene.reading.words):
        if word.lower != "with" or scene.thing_before(place) is None:
            continue
        thing = scene.thing_from(place + 1)
        if thing is None or thing.phrase.number is not None or thing.determiner not in ("a", "an", "his", "her", ""):
            continue
        if scene.lower(thing.attributes.start) in ("several", "many", "few", "various", "multiple", "lots", "other"):
            continue
        if not thing.determiner and not thing.plural and not scene.nouns.mass & {thing.noun}:
            continue
        if scene.lower(thing.end) in ("of", "and", ",", "or", "'s", "’s"):
            continue
        yield (Change(place, place + 1, "without"),)


def _is_not(scene: Scene) -> Iterator[tuple[Change, ...]]:
    for place, word in enumerate(scene.reading.words):
        if word.lower not in ("is", "are") or place == 0:
            continue
        after = scene.lower(place + 1)
        if scene.lower(place - 1) == "there":
            if after in ("a", "an"):
                yield (Change(place + 1, place + 2, "no"),)
            continue
        if scene.thing_before(place) is None and scene.lower(place - 1) not in ("that", "who", "which"):
            continue
        if after.endswith("ing") or after in ("in", "on", "at", "a", "an", "being"):
            yield (Change(place + 1, place + 1, "not"),)


def _who_is_not(scene: Scene) -> Iterator[tuple[Change, ...]]:
    if not scene.things or scene.things[0].phrase.start != 0 or not scene.things[0].kind:
        return
    thing = scene.things[0]
    if scene.reading.kind(thing.end) == "V" and scene.lower(thing.end).endswith("ing"):
        relative = "who" if thing.is_person else "that"
        yield (Change(thing.end, thing.end, f"{relative} {'are' if thing.plural else 'is'} not"),)


def _does_not(scene: Scene) -> Iterator[tuple[Change, ...]]:
    for thing in scene.things[:1]:
        verb = scene.lower(thing.end)
        if verb in _BASE and scene.reading.kind(thing.end) == "V" and not thing.plural:
            yield (Change(thing.end, thing.end + 1, f"does not {_BASE[verb]}"),)
