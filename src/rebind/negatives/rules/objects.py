"""Families that put another thing in: `replace_obj` and `add_obj`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from rebind.concepts.words import PICTURES, SEVERAL, word_set
from rebind.negatives.lexicon.inflection import article, plural
from rebind.negatives.lexicon.nouns import ALIVE, read_lines, word_list
from rebind.negatives.rules.editing import Change
from rebind.negatives.rules.scene import Scene
from rebind.negatives.rules.things import Thing

#: Words by which a caption would contradict itself once a man became a woman.
GENDERED = word_set("he him his himself she her hers herself male female beard bearded mustache pregnant")

_OTHER_SEX = {
    "man": ("woman",),
    "woman": ("man",),
    "boy": ("girl",),
    "girl": ("boy",),
    "guy": ("woman",),
    "lady": ("man",),
    "gentleman": ("lady",),
    "father": ("mother",),
    "mother": ("father",),
    "businessman": ("businesswoman",),
    "cowboy": ("cowgirl",),
}
_SELECTIVE = word_set(
    "in on at down up through along across over into onto inside off from riding ride rides wearing wears wear flying "
    "fly flies playing plays play driving drives drinking eating eats eat using reading cutting catching throwing "
    "hitting swinging hit catch throw cooking preparing making against under behind around"
)

#: Kinds of things of the open air and of the house: what is added comes from where the caption is not.
_OUTDOORS = frozenset(("outdoors", "animal", "vehicle", "ridden", "street sign"))
_INDOORS = frozenset(("room", "fixture", "appliance", "furniture"))
_EITHER = frozenset(
    ("bench", "park bench", "chair", "table", "picnic table", "cat", "dog", "skateboard", "store", "barn")
)
#: What is at one place is not at another; but it may be near, behind or along both of them.
_AT = word_set(
    "in on at inside into onto across through down up over off from of outside within is enters entering cross crosses "
    "crossing"
)
_VIEWS = word_set("view up closeup close-up inside outside front scene")
_NOW_AND_THEN, _AT_HOME = 0.04, 0.2
#: Kinds whose things are often in one place: only a corpus can tell which are not.
_SIDE_BY_SIDE = frozenset(
    (
        *("fixture", "appliance", "electronics", "tableware", "cutlery", "fruit", "vegetable", "dish", "sweet"),
        *("furniture", "street sign", "vehicle", "top", "legwear", "neckwear", "headwear", "flower", "tool"),
    )
)
_COLLECTIVES = word_set("herd flock pack school swarm bouquet litter team pride colony clump variety")


@cache
def vague() -> frozenset[str]:
    """Nouns that are never put in."""
    return frozenset(noun.replace("_", " ") for noun in word_list("vague.txt"))


def fits(scene: Scene, noun: str) -> bool:
    """Whether a thing called ``noun`` is neither spoken of under any name nor likely to be in the picture."""
    if noun in vague() or any(scene.nouns.alike(noun, other) for other in scene.mentioned):
        return False
    return scene.substitutes.improbable(noun, scene.mentioned)


def replace_obj(scene: Scene) -> Iterator[tuple[Change, ...]]:
    """Another thing of the same kind in place of one that is there."""
    for thing in scene.shuffled(scene.things):
        if not _replaceable(scene, thing):
            continue
        for noun in scene.shuffled(_candidates(scene, thing)):
            if _follows(scene, thing, noun) and _elsewhere(scene, thing, noun) and fits(scene, noun):
                start = _first_to_go(scene, thing, noun)
                yield (Change(start, thing.end, plural(noun) if thing.plural else noun),)


def _replaceable(scene: Scene, thing: Thing) -> bool:
    before, after = scene.lower(thing.phrase.start - 1), scene.lower(thing.end)
    if (
        not thing.kind
        or after in ("of", "'s", "’s", "'", "-", "/", "set", "sets")
        or before in ("'s", "’s", "'", "/", "-")
    ):
        return False
    if before == "of" and not thing.determiner and not thing.plural:
        return False
    if thing.noun in scene.nouns.plural_only and thing.kind != "legwear":
        return False
    bare = not thing.determiner and not thing.plural
    if bare and not (thing.phrase.start == 0 and thing.kind in ALIVE):
        return False
    if thing.kind in ("room", "outdoors") and thing.phrase.start and before not in _AT:
        return False
    counted = thing.phrase.number is not None and scene.lower(thing.phrase.number) != "one"
    if (
        thing.kind in ("room", "outdoors")
        and before == "of"
        and scene.lower(thing.phrase.start - 2) not in PICTURES | _VIEWS
    ):
        return False
    if not thing.plural and after in ("are", "have", "were"):
        return False
    if (counted and not thing.plural) or (before == "of" and scene.lower(thing.phrase.start - 2) in _COLLECTIVES):
        return False
    return scene.names[thing.noun] == 1 and not any(
        scene.nouns.alike(other, thing.noun) for other in scene.names if other != thing.noun
    )


def _candidates(scene: Scene, thing: Thing) -> tuple[str, ...]:
    if thing.kind in ("man", "woman"):
        return () if scene.says(GENDERED) else _OTHER_SEX.get(thing.noun, ())
    if thing.kind == "anybody":
        same_sort = () if scene.says(GENDERED) else scene.substitutes.of_kind("animal")
    elif thing.kind == "sportsman":
        same_sort = ()
    else:
        same_sort = scene.substitutes.of_kind(thing.kind)
    counted = [noun for noun in same_sort if scene.nouns.countable(noun)]
    return tuple(noun for noun in counted if not scene.nouns.alike(noun, thing.noun))


def _elsewhere(scene: Scene, thing: Thing, noun: str) -> bool:
    """Whether a thing of a kind that is often found together can be told not to be there."""
    return thing.kind not in _SIDE_BY_SIDE or scene.substitutes.expected(noun, thing.noun) >= 1


def _follows(scene: Scene, thing: Thing, noun: str) -> bool:
    """Whether the corpus lets ``noun`` follow the word before ``thing``, if that word is choosy."""
    before = scene.lower(thing.phrase.start - 1)
    if before not in _SELECTIVE or thing.kind in ("man", "woman"):
        return True
    places = thing.kind in ("room", "outdoors")
    return scene.substitutes.follows(noun, before, _AT_HOME if places else _NOW_AND_THEN)


def _first_to_go(scene: Scene, thing: Thing, noun: str) -> int:
    """Attributes stay if all can be said of ``noun``; else they go, but for numbers."""
    counting = [place for place in thing.attributes if _counts(scene, place)]
    first = counting[-1] + 1 if counting else thing.attributes.start
    said = [scene.lower(place) for place in range(first, thing.start)]
    known = all(
        scene.attributes.value(word, thing.noun, scene.nouns) and scene.attributes.value(word, noun, scene.nouns)
        for word in said
    )
    return thing.start if known else first


def _counts(scene: Scene, place: int) -> bool:
    return scene.reading.kind(place) == "#" or scene.lower(place) in SEVERAL


def add_obj(scene: Scene) -> Iterator[tuple[Change, ...]]:
    """A thing that hardly ever is where the caption's things are, at the end of the caption."""
    place = _end(scene)
    if place is None or scene.says(PICTURES):
        return
    for noun in scene.shuffled(_out_of_place(scene)):
        if fits(scene, noun):
            yield (Change(place, place, f"{_joint(scene, place)} {article(noun)} {noun}"),)


