"""Give each word of a caption one class, repairing what the tagger gets wrong on captions.

The tagger knows a word's most frequent tag in newspapers. Captions differ: nouns stand where it sees verbs ("a stop
sign", "teddy bears"), participles modify nouns ("white frosted cake"), and most have no finite verb at all.
"""

from __future__ import annotations

from rebind.concepts import gerunds
from rebind.concepts import words as known
from rebind.concepts.reader import (
    ADVERB,
    BOUNDARY,
    CLOSED,
    CONJUNCTION,
    DETERMINER,
    LOOK_AHEAD,
    MODIFIER,
    NOUN,
    NUMBER,
    OPEN,
    POSSESSIVE,
    THIRD_PERSON,
    VERB,
    Reader,
    is_participle,
)

_JOINING = frozenset(("and", "or", "&", ","))
_POSSESSIVES = frozenset(("'s", "’s", "'", "’"))
#: Names written apart, after another noun: "tile back splash".
_BACKS = frozenset(("back", noun) for noun in ("splash", "yard", "pack", "drop", "board", "stop", "door", "seat"))
_SUBJECTS = known.RELATIVES | known.PRONOUNS
_ACTING = known.AGENTS | known.PICTURES
_OBJECT_STARTS = known.DETERMINERS - known.RELATIVES


def classify(words: list[str], tags: list[str]) -> list[str]:
    """The class of each word of one lower-cased caption, from its words and their Penn Treebank tags."""
    reader = Reader(words, tags)
    for word, tag in zip(words, tags, strict=True):
        reader.classes.append(_class_of(word, tag, reader))
    return reader.classes


def _class_of(word: str, tag: str, reader: Reader) -> str:
    for rule in (_idiom, _closed, _number, _gerund, _participle, _modifier):
        kind = rule(word, tag, reader)
        if kind is not None:
            return kind
    if word in THIRD_PERSON:
        return _third_person(word, reader)
    if word in known.VERBS or tag in ("VB", "VBP"):
        return _base_form(word, reader)
    if tag in ("VBD", "VBZ"):
        return _unknown_verb(word, tag, reader)
    if tag == "NNS" and _takes_object(reader):
        return VERB
    if word in known.NOUNS or tag in ("NN", "NNS", "NNP", "NNPS", "FW", "LS", "SYM"):
        return NOUN
    return BOUNDARY


def _idiom(word: str, tag: str, reader: Reader) -> str | None:
    """Words that are something else in a set phrase."""
    following = reader.word(1)
    if reader.is_direction():
        return BOUNDARY
    if word == "side" and (following == "by" or (reader.word(-1) == "by" and reader.word(-2) == "side")):
        return BOUNDARY
    if (word == "close" and following in ("up", "to", "by", "of")) or (word == "up" and reader.word(-1) == "close"):
        return BOUNDARY
    if word in ("next", "full") and reader.noun_follows() and reader.left() in OPEN:
        return MODIFIER
    if word in ("outside", "inside", "near", "opposite") and reader.left() == DETERMINER:
        return MODIFIER
    if reader.left() == NOUN and ((word, following) in _BACKS or (reader.word(-1), word) in _BACKS):
        return NOUN
    if word == "back" and not reader.phrase_has_determiner() and reader.word(-1) != "in":
        return MODIFIER if reader.noun_follows() else BOUNDARY
    if word in _POSSESSIVES:
        owns = reader.left() == NOUN and reader.noun_follows() and not following.endswith("ing")
        owns = owns and (len(word) > 1 or reader.word(-1).endswith("s"))
        return POSSESSIVE if owns else BOUNDARY
    return None


def _closed(word: str, tag: str, reader: Reader) -> str | None:
    if not word[0].isalnum() and word not in CLOSED:
        return BOUNDARY
    if word in ("that", "which", "what") and not reader.noun_follows():
        return BOUNDARY
    if word == "can" and reader.left() in OPEN:
        return NOUN
    return CLOSED.get(word)


def _number(word: str, tag: str, reader: Reader) -> str | None:
    if word not in known.NUMBERS and tag != "CD":
        return None
    names = word[0].isdigit() and reader.left() == NOUN and not reader.noun_follows()  # "bus 22"
    return NOUN if names else NUMBER


def _gerund(word: str, tag: str, reader: Reader) -> str | None:
    if not word.endswith("ing") or (tag not in ("VBG", "NN", "JJ") and word not in gerunds.COMPOUNDS):
        return None
    if word in gerunds.NOUNS:
        return NOUN
    left, before, following = reader.left(), reader.word(-1), reader.word(1)
    if following in gerunds.COMPOUNDS.get(word, ()):
        return MODIFIER
    if following in known.DETERMINERS or before in known.FLOATING_QUANTIFIERS:
        return VERB
    if reader.noun_follows():
        modifies = left in OPEN or before == "of" or (word in gerunds.INTRANSITIVE and left != NOUN)
        return MODIFIER if modifies else VERB
    if left == DETERMINER or (left in OPEN and reader.phrase_has_determiner()):
        return NOUN
    if before in gerunds.AFTER_NOUN.get(word, ()):
        return NOUN
    after_opening = left in OPEN or before in ("of", "with", "for")
    return NOUN if word in gerunds.AFTER_NOUN and after_opening else VERB


