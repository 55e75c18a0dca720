"""Hard negative captions: the families they fall into, the record of one, and where it differs from its caption."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher

#: How a hard negative differs from its caption: SugarCrepe's names, and three more.
FAMILIES = (
    "swap_att",  # two things exchange attributes
    "swap_obj",  # two head nouns change places, their attributes stay
    "swap_rel",  # the two whole noun phrases around a relation change places
    "replace_att",
    "replace_obj",
    "replace_rel",
    "replace_num",
    "add_obj",
    "add_att",
    "negate",  # "a dog without a leash"
)

_WORD = re.compile(r"\w+(?:[-'’]\w+)*|[^\w\s]")


@dataclass(frozen=True)
class Foil:
    """A caption that is nearly that of a picture, and false of it.

    Attributes:
        caption: the text.
        family: one of `FAMILIES`.
        edits: half-open character spans of ``caption`` that differ from the original; a deletion is an empty span.
    """

    caption: str
    family: str
    edits: tuple[tuple[int, int], ...]


def edits_between(caption: str, foil: str) -> tuple[tuple[int, int], ...]:
    """Where ``foil`` differs from ``caption``, word by word.

    Returns:
        Half-open character spans of ``foil``, in order; an empty span where words of ``caption`` were left out.
        Differences of white space alone are none.

    Example:
        >>> edits_between("a red cat on a mat", "a blue cat on the mat")
        ((2, 6), (14, 17))
    """
    old, new = _WORD.findall(caption), list(_WORD.finditer(foil))
    texts = [match.group() for match in new]
    same = 0
    while same < min(len(old), len(texts)) and old[same] == texts[same]:
        same += 1
    kept = 0
    while kept < min(len(old), len(texts)) - same and old[-1 - kept] == texts[-1 - kept]:
        kept += 1
    gone, come = old[same : len(old) - kept], texts[same : len(texts) - kept]
    if not gone and not come:
        return ()
    if not gone or not come or len(gone) == len(come) == 1:
        return (_span(foil, new, same, same + len(come)),)
    matcher = SequenceMatcher(None, gone, come, autojunk=False)
    spans = []
    for operation, _, _, first, last in matcher.get_opcodes():
        if operation != "equal":
            spans.append(_span(foil, new, same + first, same + last))
    return tuple(spans)


def _span(text: str, words: list[re.Match[str]], first: int, last: int) -> tuple[int, int]:
    if first < last:
        return words[first].start(), words[last - 1].end()
    place = words[first].start() if first < len(words) else len(text.rstrip())
    return place, place
