"""Whether a caption is English, the only language that the word lists and the tagger know."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rebind.concepts import words as known
from rebind.concepts.reader import CLOSED, THIRD_PERSON

#: Function words of other languages that are no English words.
_FOREIGN = known.word_set(
    "un une le la les des du et avec sur dans au aux est qui que sa ses dont chez cette deux "
    "der das ein eine einen einem einer eines und auf mit dem vor neben zwei ist von zum zur nicht sich ihre seine "
    "el los las del uno una y con en por para su sus junto dos de il gli di della dei che nel nella sul sulla due "
    "um uma os com em ao à da na duas het een op aan bei bij naar zijn voor twee ett och på av är som til og "
    "egy és jest się nad ve bir"
)
#: English function words that others have, too, with whatever meaning.
_SHARED = known.word_set("a an i in on as so me no is am was he we up over of all to do us what that")
_FUNCTION = CLOSED.keys() - _SHARED
_LISTED = (
    known.NOUNS | known.MODIFIERS | known.COLOURS | known.NUMBERS | known.VERBS | THIRD_PERSON | known.AGENTS
    | known.PLURALS | known.SHADES
)  # fmt: skip
_LATIN = re.compile(r"[a-z\u00c0-\u024f\u1e00-\u1eff]")
_ENDINGS = re.compile(r"(?:'s|s|es|ed|ing)$")
_FEWEST = 4


def is_english(words: Iterable[str]) -> bool:
    """Whether lower-cased ``words`` may be an English caption; doubtful ones are.

    They are not when most are in letters other than Latin; when more than twice as many function words are those of
    other languages as are English; or when there are no English ones and the tagger's lexicon knows less than half of
    the words beside a foreign one, or less than a third of four words or more, or of words with letters that English
    lacks: a few names are no other language.

    Example:
        >>> is_english("hund auf einem roten sofa".split()), is_english("dog on the red sofa".split())
        (False, True)
    """
    spoken = [word for word in words if word[0].isalpha()]
    latin = sum(_LATIN.match(word) is not None for word in spoken)
    if 2 * latin < len(spoken):
        return False
    foreign = sum(word in _FOREIGN for word in spoken)
    english = sum(word in _FUNCTION for word in spoken)
    if foreign > max(2 * english, 1):
        return False
    named = [word for word in spoken if word not in _SHARED and word not in _FOREIGN]
    if english or (not foreign and len(named) < _FEWEST and "".join(named).isascii()):
        return True
    return (2 if foreign else 3) * sum(map(_is_known, named)) >= len(named)


def _is_known(word: str) -> bool:
    from textblob.en import lexicon  # brings NLTK along; the command line must start sooner

    def listed(part: str) -> bool:
        tags = (lexicon.get(part), lexicon.get(part.capitalize()))
        return part in _LISTED or any(tag not in (None, "FW") for tag in tags)

    return any(listed(part) or listed(_ENDINGS.sub("", part)) for part in word.split("-"))
