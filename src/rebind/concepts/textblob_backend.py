"""The default backend: textblob's offline tagger, repaired by rules of our own. Downloads nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from rebind.concepts.language import is_english
from rebind.concepts.markup import without_markup
from rebind.concepts.mentions import Mentions, Phrase
from rebind.concepts.noun_phrases import phrases_of, written
from rebind.concepts.reader import DETERMINER
from rebind.concepts.relations import relations_of
from rebind.concepts.word_classes import classify

#: A word or a punctuation mark of a lower-cased caption.
WORD = re.compile(
    r"(?:[a-z]\.){2,}"  # t.v.
    r"|\b(?:st|ave|blvd|mr|mrs|dr|jr)\."
    r"|[^\W_]+(?:-[^\W_]+)*(?:n['’]t\b)?"
    r"|['’][a-z]+"
    r"|[^\w\s]"
)


@dataclass(frozen=True)
class TextblobBackend:
    """Noun phrases and relations of captions, from word classes alone. It has no settings.

    English only: a caption of another language mentions nothing.
    """

    @property
    def version(self) -> str:
        """Of textblob."""
        return version("textblob")

    @property
    def settings(self) -> dict[str, Any]:
        """None."""
        return {}

    def read_many(self, captions: Iterable[str], relations: bool = False) -> list[Mentions]:
        """What each caption mentions; relations only when they are asked for."""
        return [self._read(caption, relations) for caption in captions]

    def _read(self, caption: str, relations: bool) -> Mentions:
        from textblob.en import parse  # brings NLTK along; the command line must start sooner

        words = WORD.findall(without_markup(caption).lower())
        if not words or not is_english(words):
            return Mentions(())
        tagged = parse(" ".join(words), tokenize=False, chunks=False)
        classes = classify(words, [word.rpartition("/")[2] for word in tagged.split(" ")])
        spans, phrases = phrases_of(words, classes), []
        for start, end in spans:
            first = start
            while first and classes[first - 1] == DETERMINER:
                first -= 1
            phrases.append(Phrase(written(words[start:end]), " ".join(words[first:start])))
        return Mentions(phrases, relations_of(words, classes, spans) if relations else ())
