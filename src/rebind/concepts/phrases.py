"""A caption taken apart: its words with their places in the text, and its noun phrases with determiner and number."""

from __future__ import annotations

from dataclasses import dataclass

from rebind.concepts.markup import without_markup
from rebind.concepts.noun_phrases import base_phrases
from rebind.concepts.reader import DETERMINER, MODIFIER, NOUN, NUMBER
from rebind.concepts.textblob_backend import WORD
from rebind.concepts.word_classes import classify


@dataclass(frozen=True)
class Word:
    """One word or punctuation mark of a caption.

    Attributes:
        text: as it stands in the caption.
        lower: in small letters.
        start: character at which it begins.
        end: character after its last.
        kind: its class, a letter of `rebind.concepts.reader`.
        tag: its Penn Treebank tag.
    """

    text: str
    lower: str
    start: int
    end: int
    kind: str
    tag: str


@dataclass(frozen=True)
class NounPhrase:
    """A base noun phrase, in places of words.

    Attributes:
        start: place of its first word, the determiner if it has one.
        end: place after its head.
        determiner: place of "a", "the", "his" right before the phrase; None when there is none.
        number: place of its number word; None when there is none.
        modifiers: places of its adjectives and participles.
        nouns: places of the nouns that end it, the head last: "baseball bat".
    """

    start: int
    end: int
    determiner: int | None
    number: int | None
    modifiers: tuple[int, ...]
    nouns: tuple[int, ...]

    @property
    def head(self) -> int:
        """Place of the head noun."""
        return self.end - 1


@dataclass(frozen=True)
class Reading:
    """A caption, its words and its noun phrases, in order of appearance."""

    caption: str
    words: tuple[Word, ...]
    phrases: tuple[NounPhrase, ...]

    def lower(self, place: int) -> str:
        """The word at ``place`` in small letters; empty beyond both ends."""
        return self.words[place].lower if 0 <= place < len(self.words) else ""

    def kind(self, place: int) -> str:
        """The class of the word at ``place``; empty beyond both ends."""
        return self.words[place].kind if 0 <= place < len(self.words) else ""

    def text(self, start: int, end: int) -> str:
        """The caption's text from word ``start`` to before word ``end``."""
        return self.caption[self.words[start].start : self.words[end - 1].end] if start < end else ""


def read_caption(caption: str) -> Reading:
    """Read ``caption`` with the default tagger and its repairs, passing over addresses, names of files and tags.

    Example:
        >>> reading = read_caption("A man in a red hat.")
        >>> [reading.text(phrase.start, phrase.end) for phrase in reading.phrases]
        ['A man', 'a red hat']
    """
    from textblob.en import parse  # brings NLTK along; the command line must start sooner

    lowered = "".join(one if len(one) == 1 else same for same in without_markup(caption) for one in (same.lower(),))
    matches = list(WORD.finditer(lowered))
    if not matches:
        return Reading(caption, (), ())
    texts = [match.group() for match in matches]
    tags = [word.rpartition("/")[2] for word in parse(" ".join(texts), tokenize=False, chunks=False).split(" ")]
    kinds = classify(texts, tags)
    words = tuple(
        Word(caption[match.start() : match.end()], match.group(), match.start(), match.end(), kind, tag)
        for match, kind, tag in zip(matches, kinds, tags, strict=True)
    )
    return Reading(caption, words, tuple(_phrase(kinds, start, end) for start, end in base_phrases(texts, kinds)))


def _phrase(kinds: list[str], start: int, end: int) -> NounPhrase:
    nouns = end - 1
    while nouns > start and kinds[nouns - 1] == NOUN:
        nouns -= 1
    determiner = start - 1 if start and kinds[start - 1] == DETERMINER else None
    inside = range(start, nouns)
    return NounPhrase(
        start=start if determiner is None else determiner,
        end=end,
        determiner=determiner,
        number=next((place for place in inside if kinds[place] == NUMBER), None),
        modifiers=tuple(place for place in inside if kinds[place] == MODIFIER),
        nouns=tuple(range(nouns, end)),
    )
