"""Whether what a model wrote is a negative caption of the family that it was asked for: by rules, with the reason."""

from __future__ import annotations

import re
from collections import Counter

from rebind.concepts.words import word_set
from rebind.negatives.lexicon.inflection import article
from rebind.negatives.llm.wording import (
    ARTICLES,
    AUXILIARIES,
    content,
    gained,
    is_reordered,
    negators,
    numbers,
    places_changed,
    says_the_same,
    stem,
    words_of,
)

_META = re.compile(
    r"^(?:sure|certainly|of course|okay|ok|here(?: is|'s|’s| are)|as an ai|i(?:'m|’m| am) sorry|i can(?:no|'|’)t|note|"
    r"caption|negative|answer|output|example|null|none|n/a|not (?:possible|applicable)|impossible|unchanged)\b"
    r"|\b(?:hard negative|negative caption|original caption|the caption|swap_\w+|replace_\w+|add_\w+)\b",
    re.IGNORECASE,
)
_PLACEHOLDER = re.compile(r"\[[^\]]*\]|<[^>]*>|\{[^}]*\}|_{2,}|\.{3}|…|\b[xyz]{3,}\b", re.IGNORECASE)
_ARTICLE = re.compile(r"\b(an?) ([\w-]+)", re.IGNORECASE)
_LINE_ENDS = re.compile(r"[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_QUOTES = "\"'“”‘’`*"
_END = ".!?"

#: Words that add nothing to what a caption says of its picture.
_NOTHING_SAID = word_set(
    "photo picture image scene shot view very really quite also nice visible shown seen in of room place area "
    "background real actual cute typical regular normal ordinary certain particular"
)

#: How many words a change may bring or take.
_MOST_REPLACED = 4
_MOST_ADDED = {"add_obj": 10, "add_att": 4}
_MOST_DENIED = 3


def tidy(caption: str, text: str) -> str:
    """``text`` in the outward form of ``caption``: no quotes around it, its full stop, its first letter.

    Such traits would betray a foil to a model that cannot see.
    """
    text = text.strip()
    if len(text) > 1 and text[0] in _QUOTES and text[-1] in _QUOTES and caption[0] not in _QUOTES:
        text = text.strip(_QUOTES).strip()
    if bare := text.rstrip(_END).rstrip():
        text = bare + caption[len(caption.rstrip(_END)) :]
    if caption[0].isupper():
        return text[:1].upper() + text[1:]
    if caption[0].islower() and not text[1:2].isupper():
        return text[:1].lower() + text[1:]
    return text


def signature(text: str) -> tuple[str, ...]:
    """Equal for texts that differ in case, punctuation or articles only."""
    return tuple(word for word in words_of(text) if word not in ARTICLES)


def fault(caption: str, foil: str, family: str) -> str | None:
    """Why ``foil`` is no negative of ``caption`` of this family; None when no rule objects.

    Args:
        caption: one line.
        foil: what a model wrote, tidied.
        family: one of :data:`rebind.negatives.families.FAMILIES`.
    """
    return _form(caption, foil) or _sameness(caption, foil) or _misfit(words_of(caption), words_of(foil), family)


def _form(caption: str, foil: str) -> str | None:
    if not words_of(foil):
        return "empty"
    if _LINE_ENDS.search(foil):
        return "more than one line"
    if not foil.isprintable() or "\ufffd" in foil:
        return "not printable"
    if _META.search(foil) and not _META.search(caption):
        return "speaks of the task"
    if _PLACEHOLDER.search(foil) and not _PLACEHOLDER.search(caption):
        return "unfilled placeholder"
    if _wrong_articles(foil) > _wrong_articles(caption):
        return "wrong article"
    return None


def _wrong_articles(text: str) -> int:
    return sum(found.lower() != article(word) for found, word in _ARTICLE.findall(text))


def _sameness(caption: str, foil: str) -> str | None:
    if signature(caption) == signature(foil):
        return "same as the caption"
    before, after = len(words_of(caption)), len(words_of(foil))
    if not before / 2 <= after <= before * 2 + 3:
        return "length out of range"
    return "only reordered" if is_reordered(caption, foil) else None


def _misfit(before: list[str], after: list[str], family: str) -> str | None:
    kind = family.partition("_")[0]
    if kind == "negate":
        return _denial_misfit(before, after)
    if negators(after) > negators(before):
        return f"not {family}: denies something"
    if family == "replace_num":
        return _number_misfit(before, after)
    if content(before) == content(after):
        return "same content words"
    lost, new = gained(after, before), gained(before, after)
    if kind == "swap":
        return f"not {family}: other words" if lost or new else None
    if kind == "replace":
        return _replacement_misfit(lost, new, family, places_changed(before, after))
    return _addition_misfit(before, after, new, family)


def _replacement_misfit(lost: list[str], new: list[str], family: str, places: int) -> str | None:
    if not lost or not new:
        return f"not {family}: nothing replaced"
    if max(len(lost), len(new)) > _MOST_REPLACED:
        return f"not {family}: too many words changed"
    if places > 1:  # as most paraphrases have, and few replacements
        return f"not {family}: changed in several places"
    return "synonym, more general or alike" if says_the_same(lost, new) else None


def _number_misfit(before: list[str], after: list[str]) -> str | None:
    lost, new = list(numbers(before) - numbers(after)), list(numbers(after) - numbers(before))
    if not lost and not new:
        return "not replace_num: same numbers"
    rest, others = (Counter(stem(word) for word in words if not numbers([word])) for words in (before, after))
    if (rest - others).total() + (others - rest).total() > 2:  # "is" becomes "are", "woman" becomes "women"
        return "not replace_num: other words"
    return "synonym, more general or alike" if lost and new and says_the_same(lost, new) else None


def _addition_misfit(before: list[str], after: list[str], new: list[str], family: str) -> str | None:
    rest = iter(content(after))
    if not all(word in rest for word in content(before)):
        return f"not {family}: lost words of the caption"
    if set(new) <= _NOTHING_SAID:
        return f"not {family}: adds nothing"
    return f"not {family}: too many words added" if len(new) > _MOST_ADDED[family] else None


def _denial_misfit(before: list[str], after: list[str]) -> str | None:
    if negators(before) == negators(after):
        return "not negate: denies nothing"
    said, denied = ([word for word in words if not negators([word])] for words in (before, after))
    if set(gained(said, denied)) - AUXILIARIES:
        return "not negate: denies what the caption does not say"
    lost = [word for word in gained(denied, said) if word not in AUXILIARIES]
    return "not negate: lost words of the caption" if len(lost) > _MOST_DENIED else None
