"""How English words change: plurals, verb forms, and "a" or "an" by sound."""

from __future__ import annotations

import re

from rebind.concepts.words import third_person, word_set

__all__ = ["UNCHANGED", "article", "gerund", "plural", "third_person"]

_IRREGULAR = {
    "child": "children",
    "foot": "feet",
    "goose": "geese",
    "mouse": "mice",
    "ox": "oxen",
    "person": "people",
    "tooth": "teeth",
    "leaf": "leaves",
    "loaf": "loaves",
    "half": "halves",
    "calf": "calves",
    "wolf": "wolves",
    "scarf": "scarves",
    "shelf": "shelves",
    "thief": "thieves",
    "elf": "elves",
    "cactus": "cacti",
    "die": "dice",
    "quiz": "quizzes",
}
#: Nouns whose plural is like the singular.
UNCHANGED = word_set("sheep deer fish moose bison elk aircraft series species shrimp salmon")
_WITH_ES = frozenset(("potato", "tomato", "hero", "echo", "mango", "mosquito", "volcano", "buffalo", "torpedo"))
_NOT_MEN = frozenset(("human", "german", "roman", "ottoman", "caiman", "shaman", "talisman"))


def plural(noun: str) -> str:
    """``"wine glass"`` -> ``"wine glasses"``, ``"policeman"`` -> ``"policemen"``."""
    before, space, last = noun.rpartition(" ")
    return before + space + _plural_word(last)


def _plural_word(word: str) -> str:
    if word in _IRREGULAR or word in UNCHANGED:
        return _IRREGULAR.get(word, word)
    for ending in ("shelf", "leaf", "wolf", "person", "child", "mouse", "goose"):
        if word.endswith(ending) and word != "mongoose":
            return word.removesuffix(ending) + _IRREGULAR[ending]
    if word.endswith("man") and word not in _NOT_MEN:
        return word[:-2] + "en"
    if word.endswith(("knife", "wife", "life")):
        return word[:-2] + "ves"
    if word.endswith("y") and word[-2:-1] not in tuple("aeiou"):
        return word[:-1] + "ies"
    if word.endswith(("s", "x", "z", "ch", "sh")) or word in _WITH_ES:
        return word + "es"
    return word + "s"


_UNDOUBLED = frozenset(("open", "enter", "listen", "cover", "offer", "visit", "follow", "gather", "repair"))
_ONE_VOWEL = re.compile(r"[^aeiou]*[aeiou][^aeiouwxy]")


def gerund(verb: str) -> str:
    """``"sit"`` -> ``"sitting"``, ``"ride"`` -> ``"riding"``, ``"lie"`` -> ``"lying"``."""
    if verb.endswith("ie"):
        return verb[:-2] + "ying"
    if verb.endswith("e") and not verb.endswith(("ee", "ye", "oe")):
        return verb[:-1] + "ing"
    doubles = _ONE_VOWEL.fullmatch(verb) and verb not in _UNDOUBLED
    return verb + (verb[-1] if doubles else "") + "ing"


_SILENT_H = re.compile(r"hour|honest|honou?r|heir")
_SOUNDS_YOU = re.compile(
    r"uni(?:[cfqstv]|on)|u(?:s[aeiu]|kr|k[eu]|r(?:in|an|ea)|ten|t[ie]|bi|fo\b|v)|eu|ewe|yu|u(?:-|$)|u\."
)
_SOUNDS_WON = re.compile(r"on(?:e(?:\b|-|s|self)|ce)")
_LETTERS = re.compile(r"[B-DF-HJ-NP-TV-XZ0-9]+$|(?:SUV|MRI|NBA|UFO|USB|UPS|ATM|IBM|USA?|UK|ESPN|IPA)$|[A-Za-z]-")
_LETTERS_WITH_VOWEL = tuple("aefhilmnorsx")
_NUMBERS_WITH_VOWEL = re.compile(r"8|11(?!\d)|18(?!\d)")


def article(word: str) -> str:
    """Whichever of "a" and "an" stands before ``word`` as it is spoken: "an hour", "a unicorn", "an SUV", "an 8"."""
    lower = word.lower()
    if word[:1].isdigit():
        vowel = _NUMBERS_WITH_VOWEL.match(word) is not None
    elif _LETTERS.match(word):
        vowel = lower.startswith(_LETTERS_WITH_VOWEL)
    elif _SOUNDS_YOU.match(lower) or _SOUNDS_WON.match(lower):
        vowel = False
    else:
        vowel = lower.startswith(tuple("aeiou")) or _SILENT_H.match(lower) is not None
    return "an" if vowel else "a"
