"""Captions as bags and sequences of words, compared so that case, punctuation, articles and inflection do not count."""

from __future__ import annotations

import re
from collections import Counter
from difflib import SequenceMatcher
from itertools import zip_longest

from rebind.concepts.words import word_set
from rebind.negatives.lexicon.nouns import load_nouns

_WORD = re.compile(r"[^\W_]+(?:[-'’.][^\W_]+)*")

ARTICLES = word_set("a an the")

#: Words that may change without the picture changing.
EMPTY = ARTICLES | word_set(
    "this that these those some there here is are was were be been being am and his her its their my your our it's"
)

NUMBERS = word_set(
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty thirty forty fifty hundred thousand dozen single pair couple several many few multiple "
    "numerous both"
)

NEGATORS = word_set("no not without never none nobody nothing neither nor cannot lacking missing")

#: Words that a negation may bring along.
AUXILIARIES = word_set("do does did has have had having any with anything anyone")

#: What stands on either side may change places without a change of meaning: of coordinators wherever they stand, of
#: symmetrical relations where nothing before the first side governs it, of "with" where it joins all that there is.
_COORDINATORS = re.compile(r" (?:(?:, )?(?:and|or)|&|,|as well as) ")
_RELATIONS = re.compile(r" (?:beside|near|alongside|next to|close to|adjacent to|along with|together with) ")
_WITH = re.compile(r" with ")

#: Groups of words, no nouns, that say the same in captions; the lexicon knows the nouns.
_SYNONYMS = (
    "big large huge giant massive enormous",
    "small little tiny",
    "gray grey silver",
    "old elderly aged",
    "empty vacant deserted",
    "pretty beautiful lovely",
    "male man",
    "female woman",
    "many several numerous multiple few",
    "pair couple two both",
    "dozen twelve",
    "one single",
    "near beside by alongside next to close adjacent",
    "with wearing having featuring",
    "under underneath beneath below",
    "on atop upon top of",
    "above over",
    "in inside within",
    "sitting seated",
    "holding carrying",
    "riding driving",
    "looking watching staring at",
)

#: Words so general that they stay true of whatever they replace.
_GENERAL = word_set(
    "coloured colored object thing item something someone somebody individual positioned situated placed located "
    "depicted shown"
)

#: Plurals that no ending shows.
_PLURALS = {"men": "man", "women": "woman", "children": "child", "people": "person", "feet": "foot", "teeth": "tooth"}


def words_of(text: str) -> list[str]:
    """The words in small letters, without punctuation."""
    return _WORD.findall(text.lower())


def stem(word: str) -> str:
    """A word without most of its inflection: "rides", "riding" and "ride" give "rid"."""
    word = _PLURALS.get(word, word)
    for ending, instead in (("ies", "y"), ("ing", ""), ("ed", ""), ("es", ""), ("s", "")):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            word = word.removesuffix(ending) + instead
            if ending in ("ing", "ed") and word[-1] == word[-2]:
                word = word[:-1]
            break
    return word.removesuffix("e")


def content(words: list[str]) -> list[str]:
    """The stems of the words that matter, in order."""
    return [stem(word) for word in words if word not in EMPTY]


def gained(before: list[str], after: list[str]) -> list[str]:
    """The words of ``after`` whose stems ``before`` has not, or not so often."""
    spare, new = Counter(content(before)), []
    for word in after:
        if word not in EMPTY:
            spare[stem(word)] -= 1
            if spare[stem(word)] < 0:
                new.append(word)
    return new


def numbers(words: list[str]) -> Counter[str]:
    """How often each number word or numeral stands there; "a" is one, but for "a dozen"."""
    counted = ["one" if word in ("a", "an") else word for word in words]
    pairs = zip_longest(counted, counted[1:], fillvalue="")
    return Counter(word for word, then in pairs if _is_number(word) and not (word == "one" and _is_number(then)))


def _is_number(word: str) -> bool:
    return word in NUMBERS or word[:1].isdigit()


def negators(words: list[str]) -> int:
    """How many words deny something."""
    return sum(word in NEGATORS or word.endswith(("n't", "n’t")) for word in words)


def places_changed(before: list[str], after: list[str]) -> int:
    """In how many places the words that matter differ."""
    matcher = SequenceMatcher(None, content(before), content(after), autojunk=False)
    return sum(operation != "equal" for operation, *_ in matcher.get_opcodes())


def is_reordered(caption: str, foil: str) -> bool:
    """Whether the texts differ in the order of what symmetrical words join: "a cat and a dog", "a dog and a cat"."""
    first, second = _pieces(caption), _pieces(foil)
    if Counter(first) != Counter(second):
        return False
    before, after = _common(first, second), _common(first[::-1], second[::-1])

    def rejoined(joint: re.Pattern[str], start: int, end: int) -> bool:
        parts, others = (sorted(joint.split(" ".join(words[start : len(words) - end]))) for words in (first, second))
        return len(parts) > 1 and parts == others

    ends = range(after + 1)
    coordinated = any(
        rejoined(_COORDINATORS, start, end) for start in range(before + 1) for end in ends if start + end < len(first)
    )
    return coordinated or any(rejoined(_RELATIONS, 0, end) for end in ends) or rejoined(_WITH, 0, 0)


def says_the_same(lost: list[str], new: list[str]) -> bool:
    """Whether the words ``new`` may be true where ``lost`` were: synonyms, more general words, look-alikes."""
    if set(new) <= _GENERAL:
        return True
    stems = {stem(word) for word in (*lost, *new)}
    if any(stems <= group for group in _SYNONYM_STEMS):
        return True
    nouns = load_nouns()
    known = [nouns.singular(" ".join(words)) for words in (lost, new)]
    return None not in known and nouns.alike(*(noun[0] for noun in known if noun))


_SYNONYM_STEMS = [frozenset(map(stem, group.split())) for group in _SYNONYMS]


def _pieces(text: str) -> list[str]:
    """Words and commas, without the words that do not matter."""
    pieces = re.findall(rf"{_WORD.pattern}|[,&]", text.lower())
    return [piece for piece in pieces if piece == "and" or piece not in EMPTY]


def _common(first: list[str], second: list[str]) -> int:
    """How many words two texts of the same length share from the beginning on."""
    return next((n for n, (one, other) in enumerate(zip(first, second, strict=True)) if one != other), len(first))
