"""The family `replace_rel`: another place, another direction, another deed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from rebind.negatives.lexicon.inflection import gerund, third_person
from rebind.negatives.lexicon.nouns import ALIVE, PEOPLE, read_lines
from rebind.negatives.rules.editing import Change
from rebind.negatives.rules.scene import Scene
from rebind.negatives.rules.things import Thing

_EACH_OTHER = frozenset(("each", "one", "it", "them", "him", "her", "another"))
#: Who sits in front of a computer may be said to sit behind it.
_FACED = frozenset(("behind", "in front of"))
_BE = frozenset(("is", "are", "was", "were"))


@dataclass(frozen=True)
class Relation:
    """A line of the lexicon's relations.

    Attributes:
        words: e.g. ``("next", "to")``.
        opposite: what excludes it.
        objects: nouns and ``=kinds`` that may follow, or ``*``.
        before: words that must stand before it, ``N`` for any noun, or ``*``.
    """

    words: tuple[str, ...]
    opposite: str
    objects: frozenset[str]
    before: frozenset[str]


@cache
def relations() -> dict[str, list[Relation]]:
    """The lexicon's relations by their first word, those of more words first."""
    found: dict[str, list[Relation]] = defaultdict(list)
    for line in read_lines("relations.txt"):
        words, opposite, objects, before = line.split("; ")
        kinds = objects.replace("=animal", "=animal =bird =young_animal").replace("train station", "train_station")
        relation = Relation(tuple(words.split()), opposite, frozenset(kinds.split()), frozenset(before.split()))
        found[relation.words[0]].append(relation)
    return {first: sorted(listed, key=lambda relation: -len(relation.words)) for first, listed in found.items()}


@cache
def deeds() -> dict[str, tuple[tuple[frozenset[str], str, frozenset[str]], ...]]:
    """Form of a verb -> kinds of its doer, the same form of what excludes it, the words that may come next.

    Birds are left out: one that sits may be said to stand.
    """
    doers = {"doer": ALIVE - {"bird"}, "person": PEOPLE, "vehicle": frozenset(("vehicle",))}
    found: dict[str, list[tuple[frozenset[str], str, frozenset[str]]]] = {}
    for line in read_lines("verbs.txt"):
        doer, verb, others, following = line.split("; ")
        for other in others.split():
            for form in (gerund, third_person):
                entry = (doers[doer], _form(form(other), form is gerund, other), frozenset(following.split()))
                found.setdefault(form(verb), []).append(entry)
    return {form: tuple(entries) for form, entries in found.items()}


def _form(form: str, is_gerund: bool, verb: str) -> str:
    return "parked" if verb == "park" and is_gerund else form


def replace_rel(scene: Scene) -> Iterator[tuple[Change, ...]]:
    """A relation becomes one that excludes it."""
    for place in scene.shuffled(range(1, len(scene.reading.words))):
        yield from _another_place(scene, place)
        yield from _another_deed(scene, place)


def _another_place(scene: Scene, place: int) -> Iterator[tuple[Change, ...]]:
    if scene.reading.kind(place) not in "|M":
        return
    for relation in relations().get(scene.lower(place), ()):
        end = place + len(relation.words)
        if tuple(scene.lower(at) for at in range(place, end)) != relation.words:
            continue
        before = "N" if scene.thing_before(place) else scene.lower(place - 1)
        wanted = "*" in relation.before or before in relation.before or scene.lower(place - 1) in relation.before
        if wanted and scene.lower(place - 1) not in ("on", "from", "up") and _may_follow(scene, relation, end):
            yield (Change(place, end, relation.opposite),)


def _may_follow(scene: Scene, relation: Relation, place: int) -> bool:
    thing = scene.thing_from(place)
    if thing is None:
        return "*" in relation.objects and scene.lower(place) in _EACH_OTHER - {"her"}
    if scene.lower(thing.end) in ("'s", "’s", "'") or (not thing.determiner and not thing.plural):
        return False
    if "*" in relation.objects:
        return thing.kind != "electronics" or relation.opposite not in _FACED
    if scene.lower(thing.end) == "of":
        return False
    last = thing.noun.rpartition(" ")[2]
    kind = "=" + thing.kind.replace(" ", "_")
    return not relation.objects.isdisjoint((thing.noun.replace(" ", "_"), last, kind))


def _another_deed(scene: Scene, place: int) -> Iterator[tuple[Change, ...]]:
    doer = _doer(scene, place)
    if doer is None:
        return
    for kinds, other, following in scene.shuffled(deeds().get(scene.lower(place), ())):
        after = scene.lower(place + 1)
        if doer.kind in kinds and after in following and not scene.says((other,)):
            yield (Change(place, place + 1, other),)


def _doer(scene: Scene, place: int) -> Thing | None:
    """The thing that does what the verb at ``place`` says."""
    before = place - 1
    if scene.lower(before) in _BE:
        before -= 1
    return scene.thing_before(before + 1)
