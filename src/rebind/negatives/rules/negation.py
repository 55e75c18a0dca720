"""The family `negate`: what is said to be there is said not to be."""

from __future__ import annotations

from collections.abc import Iterator

from rebind.concepts import gerunds
from rebind.concepts.words import SEVERAL, VERBS, third_person, word_set
from rebind.negatives.rules.editing import Change
from rebind.negatives.rules.scene import Scene
from rebind.negatives.rules.things import Thing

_NEGATIVE = word_set("no not n't without never none nobody nothing neither nor cannot rather instead but")
_BASE = {third_person(verb): verb for verb in VERBS}
_AMOUNTS = SEVERAL | word_set("lots lot couple number bunch variety other")
_OTHERS = word_set("another other others")
_STATES = word_set("in on at a an being")


def negate(scene: Scene) -> Iterator[tuple[Change, ...]]:
    """Deny one thing: "with" becomes "without", "is sitting" "is not sitting", "man riding" "man who is not riding"."""
    if scene.says(_NEGATIVE):
        return
    ways = [*_without(scene), *_is_not(scene), *_who_is_not(scene), *_does_not(scene)]
    yield from scene.shuffled(ways)


def _without(scene: Scene) -> Iterator[tuple[Change, ...]]:
    for place, word in enumerate(scene.reading.words):
        thing = scene.thing_from(place + 1)
        if word.lower == "with" and scene.thing_before(place) and thing and _can_be_missing(scene, thing):
            yield (Change(place, place + 1, "without"),)


def _can_be_missing(scene: Scene, thing: Thing) -> bool:
    """Whether "without" can stand before a thing: not before numbers, amounts or lists."""
    if thing.phrase.number is not None or thing.determiner not in ("a", "an", "his", "her", ""):
        return False
    if scene.lower(thing.attributes.start) in _AMOUNTS or scene.thing_from(thing.end):
        return False
    if not thing.determiner and not thing.plural and thing.noun not in scene.nouns.mass:
        return False
    if scene.reading.kind(thing.end) == "V":  # "with knees bent": it is not the knees that are denied
        return False
    return scene.lower(thing.end) not in ("of", "and", ",", "or", "'s", "’s")


def _is_not(scene: Scene) -> Iterator[tuple[Change, ...]]:
    for place, word in enumerate(scene.reading.words):
        if word.lower not in ("is", "are") or place == 0:
            continue
        before, after = scene.lower(place - 1), scene.lower(place + 1)
        subject = scene.thing_before(place)
        if before == "there" and after in ("a", "an") and scene.lower(place + 2) not in _AMOUNTS:
            yield (Change(place + 1, place + 2, "no"),)
        deniable = before in ("that", "who", "which") or (subject is not None and _all_of_them(scene, subject))
        if deniable and (after.endswith("ing") or after in _STATES):
            yield (Change(place + 1, place + 1, "not"),)


def _all_of_them(scene: Scene, thing: Thing) -> bool:
    """Whether what is denied of a thing is denied of all that may be meant: others of "some people" may well do it."""
    return thing.determiner != "some" and _AMOUNTS.isdisjoint(scene.lower(place) for place in thing.attributes)


def _who_is_not(scene: Scene) -> Iterator[tuple[Change, ...]]:
    thing = _subject(scene)
    if thing is None or not thing.kind or _may_be_another(scene, thing):
        return
    word = scene.lower(thing.end)
    if scene.reading.kind(thing.end) == "V" and word.endswith("ing") and word not in gerunds.AFTER_NOUN:
        relative = "who" if thing.is_person else "that"
        yield (Change(thing.end, thing.end, f"{relative} {'are' if thing.plural else 'is'} not"),)


def _may_be_another(scene: Scene, thing: Thing) -> bool:
    """Whether "who is not" may single out somebody else: one of the "people", or one beside "another" that is there."""
    return scene.says(_OTHERS) or (thing.plural and thing.phrase.number is None and not thing.determiner)


def _does_not(scene: Scene) -> Iterator[tuple[Change, ...]]:
    thing = _subject(scene)
    if thing is None or thing.plural or scene.reading.kind(thing.end) != "V":
        return
    verbs = [at for at in range(thing.end, len(scene.reading.words)) if scene.lower(at) in _BASE]
    if verbs[:1] == [thing.end] and not any(scene.lower(at - 1) in ("and", ",", "then") for at in verbs[1:]):
        yield (Change(thing.end, thing.end + 1, f"does not {_BASE[scene.lower(thing.end)]}"),)


def _subject(scene: Scene) -> Thing | None:
    """The thing that begins the caption, if it is one of which all is denied."""
    first = scene.things[0] if scene.things else None
    return first if first is not None and first.phrase.start == 0 and _all_of_them(scene, first) else None
