"""The family `replace_num`: more of something than there are."""

from __future__ import annotations

from collections.abc import Iterator

from rebind.concepts.words import OFTEN_PLURALS, PICTURES, SEVERAL, VERBS, third_person, word_set
from rebind.negatives.lexicon.inflection import plural
from rebind.negatives.rules.editing import Change
from rebind.negatives.rules.scene import Scene
from rebind.negatives.rules.things import Thing

NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_SINGULAR_VERBS = {"is": "are", "has": "have", "was": "were", **{third_person(verb): verb for verb in VERBS}}
_ONE_BY_ONE = word_set(
    "one both each other another pair couple its his her him he she it himself herself itself alone solo lonely "
    "solitary individually"
)
_SINGLE = word_set("single lone solitary whole entire only sole different separate first second last half")
_PARTS = word_set(
    "hand foot leg arm eye ear wheel side end way time story level door side half tier piece lane deck seat engine"
)


def replace_num(scene: Scene) -> Iterator[tuple[Change, ...]]:
    """A number becomes a greater one; one thing becomes several, and its verb agrees."""
    if scene.says(_ONE_BY_ONE):
        return
    for thing in scene.shuffled(scene.things):
        if thing.noun in _PARTS or scene.lower(thing.end) in ("'s", "’s", "'", "-", "/"):
            continue
        if thing.phrase.number is not None:
            yield from _greater(scene, thing)
        elif thing.determiner in ("a", "an"):
            yield from _several(scene, thing)


def _greater(scene: Scene, thing: Thing) -> Iterator[tuple[Change, ...]]:
    place = thing.phrase.number
    word = scene.lower(place) if place is not None else ""
    if place is None or word not in NUMBERS or not thing.plural or thing.attributes.start != place:
        return
    for number in scene.shuffled(NUMBERS[NUMBERS.index(word) + 1 : NUMBERS.index(word) + 5]):
        yield (Change(place, place + 1, number),)


def _several(scene: Scene, thing: Thing) -> Iterator[tuple[Change, ...]]:
    determiner = thing.phrase.determiner
    if determiner is None or thing.plural or not thing.kind or not scene.nouns.countable(thing.noun):
        return
    if not _SINGLE.isdisjoint(scene.lower(place) for place in thing.attributes):
        return
    if scene.lower(thing.end) in ("of", "that", "who", "which") or not _plain_place(scene, thing):
        return
    agreeing = _agreeing(scene, thing)
    if agreeing is None:
        return
    for number in scene.shuffled(NUMBERS[1:5]):
        head = Change(thing.end - 1, thing.end, plural(thing.noun.rpartition(" ")[2]))
        yield Change(determiner, determiner + 1, number), head, *agreeing


def _plain_place(scene: Scene, thing: Thing) -> bool:
    """Whether a thing's phrase begins the caption or is counted without harm where it stands."""
    start = thing.phrase.start
    before = scene.lower(start - 1)
    if before == "of":
        return scene.lower(start - 2) in PICTURES | {"view", "up", "closeup", "close-up", "front"}
    return start == 0 or before in ("with", "holding", "near", "beside", "behind", "watching", "and")


def _agreeing(scene: Scene, thing: Thing) -> tuple[Change, ...] | None:
    """What makes the verb after a thing agree with several; None when it cannot be told."""
    if scene.lower(thing.end) in ("and", "or", ",", "&"):
        return None
    if thing.phrase.start:
        return None if _is_singular_verb(scene, thing.end) else ()
    if scene.says(("their", "them", "they")):
        return None
    verbs = [at for at in range(thing.end, len(scene.reading.words)) if _is_singular_verb(scene, at)]
    if not verbs:
        return ()
    own, *further = verbs
    if own != thing.end or not all(_has_own_subject(scene, at) for at in further):
        return None
    return (Change(own, own + 1, _SINGULAR_VERBS[scene.lower(own)]),)


def _is_singular_verb(scene: Scene, place: int) -> bool:
    """Whether a word is a verb in the singular, or may be one that was taken for a noun: "in black sits"."""
    word, kind = scene.lower(place), scene.reading.kind(place)
    if kind == "V":
        return word in _SINGULAR_VERBS
    if kind != "N" or word not in _SINGULAR_VERBS or scene.lower(place + 1) == "of":
        return False
    described = scene.reading.kind(place - 1) == "M" and scene.lower(place - 1) not in SEVERAL | {"different"}
    return described or word not in OFTEN_PLURALS


def _has_own_subject(scene: Scene, place: int) -> bool:
    """Whether the verb belongs to a clause of its own: "while a woman watches"."""
    subject = scene.thing_before(place)
    return subject is not None and scene.lower(subject.phrase.start - 1) in ("while", "as", "and", ",")
