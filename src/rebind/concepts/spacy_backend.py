"""The backend ``spacy``: the noun chunks of any pipeline with a parser, cleaned by the rules of the default backend."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rebind.concepts import words as known
from rebind.concepts.markup import without_markup
from rebind.concepts.mentions import Mentions, Phrase
from rebind.concepts.noun_phrases import names_nothing
from rebind.concepts.reader import (
    ADVERB,
    BOUNDARY,
    COMMA,
    CONJUNCTION,
    DETERMINER,
    MODIFIER,
    NOUN,
    NUMBER,
    POSSESSIVE,
)
from rebind.concepts.tree_relations import relations_of_tree
from rebind.types import UserError

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc, Span, Token

_CLASSES = {
    "NOUN": NOUN,
    "PROPN": NOUN,
    "ADJ": MODIFIER,
    "VERB": MODIFIER,  # inside a noun chunk it is a participle
    "ADV": ADVERB,
    "NUM": NUMBER,
    "SYM": NUMBER,  # "$10 bills"
    "DET": DETERMINER,
    "CCONJ": CONJUNCTION,
}
#: What noun chunks need of a pipeline; a component that only writes something else is not run.
_NEEDED = {"token.dep", "token.head", "token.pos", "token.tag", "token.morph", "doc.tensor", "doc._.trf_data"}
_AT_ONCE = 256


@dataclass(frozen=True)
class SpacyBackend:
    """Noun chunks of a spaCy pipeline; loaded when first needed, once in each process.

    Attributes:
        pipeline: name of an installed pipeline or path of a folder that holds one; it must have a parser and a tagger,
            and spaCy must know the noun chunks of its language.

    Raises:
        UserError: when spaCy or the pipeline is not installed, or spaCy knows no noun chunks of its language.
    """

    pipeline: str = "en_core_web_sm"

    def __post_init__(self) -> None:
        _load(self.pipeline)

    @property
    def version(self) -> str:
        """Of spaCy and of the pipeline."""
        meta = _load(self.pipeline).meta
        return f"spacy {version('spacy')}, {meta['lang']}_{meta['name']} {meta['version']}"

    @property
    def settings(self) -> dict[str, Any]:
        """The pipeline."""
        return {"pipeline": self.pipeline}

    def read_many(self, captions: Iterable[str], relations: bool = False) -> list[Mentions]:
        """What each caption mentions; relations only when they are asked for.

        Raises:
            UserError: when the pipeline lacks a parser or a tagger.
        """
        nlp = _load(self.pipeline)
        texts = (" ".join(without_markup(caption).split())[: nlp.max_length] for caption in captions)
        return [self._read(doc, relations) for doc in nlp.pipe(texts, batch_size=_AT_ONCE)]

    def _read(self, doc: Doc, relations: bool) -> Mentions:
        if not (doc.has_annotation("DEP") and doc.has_annotation("POS")):
            raise UserError(
                f"the spaCy pipeline {self.pipeline!r} lacks a parser or a tagger; choose one with both, such as "
                "en_core_web_sm"
            )
        return mentions_of(doc, relations)


def mentions_of(doc: Doc, relations: bool = False) -> Mentions:
    """The noun phrases of a parsed text, by the conventions of the default backend.

    Args:
        doc: with parts of speech and dependencies as spaCy's own English pipelines label them.
        relations: whether to read relations off the tree, too.
    """
    words = [token.lower_ for token in doc]
    classes = [_class_of(token) for token in doc]
    heads, phrases = [], []
    for chunk in doc.noun_chunks:
        start, end = _without_determiner(chunk, classes)
        if classes[end - 1] != NOUN or start == end or names_nothing(words, classes, start, end):
            continue
        determiner = [words[place] for place in range(chunk.start, start) if classes[place] == DETERMINER]
        heads.append(end - 1)
        phrases.append(Phrase(doc[start:end].text.lower(), " ".join(determiner)))
    return Mentions(phrases, relations_of_tree(doc, heads) if relations else ())


def _class_of(token: Token) -> str:
    kind = _CLASSES.get(token.pos_, BOUNDARY)
    if token.pos_ == "PRON" and (token.dep_ == "poss" or token.lower_ in known.DETERMINERS):
        return DETERMINER
    if token.pos_ == "PART" and token.dep_ == "case":
        return POSSESSIVE
    if token.lower_ == "no":
        return MODIFIER  # "no chairs" are not chairs
    if token.lower_ == ",":
        return COMMA
    return BOUNDARY if token.dep_ == "prep" else kind  # "including"


def _without_determiner(chunk: Span, classes: list[str]) -> tuple[int, int]:
    """The chunk from its first word after "not quite all the" on."""
    start = chunk.start
    for place in range(chunk.start, chunk.end):
        if classes[place] == DETERMINER:
            start = place + 1
        elif classes[place] not in (ADVERB, BOUNDARY, CONJUNCTION, COMMA):
            break
        elif classes[place] != ADVERB:
            start = place + 1
    return start, chunk.end


@lru_cache(maxsize=2)
def _load(pipeline: str) -> Language:
    try:
        import spacy
    except ImportError as error:
        raise UserError(
            "the concept backend 'spacy' needs the package spacy; install it with: pip install 'rebind[spacy]'"
        ) from error
    try:
        nlp = spacy.load(pipeline)
    except (OSError, ValueError, ImportError) as error:
        name = pipeline if Path(pipeline).name == pipeline else "en_core_web_sm"
        raise UserError(
            f"spaCy cannot load the pipeline {pipeline!r}; install one with: python -m spacy download {name}, or give "
            "the name or folder of another"
        ) from error
    if nlp.vocab.get_noun_chunks is None:
        raise UserError(
            f"spaCy knows no noun chunks of the language {nlp.lang!r} of the pipeline {pipeline!r}; choose a pipeline "
            "of another language, such as en_core_web_sm"
        )
    for name in nlp.pipe_names:
        writes = set(nlp.get_pipe_meta(name).assigns)
        if writes and not writes & _NEEDED:
            nlp.disable_pipe(name)
    return nlp
