"""Where hard negatives come from: the source's own annotation, or the rules, which then make several a caption."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rebind.data.annotation_files import has_annotation, read_annotation
from rebind.data.negative_records import as_record
from rebind.data.source import Source
from rebind.foils.candidates import WriteNegatives
from rebind.negatives.blind import draw
from rebind.negatives.families import FAMILIES
from rebind.negatives.rules import Substitutes, write_foils
from rebind.types import UserError

_READ = 50_000  # samples that substitutes are mined from


def annotated_negatives(source: Source) -> WriteNegatives:
    """Look negatives up in the annotation ``negatives`` of a source, whoever wrote it, else in the source itself.

    Raises:
        UserError: when there are none.
    """
    own = source.has_negatives and not has_annotation(source, "negatives")

    def look_up(items: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        keys = {item["key"] for item in items}
        every = _own_negatives(source, keys) if own else read_annotation(source, "negatives")
        return ({"key": key, "negatives": value} for key, value in every if key in keys)

    return look_up


def _own_negatives(source: Source, keys: set[str]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """As an annotation would have them; packed shards hold them."""
    rows = ((row, key) for row, key in enumerate(source.keys) if key in keys)
    return ((key, [as_record(each) for each in source.negatives(row, with_images=False)]) for row, key in rows)


def rule_negatives(source: Source, families: Sequence[str] | None = None, variants: int = 3) -> WriteNegatives:
    """Write negatives of every caption by rule, with substitutes out of the source's own captions.

    Refinement wants to choose: each family is tried ``variants`` times with another seed, and equal ones count once.

    Args:
        source: captioned images.
        families: the kinds to write; all when None.
        variants: at most so many of each caption and family.

    Raises:
        UserError: when there is no such family.
    """
    if unknown := sorted(set(families or ()) - set(FAMILIES)):
        raise UserError(f"no family of foils is called {unknown[0]!r}; there are: {', '.join(FAMILIES)}")
    rows = sorted(range(len(source)), key=lambda row: draw("substitutes", source.keys[row]))[:_READ]
    substitutes = Substitutes.mine(source.captions(row) for row in sorted(rows))

    def write(items: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for item in items:
            yield {"key": item["key"], "negatives": list(_negatives(item, substitutes, families or FAMILIES, variants))}

    return write


def _negatives(
    item: dict[str, Any], substitutes: Substitutes, families: Sequence[str], variants: int
) -> Iterator[dict[str, Any]]:
    seen: set[str] = set()
    for number, caption in enumerate(item["captions"]):
        others = [other for other in item["captions"] if other != caption] + item.get("concepts", [])
        for variant in range(variants):
            for foil in write_foils(caption, substitutes, families, f"{variant} {item['key']}", others):
                if foil.caption not in seen:
                    seen.add(foil.caption)
                    yield {"caption": foil.caption, "family": foil.family, "edits": foil.edits, "of": number}