def _participle(word: str, tag: str, reader: Reader) -> str | None:
    if not is_participle(word, tag) or tag in ("NN", "NNS"):
        return None
    if word in known.NAMING or not reader.noun_follows():
        return NOUN if word == "set" and reader.left() in OPEN else VERB
    passive = reader.word(-1) in known.BE and reader.word(-2) != "there"
    return VERB if passive else MODIFIER


def _modifier(word: str, tag: str, reader: Reader) -> str | None:
    if word in known.COLOURS and word != "orange":
        return MODIFIER if tag.startswith("JJ") or reader.noun_follows() or _coordinated(reader) else NOUN
    if tag.startswith("RB") and word not in known.MODIFIERS:
        describes = reader.tag(1)[:2] in ("JJ", "RB") or is_participle(reader.word(1))
        return ADVERB if describes else NOUN if word in known.NOUNS and reader.left() in OPEN else BOUNDARY
    if not tag.startswith("JJ") and word not in known.MODIFIERS:
        return None
    if reader.noun_follows() or _coordinated(reader):
        return MODIFIER
    if word in known.NOUNS:
        return NOUN
    quantifies = word in known.MODIFIERS or word in known.COLOURS
    more_follows = reader.tag(1)[:2] in ("JJ", "RB")
    return NOUN if reader.left() == DETERMINER and not quantifies and not more_follows else MODIFIER


def _coordinated(reader: Reader) -> bool:
    """Whether the word is the first of several modifiers of one noun: "black and white cat"."""
    joined = False
    for offset in range(1, LOOK_AHEAD):
        word, tag = reader.word(offset), reader.tag(offset)
        if word in _JOINING:
            joined = True
        elif word in CLOSED or not _can_modify(word, tag):
            return False
        elif joined and reader.noun_follows(offset + 1):
            return True
    return False


def _can_modify(word: str, tag: str) -> bool:
    listed = word in known.COLOURS or word in known.MODIFIERS
    return listed or tag.startswith(("JJ", "RB")) or is_participle(word, tag)


def _third_person(word: str, reader: Reader) -> str:
    """A word such as "sits", "rides" or "signs": the verb of the clause or a plural."""
    left, following = reader.left(), reader.word(1)
    if left in OPEN:
        return NOUN
    if word not in known.OFTEN_PLURALS or reader.word(-1) in _SUBJECTS:
        return VERB
    takes_object = following in _OBJECT_STARTS or reader.tag(1) == "CD" or following in known.DIRECTIONS
    takes_object = takes_object or reader.noun_follows() or reader.word(-1) in _ACTING
    return VERB if takes_object and left in (NOUN, CONJUNCTION) else NOUN


def _base_form(word: str, reader: Reader) -> str:
    """A word such as "sit", "ride" or "sink": a verb after "to", a modal or a plural, else a noun."""
    left, before = reader.left(), reader.word(-1)
    listed = word in known.VERBS
    rarely_noun = listed and word not in known.OFTEN_NOUNS
    if left in OPEN or (word in known.NOUNS and not listed):
        return NOUN
    if before in known.MODALS and not (before == "to" and reader.word(-2) in known.BEFORE_TO):
        return VERB
    if before in _SUBJECTS or before in ("n't", "not"):
        return VERB
    plural = left == NOUN and (reader.tag(-1) == "NNS" or before in known.PLURALS or reader.phrase_counts_several())
    if listed and (plural or (left == BOUNDARY and reader.tag(-1) == "RB")):
        follower = reader.word(1) in CLOSED or reader.tag(1) in ("IN", "RB", "CD", "TO")
        return VERB if rarely_noun or follower or reader.noun_follows() else NOUN
    if rarely_noun and (left in (NOUN, VERB) or _second_verb(reader)):
        return VERB
    if listed and reader.word(1) in _OBJECT_STARTS and (before in known.AGENTS or _second_verb(reader)):
        return VERB
    return VERB if left == CONJUNCTION and reader.left(2) == VERB else NOUN


def _second_verb(reader: Reader) -> bool:
    """Whether a verb here would be joined to an earlier one: "sheep lie in the grass and look at a dog"."""
    return reader.left() == CONJUNCTION and VERB in reader.classes


def _takes_object(reader: Reader) -> bool:
    """Whether an unlisted "-s" word is the caption's first verb: "a heron probes the mud"."""
    subject = reader.left() == NOUN and reader.tag(-1) == "NN" and VERB not in reader.classes
    return subject and BOUNDARY not in reader.classes and reader.word(1) in _OBJECT_STARTS


def _unknown_verb(word: str, tag: str, reader: Reader) -> str:
    """A past or third-person tag on a word outside the lists: trust it only where a verb can stand."""
    if reader.left() in OPEN or word in known.NOUNS:
        return NOUN
    if tag == "VBZ" and reader.word(1) not in known.DETERMINERS:
        return NOUN
    return VERB
