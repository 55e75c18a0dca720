"""Candidates: every hard negative that may become a foil, beside the caption that it stands against."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from rebind.data.broken import BrokenImageError
from rebind.data.freshness import item_of
from rebind.data.negative_records import read_negative
from rebind.data.source import Source
from rebind.foils.pictures import picture_name
from rebind.foils.vetoes import Veto
from rebind.negatives.families import FAMILIES
from rebind.types import UserError

#: Gives rows ``{"key", "negatives": [{"caption", "family", "edits", "of"}]}`` of items ``{"key", "captions", …}``.
WriteNegatives = Callable[[list[dict[str, Any]]], Iterable[dict[str, Any]]]

UNNAMED = "unnamed"  # the family of negatives of which nobody said how they were made
ONE_SIDED = 0.97  # share of a family's foils that are longer than their caption from which on length gives it away
_EDGES = re.compile(r"^\W+|\W+$")


@dataclass(frozen=True)
class FoilPair:
    """A caption that is true of a picture, and one that is nearly true.

    Attributes:
        family: what is wrong with the foil, e.g. ``swap_att``.
        row: of the sample in its source.
        key: of the sample.
        caption: what is true.
        foil: what is not.
        original: the caption that the foil was made of; ``caption`` itself unless it stands against another.
        edits: (start, end) characters of the foil that differ from ``original``; equal where words were left out.
        gap: how much likelier a word of the caption is than one of the foil to a language model of the source's own
            captions, in nats; None when nobody judged.
    """

    family: str
    row: int
    key: str
    caption: str
    foil: str
    original: str
    edits: tuple[tuple[int, int], ...] = ()
    gap: float | None = None


@dataclass(frozen=True)
class Candidates:
    """Candidates by family, and per family how many were left out and why."""

    by_family: dict[str, list[FoilPair]]
    tally: dict[str, Counter[str]]


def normal(text: str) -> str:
    """A text without what does not change its meaning: case, spaces, marks at its ends."""
    return _EDGES.sub("", " ".join(text.lower().split()))


def gather_candidates(
    source: Source, rows: Iterable[int], write_negatives: WriteNegatives, families: tuple[str, ...] | None
) -> Candidates:
    """Have the negatives of some samples written and keep those that can be foils.

    What says the same as any caption of its sample is no foil; what says the same as an earlier foil of its family
    against the same caption is a duplicate.

    Raises:
        UserError: when a negative is not what it should be, or a family that was asked for has none.
    """
    found = {source.keys[row]: row for row in rows}
    items = [item_of(source, row) for row in found.values()]
    by_family: dict[str, list[FoilPair]] = defaultdict(list)
    tally: dict[str, Counter[str]] = defaultdict(Counter)
    seen: set[tuple[str, str, str]] = set()
    there: set[str] = set()
    written = {row["key"]: row.get("negatives") for row in write_negatives(items) if row["key"] in found}
    for key, row in found.items():
        captions = source.captions(row)
        true = {normal(caption) for caption in captions}
        for foil in _read(key, row, captions, written.get(key) or []):
            there.add(foil.family)
            if families is not None and foil.family not in families:
                continue
            counts, said = tally[foil.family], (foil.family, normal(foil.caption), normal(foil.foil))
            counts["candidates"] += 1
            if said[2] in true:
                counts["true"] += 1
            elif said in seen:
                counts["duplicates"] += 1
            else:
                seen.add(said)
                by_family[foil.family].append(foil)
    for family in families or ():
        if family not in tally:
            names = f"; there are: {', '.join(sorted(there))}" if there else ""
            raise UserError(f"no negative of the samples held out of {source.path} is of the family {family!r}{names}")
    order = list(dict.fromkeys([*(families or ()), *FAMILIES, *sorted(tally)]))
    return Candidates({family: by_family[family] for family in sorted(tally, key=order.index)}, tally)


def _read(key: str, row: int, captions: tuple[str, ...], negatives: Any) -> Iterable[FoilPair]:
    """The foils of one sample; one sentence for what is wrong in them."""
    if not isinstance(negatives, list):
        raise UserError(f"the negatives of the key {key!r} must be a list of objects")
    for negative in negatives:
        try:
            if not isinstance(negative, Mapping):
                raise ValueError('each must be an object like {"caption": "...", "family": "swap_att"}')
            record = read_negative(negative)
            text, of, family = record["caption"], record["of"], record["family"] or UNNAMED
            if not re.fullmatch(r"[\w-]{1,60}", family):  # it becomes the name of a file
                raise ValueError(f"`family` must be made of letters, digits, _ and -, not {family!r}")
            if of >= len(captions):
                raise ValueError(f"`of` must be the number of one of its {len(captions)} captions, not {of!r}")
            edits = tuple((start, end) for start, end in record["edits"])
        except ValueError as error:
            raise UserError(f"the negatives of the key {key!r}: {error}") from None
        yield FoilPair(family, row, key, captions[of], text, captions[of], edits)


def find_vetoed(
    source: Source, foils: Iterable[FoilPair], vetoes: Iterable[Veto]
) -> tuple[set[tuple[int, str]], tuple[Veto, ...]]:
    """What a person vetoed among the foils, as row and text: the same text for the same picture, in any family.

    Returns:
        it, and the vetoes that match nothing.
    """
    unwanted = {(veto.filename, veto.foil): veto for veto in vetoes}
    left = dict(unwanted)
    texts = {text for _, text in unwanted}
    found = set()
    for foil in foils:
        if foil.foil in texts:  # the name is asked for only when it matters: a shard would be read for it
            try:
                name = picture_name(source, foil.row)[0]
            except BrokenImageError:
                continue  # no picture, hence no foil; it is counted when the benchmark is written
            if (name, foil.foil) in unwanted:
                found.add((foil.row, foil.foil))
                left.pop((name, foil.foil), None)
    return found, tuple(left.values())


def beside_other_captions(source: Source, foils: list[FoilPair]) -> list[FoilPair]:
    """More candidates for a family that its length gives away: the same foils against other captions of the picture.

    An addition is longer than what it was added to, always. Where a picture has several captions, some are longer
    still, and true; the pair then differs in more than the addition.

    Returns:
        the new candidates; none when at most 97 % of the foils are longer than their captions (or shorter).
    """
    longer = [len(foil.foil.split()) - len(foil.caption.split()) for foil in foils]
    one_sided = max(sum(n > 0 for n in longer), sum(n < 0 for n in longer)) > ONE_SIDED * len(foils)
    if not one_sided:
        return []
    return [
        replace(foil, caption=caption)
        for foil in foils
        for caption in source.captions(foil.row)
        if normal(caption) != normal(foil.original)
    ]
