"""Relations and attributes of a caption's phrases, read from the words between them; no syntax tree is at hand.

Only what lies between two neighbouring phrases is read, and only where it is plain what belongs to what: a relation
that is missed costs little, a wrong one teaches the wrong thing.
"""

from __future__ import annotations

from rebind.concepts import words as known
from rebind.concepts.mentions import Relation
from rebind.concepts.noun_phrases import written
from rebind.concepts.reader import ADVERB, BOUNDARY, COMMA, CONJUNCTION, DETERMINER, MODIFIER, NOUN, VERB

#: Between two phrases they begin something new, or compare, or deny.
_APART = known.PRONOUNS - known.RELATIVES | known.word_set(
    "while whilst as but because although so yet if since then than n't not etc until vs versus plus without except "
    "still even just also too"
)
#: Left out of a relation: "dog that is sitting on a couch" is a dog sitting on a couch.
_FILLERS = known.BE | known.RELATIVES | known.FLOATING_QUANTIFIERS
#: After "holds a cup" they may say something of the cup or of who holds it; some do so after "on a cup", too.
_UNSURE_AFTER_VERB = known.word_set("with for during by from at in")
_UNSURE = known.word_set("with for during")
#: Say how much of something there is: "filled with lots of donuts" is filled with donuts.
_QUANTITIES = known.RELATIONAL - known.LOCATIONS - known.word_set("edge end ends corner base part parts portion body")
_LONGEST = 5


def relations_of(words: list[str], classes: list[str], spans: list[tuple[int, int]]) -> list[Relation]:
    """The relations between neighbouring phrases and the attributes that a form of "be" gives them.

    Args:
        words: the caption's lower-cased words.
        classes: their classes, see `rebind.concepts.word_classes`.
        spans: half-open ranges of words, the caption's phrases without determiners.
    """
    found = []
    before: list[int] = []  # places of the words that make the phrase being read an object
    for subject, (_, end) in enumerate(spans):
        if said := _attribute(words, classes, end):
            found.append(Relation(subject, said))
        between = _between(words, classes, end, spans[subject + 1][0]) if subject + 1 < len(spans) else []
        if between and _belongs(words, classes, before, between):
            found.append(Relation(subject, written([words[place] for place in between]), subject + 1))
        before = between
    return found


def _belongs(words: list[str], classes: list[str], before: list[int], between: list[int]) -> bool:
    """Whether words after a phrase say something of it, not of what it is an object of."""
    first = words[between[0]]
    if not before or first == "of":
        return True
    if classes[between[0]] == VERB:
        return False
    if all(classes[place] != VERB for place in before):
        return first not in _UNSURE
    return classes[before[-1]] == BOUNDARY and first not in _UNSURE_AFTER_VERB


def _between(words: list[str], classes: list[str], start: int, end: int) -> list[int]:
    """Places of the words that relate the phrase before ``start`` to the one from ``end`` on; empty when none do."""
    while end > start and classes[end - 1] == DETERMINER:
        end -= 1
    places: list[int] = []
    for place in range(start, end):
        word, kind = words[place], classes[place]
        if kind in (CONJUNCTION, COMMA) or word in _APART or not word[0].isalnum():
            return []
        if word in _QUANTITIES and words[place + 1] == "of":
            while places and classes[places[-1]] in (DETERMINER, MODIFIER):
                places.pop()
        elif word not in _FILLERS and not (word == "of" and words[place - 1] in _QUANTITIES):
            places.append(place)
    kinds = {classes[place] for place in places}
    speaks = kinds & {VERB, BOUNDARY} and kinds <= {VERB, BOUNDARY, DETERMINER, NOUN}
    return places if speaks and len(places) <= _LONGEST and classes[places[-1]] in (VERB, BOUNDARY) else []


def _attribute(words: list[str], classes: list[str], start: int) -> str:
    """What the phrase before ``start`` is said to be: "green and yellow"; empty when nothing is."""
    if words[start : start + 1] not in (["is"], ["are"], ["was"], ["were"]):
        return ""
    last, place = start, start + 1
    while place < len(words) and classes[place] in (MODIFIER, ADVERB, CONJUNCTION, COMMA):
        if classes[place] == MODIFIER:
            last = place
        place += 1
    named = place < len(words) and classes[place] == NOUN and place == last + 1
    return "" if named else written(words[start + 1 : last + 1])
