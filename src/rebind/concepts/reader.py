"""Reading a tagged caption from left to right: what each word may look at around it."""

from __future__ import annotations

from dataclasses import dataclass, field

from rebind.concepts import gerunds
from rebind.concepts import words as known

DETERMINER, MODIFIER, NUMBER, ADVERB, NOUN, VERB = "D", "M", "#", "A", "N", "V"
CONJUNCTION, COMMA, POSSESSIVE, BOUNDARY = "C", ",", "S", "|"

#: How far ahead a modifier may look for its noun; keeps reading linear in the length of the text.
LOOK_AHEAD = 12

#: Classes after which a noun phrase is open and wants its noun.
OPEN = frozenset((DETERMINER, MODIFIER, NUMBER, POSSESSIVE))

#: Third-person forms of the listed verbs.
THIRD_PERSON = frozenset(map(known.third_person, known.VERBS))

_VERB_FORMS = known.VERBS | THIRD_PERSON
_AFTER_DIRECTION = known.BOUNDARIES | {"to"}

#: Words whose class never depends on their neighbours, unless an idiom says otherwise.
CLOSED = {
    **dict.fromkeys(known.BOUNDARIES | known.PRONOUNS, BOUNDARY),
    **dict.fromkeys(known.BE | known.HAVE, VERB),
    **dict.fromkeys(known.MODALS | {"who"}, BOUNDARY),
    **dict.fromkeys(known.DETERMINERS, DETERMINER),
    **dict.fromkeys(("and", "or", "&", "nor"), CONJUNCTION),
    **dict.fromkeys((",", ";"), COMMA),
}


def is_participle(word: str, tag: str = "VBN") -> bool:
    """Whether ``word`` can be a past participle that modifies the noun after it."""
    regular = word.endswith("ed") and len(word) > 3 and tag[:2] in ("VB", "JJ")
    return regular or word in known.IRREGULAR_PARTICIPLES


@dataclass
class Reader:
    """Reads a sentence from left to right; ``classes`` holds what has been decided so far.

    Beyond both ends stands an empty word, tagged as a full stop.
    """

    words: list[str]
    tags: list[str]
    classes: list[str] = field(default_factory=list)

    def word(self, offset: int) -> str:
        """The word ``offset`` places right of the one being read."""
        place = len(self.classes) + offset
        return self.words[place] if 0 <= place < len(self.words) else ""

    def tag(self, offset: int) -> str:
        """The tagger's tag ``offset`` places right of the one being read."""
        place = len(self.classes) + offset
        return self.tags[place] if 0 <= place < len(self.tags) else "."

    def left(self, offset: int = 1) -> str:
        """The class decided ``offset`` places to the left."""
        return self.classes[-offset] if offset <= len(self.classes) else BOUNDARY

    def noun_follows(self, offset: int = 1) -> bool:
        """Whether a noun, perhaps with modifiers, comes right after the word being read."""
        for place in range(offset, offset + LOOK_AHEAD):
            word, tag = self.word(place), self.tag(place)
            if not word or word in CLOSED or self.is_direction(place):
                return False
            if word in known.NOUNS or tag.startswith("NN"):
                return word not in THIRD_PERSON or word in known.OFTEN_PLURALS
            if word in gerunds.AFTER_NOUN:
                return True
            if word in gerunds.COMPOUNDS and word not in gerunds.INTRANSITIVE:
                return self.word(place + 1) in gerunds.COMPOUNDS[word]
            modifies = word in gerunds.INTRANSITIVE or tag.startswith("JJ") or tag == "CD" or is_participle(word, tag)
            if not modifies:
                return tag.startswith("VB") and not word.endswith("ing") and word not in _VERB_FORMS
        return False

    def is_direction(self, offset: int = 0) -> bool:
        """Whether the word is the "left" or "right" of "left of"."""
        return self.word(offset) in ("left", "right") and self.word(offset + 1) in _AFTER_DIRECTION

    def phrase_has_determiner(self) -> bool:
        """Whether the phrase being read began with a determiner and has no noun yet."""
        for kind in reversed(self.classes):
            if kind == DETERMINER:
                return True
            if kind not in OPEN and kind != ADVERB:
                return False
        return False

    def phrase_counts_several(self) -> bool:
        """Whether the phrase just read speaks of several things: "several oxen"."""
        place = len(self.classes) - 1
        while place >= 0 and self.classes[place] in (NOUN, MODIFIER, NUMBER):
            if self.words[place] in known.SEVERAL or (self.classes[place] == NUMBER and self.words[place] != "one"):
                return True
            place -= 1
        return False
