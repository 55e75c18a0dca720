"""Changing words of a caption so that everything around them stays right: spaces, capitals, "a" and "an"."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rebind.concepts.phrases import Reading
from rebind.negatives.lexicon.inflection import article


@dataclass(frozen=True)
class Change:
    """Words ``start`` to before ``end`` of a caption become ``text``; an empty range inserts before ``start``.

    Attributes:
        start: place of the first word that goes.
        end: place after the last word that goes.
        text: what stands there instead, perhaps nothing.
    """

    start: int
    end: int
    text: str


def rewrite(reading: Reading, changes: Iterable[Change]) -> str:
    """The caption with all ``changes`` made, which must not overlap.

    "a" and "an" before a changed word follow its sound; the caption begins with a capital if it did before.
    """
    words: list[tuple[str, str, bool]] = []  # white space before a word, the word, whether it is new
    place, shouting = 0, reading.caption.isupper()
    for change in sorted(changes, key=lambda one: (one.start, one.end)):
        words.extend((_gap_before(reading, old), reading.words[old].text, False) for old in range(place, change.start))
        gap = _gap_before(reading, change.start) if change.start < change.end else " "
        for number, new in enumerate(change.text.split()):
            before = gap if number == 0 else " "
            words.append((before if words else "", new.upper() if shouting else new, True))
        place = change.end
    rest = range(place, len(reading.words))
    words.extend((_gap_before(reading, old), reading.words[old].text, False) for old in rest)
    if words and words[0][2] and len(words) > 1 and words[1][1:] == (reading.words[0].text, False):
        words[1] = (" ", _uncapitalised(reading), False)
    caption = "".join(gap + text for gap, text, _ in _with_articles(words, shouting)).lstrip()
    lead = reading.caption[: reading.words[0].start]
    if reading.words[0].text[:1].isupper():
        caption = caption[:1].upper() + caption[1:]
    return lead + caption + reading.caption[reading.words[-1].end :]


def _uncapitalised(reading: Reading) -> str:
    """The caption's first word as it stands within a sentence."""
    first = reading.words[0]
    return first.text if first.tag.startswith("NNP") or first.text[1:2].isupper() else first.lower


def _gap_before(reading: Reading, place: int) -> str:
    """The white space before a word; nothing before the first."""
    return reading.caption[reading.words[place - 1].end : reading.words[place].start] if place else ""


def _with_articles(words: list[tuple[str, str, bool]], shouting: bool) -> list[tuple[str, str, bool]]:
    """The words with "a" or "an" as the new word after it wants, in capitals if all are."""
    fixed = list(words)
    for place, (gap, text, new) in enumerate(words[:-1]):
        _, following, follower_is_new = words[place + 1]
        if text.lower() in ("a", "an") and (new or follower_is_new):
            right = article(following.lower()).upper() if shouting else article(following)
            fixed[place] = (gap, right.capitalize() if text[0].isupper() and not shouting else right, new)
    return fixed
