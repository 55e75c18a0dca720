"""From one caption to its hard negatives: every family proposes, what does not hold up is left out."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b

from rebind.concepts.language import is_english
from rebind.concepts.phrases import Reading, read_caption
from rebind.negatives.families import FAMILIES, Foil, edits_between
from rebind.negatives.lexicon import load_nouns
from rebind.negatives.rules.attributes import add_att, replace_att, swap_att
from rebind.negatives.rules.editing import Change, rewrite
from rebind.negatives.rules.negation import negate
from rebind.negatives.rules.numbers import replace_num
from rebind.negatives.rules.objects import add_obj, replace_obj
from rebind.negatives.rules.relations import replace_rel
from rebind.negatives.rules.scene import Scene
from rebind.negatives.rules.substitutes import Substitutes
from rebind.negatives.rules.swaps import swap_obj, swap_rel
from rebind.negatives.rules.things import Thing, things_in

#: What proposes the negatives of each family.
PROPOSALS: dict[str, Callable[[Scene], Iterator[tuple[Change, ...]]]] = {
    "swap_att": swap_att,
    "swap_obj": swap_obj,
    "swap_rel": swap_rel,
    "replace_att": replace_att,
    "replace_obj": replace_obj,
    "replace_rel": replace_rel,
    "replace_num": replace_num,
    "add_obj": add_obj,
    "add_att": add_att,
    "negate": negate,
}

_NOTHING_MINED = Substitutes()
_TRIES = 8
_TWICE = re.compile(r"\b(\w+) \1\b", re.IGNORECASE)
_QUESTION = re.compile(r"\?|^(?:what|why|how|who|where|is|are|do|does|did|can|could|would)\b", re.IGNORECASE)


def write_foils(
    caption: str,
    substitutes: Substitutes | None = None,
    families: Sequence[str] = FAMILIES,
    seed: str = "",
    others: Iterable[str] = (),
    count: int | None = None,
    rejects: Counter[str] | None = None,
) -> list[Foil]:
    """At most one hard negative of each family, in the order of `FAMILIES`; the same for the same arguments.

    Args:
        caption: what is true of the picture.
        substitutes: what the corpus speaks of; the lexicon's own everyday nouns when not given.
        families: which families to try.
        seed: decides between the possible negatives, e.g. a seed and the picture's key.
        others: further captions or concepts of the picture: what they name is never put in.
        count: at most so many, of families drawn by chance among those that fit the caption.
        rejects: proposals that were left out are counted here, by reason.

    Example:
        >>> [foil.caption for foil in write_foils("A cat under a table.", families=["replace_rel"])]
        ['A cat on top of a table.']
    """
    reading, things = _read(caption)
    counter: Counter[str] = Counter() if rejects is None else rejects
    if not reading.words or _QUESTION.search(caption):
        return []
    if not is_english(word.lower for word in reading.words):
        counter["the caption is not English"] += 1
        return []
    mentioned = frozenset(thing.noun for text in (caption, *others) for thing in _read(text)[1])
    scene = Scene(reading, things, mentioned, substitutes or _NOTHING_MINED, random.Random())
    order = [family for family in FAMILIES if family in families]
    if count is not None:
        scene.chance.seed(_number(seed, caption, "families"))
        scene.chance.shuffle(order)
    said = {_normal(text) for text in others}
    foils: dict[str, Foil] = {}
    for family in order:
        if count is not None and len(foils) >= count:
            break
        scene.chance.seed(_number(seed, caption, family))
        foil = _first_good(scene, family, said | set(foils), counter)
        if foil is not None:
            foils[_normal(foil.caption)] = foil
    return sorted(foils.values(), key=lambda foil: FAMILIES.index(foil.family))


@lru_cache(maxsize=64)  # the captions of a picture are read again for each of them
def _read(caption: str) -> tuple[Reading, tuple[Thing, ...]]:
    reading = read_caption(caption)
    return reading, things_in(reading, load_nouns())


def _normal(text: str) -> str:
    return " ".join(text.casefold().split())


def _number(*words: str) -> int:
    return int.from_bytes(blake2b("\0".join(words).encode(), digest_size=8).digest(), "big")


def _first_good(scene: Scene, family: str, taken: set[str], rejects: Counter[str]) -> Foil | None:
    for number, changes in enumerate(PROPOSALS[family](scene)):
        foil = rewrite(scene.reading, changes)
        reason = fault(scene.reading, foil)
        if _normal(foil) in taken:
            reason = "said already"
        if reason is None:
            return Foil(foil, family, edits_between(scene.reading.caption, foil))
        rejects[reason] += 1
        if number >= _TRIES:
            break
    return None


def fault(reading: Reading, foil: str) -> str | None:
    """What is wrong with a hard negative by its form; None when nothing is."""
    if foil.casefold() == reading.caption.casefold():
        return "the same as the caption"
    if len(_TWICE.findall(foil)) > len(_TWICE.findall(reading.caption)):
        return "a word twice in a row"
    return None