def _out_of_place(scene: Scene) -> tuple[str, ...]:
    """Large things from the other side of the door than what the caption speaks of."""
    kinds = {scene.nouns.kind(noun) for noun in scene.mentioned - _EITHER}
    inside, outside = kinds & _INDOORS, kinds & _OUTDOORS
    if inside and outside:
        return ()
    return added()["outdoors" if outside else "indoors" if inside else "anywhere"]


@cache
def added() -> dict[str, tuple[str, ...]]:
    """Where a caption plays -> large things that hardly ever are there."""
    rows = (line.partition(": ") for line in read_lines("added.txt"))
    return {where: tuple(nouns.split(", ")) for where, _, nouns in rows}


def _end(scene: Scene) -> int | None:
    """Place after the caption's last word, a noun; None when the caption does not end so or is no single sentence."""
    words = scene.reading.words
    end = len(words)
    while end and not words[end - 1].lower[0].isalnum():
        end -= 1
    closed = all(word.lower in (".", "!", ",") for word in words[end:]) and len(words) - end <= 2
    single = not any(word.lower in (".", ";", ":", "?", '"', "!") for word in words[:end])
    last = scene.thing_before(end)
    return end if closed and single and last is not None and end == last.end else None


def _joint(scene: Scene, place: int) -> str:
    last = scene.thing_before(place)
    before = scene.lower(last.phrase.start - 1) if last else ""
    if before in ("with", "near", "beside", "to") and not scene.says(("and", ",", "&")):
        return "and"
    joints = [joint for joint in ("next to", "near", "beside") if not scene.says((joint.split()[0],))]
    return scene.chance.choice(joints or ["close to"])
