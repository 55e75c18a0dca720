"""Relations and attributes of a caption's phrases, read off its syntax tree as spaCy's English pipelines label it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rebind.concepts import words as known
from rebind.concepts.mentions import Relation

if TYPE_CHECKING:
    from spacy.tokens import Doc, Token

_SUBJECTS = frozenset(("nsubj", "nsubjpass"))
_CLAUSES_OF_NOUNS = frozenset(("acl", "relcl"))
_OF_NOUNS = _CLAUSES_OF_NOUNS | {"prep", "advmod"}  # an adverb: "next to"
_DESCRIBING = frozenset(("ADJ", "ADV", "CCONJ"))


def relations_of_tree(doc: Doc, heads: list[int]) -> list[Relation]:
    """What a text says of its noun phrases, in order of the last word.

    Args:
        doc: parsed.
        heads: place of the head of each phrase.
    """
    phrase_of = {head: number for number, head in enumerate(heads)}
    found = []
    for token in doc:
        if token.i in phrase_of:
            subject, path = _climb(token, phrase_of)
            object_ = phrase_of[token.i]
        elif token.dep_ == "acomp" and token.head.lower_ in known.BE:
            subject, object_ = _subject(token.head, phrase_of), None
            path = [word for word in token.subtree if word.pos_ in _DESCRIBING or word.lower_ == ","]
        else:
            continue
        if subject is not None and path:
            words = " ".join(word.lower_ for word in sorted(path, key=lambda word: word.i))
            found.append(Relation(phrase_of[subject], words.replace(" ,", ","), object_))
    return found


def _climb(token: Token, phrase_of: dict[int, int]) -> tuple[int | None, list[Token]]:
    """The head of the phrase that ``token`` is related to, and the words on the way: "sitting", "on"."""
    path: list[Token] = []
    node = token
    while node.head.i != node.i:
        head = node.head
        if node.dep_ in _SUBJECTS or node.dep_ == "conj":
            return None, []
        if head.i in phrase_of:
            return (head.i if node.dep_ in _OF_NOUNS else None), path
        if head.pos_ in ("VERB", "AUX"):
            # Of "holds a racket on a court", the court is not what is held, so the man is "on a court".
            direct = node.dep_ in ("dobj", "dative")
            if head.lower_ not in known.BE and (direct or all(child.dep_ != "dobj" for child in head.children)):
                path += [head, *(child for child in head.children if child.dep_ == "prt")]
            return _subject(head, phrase_of), path
        path.append(head)
        if head.pos_ == "NOUN":  # it names nothing: "to the left of"
            path += [child for child in head.children if child.dep_ == "det"]
        node = head
    return None, []


def _subject(verb: Token, phrase_of: dict[int, int]) -> int | None:
    """The head of the phrase that the verb is about; None when there is none."""
    while True:
        if verb.dep_ in _CLAUSES_OF_NOUNS and verb.head.i in phrase_of:
            return verb.head.i
        for child in verb.children:
            if child.dep_ in _SUBJECTS:
                return child.i if child.i in phrase_of else None
        if verb.dep_ != "conj":
            return None
        verb = verb.head
