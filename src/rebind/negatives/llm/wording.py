"""Captions as bags and sequences of words, compared so that case, punctuation, articles and inflection do not count."""

from __future__ import annotations

import re
from collections import Counter
from difflib import SequenceMatcher
from itertools import groupby, zip_longest

from rebind.concepts.phrases import read_caption
from rebind.concepts.reader import MODIFIER
from rebind.concepts.words import word_set
from rebind.negatives.lexicon import load_attributes, load_nouns

_WORD = re.compile(r"[^\W_]+(?:[-'’.][^\W_]+)*")

ARTICLES = word_set("a an the")

#: Words that may change without the picture changing.
EMPTY = ARTICLES | word_set(
    "this that these those some there here is are was were be been being am and his her its their my your our it's"
)

_UP_TO_TWENTY = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
)
_NUMERALS = {str(number): word for number, word in enumerate(_UP_TO_TWENTY)}

NUMBERS = frozenset(_UP_TO_TWENTY) | word_set(
    "thirty forty fifty hundred thousand dozen single pair couple several many few multiple numerous both"
)

NEGATORS = word_set("no not without never none nobody nothing neither nor cannot lacking missing")

#: Words that a negation may bring along.
AUXILIARIES = word_set("do does did has have had having any with anything anyone")

#: What stands on either side may change places without a change of meaning: of coordinators wherever they stand, of
#: symmetrical relations where nothing before the first side governs it, of "with" where it joins all that there is.
_COORDINATORS = re.compile(r" (?:(?:, )?(?:and|or)|&|,|as well as) ")
_RELATIONS = re.compile(
    r" (?:beside|near|alongside|next to|close to|adjacent to|along with|together with|facing|opposite|across from"
    r"|(?:talk|speak|chat)(?:ing|s)? (?:to|with)|danc(?:e|ing|es) with|shak(?:e|ing|es) hands with) "
)
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
    "many several numerous multiple",
    "few several",
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
    "looking watching staring at gazing",
    "young little small",
    "photo photograph picture image snapshot shot",
    "wood wooden",
    "wool woolen woollen",
    "walk stroll saunter wander",
    "run sprint jog race dash",
    "eat consume devour munch",
    "jump leap hop",
    "sleep nap doze snooze slumber",
    "throw toss hurl",
    "talk chat speak converse",
    "hold grip grasp clutch",
    "smile grin",
    "lie lay laying lying recline",
)

#: Phrases that say no more than one word does.
_WORDY = tuple(
    (re.compile(rf"\b(?:{phrases})\b"), word)
    for phrases, word in (
        ("(?:a lot|lots|plenty|a (?:large |great )?number) of", "many"),
        ("inside of", "inside"),
        ("outside of", "outside"),
    )
)

#: How many words before and after a difference are looked at for what is joined there; keeps judging linear.
_REACH = 16

#: Words so general that they stay true of whatever they replace.
_GENERAL = word_set(
    "coloured colored object thing item something someone somebody individual positioned situated placed located "
    "depicted shown"
)

#: Plurals that no ending shows.
_PLURALS = {"men": "man", "women": "woman", "children": "child", "people": "person", "feet": "foot", "teeth": "tooth"}


def words_of(text: str) -> list[str]:
    """The words in small letters, without punctuation, "many" for "a lot of"."""
    text = " ".join(_WORD.findall(text.lower()))
    for phrase, word in _WORDY:
        text = phrase.sub(word, text)
    return text.split()


def stem(word: str) -> str:
    """A word without most of its inflection: "rides", "riding" and "ride" give "rid"; a numeral as a word."""
    word = _PLURALS.get(word, _NUMERALS.get(word, word))
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
    counted = ["one" if word in ("a", "an") else _NUMERALS.get(word, word) for word in words]
    pairs = zip_longest(counted, counted[1:], fillvalue="")
    return Counter(word for word, then in pairs if _is_number(word) and not (word == "one" and _is_number(then)))


def _is_number(word: str) -> bool:
    return word in NUMBERS or word[:1].isdigit()


def negators(words: list[str]) -> int:
    """How many words deny something; two in a row, as in "not without", deny nothing."""
    denies = (word in NEGATORS or word.endswith(("n't", "n’t")) for word in words)
    return sum(len(list(row)) % 2 for denying, row in groupby(denies) if denying)


def places_changed(before: list[str], after: list[str]) -> int:
    """In how many places the words that matter differ."""
    matcher = SequenceMatcher(None, content(before), content(after), autojunk=False)
    return sum(operation != "equal" for operation, *_ in matcher.get_opcodes())


def is_reordered(caption: str, foil: str) -> bool:
    """Whether the texts differ only in an order that means nothing.

    It is that of what symmetrical words join, "a cat and a dog" and "a dog and a cat", or that of adjectives in a row.
    """
    first, second = _pieces(caption), _pieces(foil)
    if Counter(first) != Counter(second):
        return False
    if first != second and _in_any_order(caption) == _in_any_order(foil):
        return True
    before, after = _common(first, second), _common(first[::-1], second[::-1])

    def rejoined(joint: re.Pattern[str], start: int, end: int) -> bool:
        parts, others = (sorted(joint.split(" ".join(words[start : len(words) - end]))) for words in (first, second))
        return len(parts) > 1 and parts == others

    starts, ends = (range(max(0, same - _REACH), same + 1) for same in (before, after))
    coordinated = any(
        rejoined(_COORDINATORS, start, end) for start in starts for end in ends if start + end < len(first)
    )
    return coordinated or any(rejoined(_RELATIONS, 0, end) for end in ends) or rejoined(_WITH, 0, 0)


def says_the_same(lost: list[str], new: list[str]) -> bool:
    """Whether the words ``new`` may be true where ``lost`` were: synonyms, more general words, look-alikes."""
    if set(new) <= _GENERAL:
        return True
    stems = {stem(word) for word in (*lost, *new)}
    if any(stems <= group for group in _SYNONYM_STEMS):
        return True
    if len(lost) == len(new) == 1 and _one_value(lost[0], new[0]):
        return True
    nouns = load_nouns()
    known = [nouns.singular(" ".join(words)) for words in (lost, new)]
    return None not in known and nouns.alike(*(noun[0] for noun in known if noun))


def _one_value(one: str, other: str) -> bool:
    """Whether two attributes are names of about the same: "red" and "crimson"."""
    said = load_attributes().words
    return not {(value.dimension, value.rank) for value in said.get(one, ())}.isdisjoint(
        (value.dimension, value.rank) for value in said.get(other, ())
    )


def _in_any_order(text: str) -> list[str]:
    """The words that matter, those of each row of adjectives by the alphabet."""
    words = [word for word in read_caption(text).words if word.lower[0].isalnum() and word.lower not in EMPTY]
    rows = (
        (modifies, [word.lower for word in row]) for modifies, row in groupby(words, lambda word: word.kind == MODIFIER)
    )
    return [word for modifies, row in rows for word in (sorted(row) if modifies else row)]


_SYNONYM_STEMS = [frozenset(map(stem, group.split())) for group in _SYNONYMS]


def _pieces(text: str) -> list[str]:
    """Words and commas, without the words that do not matter."""
    pieces = re.findall(rf"{_WORD.pattern}|[,&]", text.lower())
    return [piece for piece in pieces if piece == "and" or piece not in EMPTY]


def _common(first: list[str], second: list[str]) -> int:
    """How many words two texts of the same length share from the beginning on."""
    return next((n for n, (one, other) in enumerate(zip(first, second, strict=True)) if one != other), len(first))
