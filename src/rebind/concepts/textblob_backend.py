"""The default backend: textblob's offline tagger, repaired by rules of our own. Downloads nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rebind.concepts.noun_phrases import concepts_of
from rebind.concepts.word_classes import classify

_WORD = re.compile(
    r"(?:[a-z]\.){2,}"  # t.v.
    r"|\b(?:st|ave|blvd|mr|mrs|dr|jr)\."
    r"|[^\W_]+(?:-[^\W_]+)*(?:n['’]t\b)?"
    r"|['’][a-z]+"
    r"|[^\w\s]"
)


@dataclass(frozen=True)
class TextblobBackend:
    """From a caption to its concepts, possibly none.

    Attributes:
        keep_numbers: whether "two dogs" stays as it is (the default) or becomes "dogs".
    """

    keep_numbers: bool = True

    def __call__(self, caption: str) -> list[str]:
        """The caption's concepts; empty when it has no noun phrase."""
        from textblob.en import parse  # brings NLTK along; the command line must start sooner

        words = _WORD.findall(caption.lower())
        if not words:
            return []
        tagged = parse(" ".join(words), tokenize=False, chunks=False)
        tags = [word.rpartition("/")[2] for word in tagged.split(" ")]
        return concepts_of(words, classify(words, tags), self.keep_numbers)
