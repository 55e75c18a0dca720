"""The page of a benchmark: every foil beside its picture, to browse and to veto. One file that needs no network."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from rebind.foils.building import FoilSet
from rebind.foils.candidates import FoilPair
from rebind.negatives.families import edits_between

Piece = tuple[str, bool]  # a stretch of text, and whether it is what differs

#: Judge -> what it is called on the page, and what it goes by.
JUDGES = {
    "length": ("length", "takes the shorter text for the caption"),
    "likelihood": ("likelihood", "an n-gram model of the source's own captions"),
    "likelihood_per_word": ("likelihood per word", "the same model, so that length does not count"),
    "classifier": ("classifier", "logistic regression on n-grams, trained on all candidates, as they were before"),
    "classifier_retrained": ("classifier, retrained", "the same, trained anew on what refinement left"),
}


@dataclass(frozen=True)
class Card:
    """A foil as the page shows it.

    Attributes:
        foil: with its caption.
        filename: of the picture, as in the benchmark's files.
        picture: a data URI or a relative link.
        is_new: whether it was not in the folder before.
    """

    foil: FoilPair
    filename: str
    picture: str
    is_new: bool = False

    @property
    def caption_pieces(self) -> list[Piece]:
        """The caption, cut where the foil changes it; whole when the foil was made of another caption."""
        if self.foil.caption != self.foil.original:
            return [(self.foil.caption, False)]
        return pieces(self.foil.caption, edits_between(self.foil.foil, self.foil.caption))

    @property
    def foil_pieces(self) -> list[Piece]:
        """The foil, cut where it differs from what it was made of."""
        return pieces(self.foil.foil, self.foil.edits or edits_between(self.foil.original, self.foil.foil))


def pieces(text: str, spans: Iterable[tuple[int, int]]) -> list[Piece]:
    """Cut a text into (piece, inside a span) in order; overlapping spans and ends beyond the text do no harm."""
    cut: list[Piece] = []
    end = 0
    for first, last in sorted(spans):
        first, last = max(first, end), min(last, len(text))
        if first < last:
            cut += [(text[end:first], False), (text[first:last], True)]
            end = last
    return [piece for piece in [*cut, (text[end:], False)] if piece[0]]


def render_page(cards: Sequence[Card], foils: FoilSet, title: str, report: dict[str, Any]) -> str:
    """The page as text; captions and file names are escaped, and nothing but the page's own script may run."""
    environment = Environment(
        loader=PackageLoader("rebind", "foils"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    loader = environment.loader
    assert loader is not None
    css, script = (loader.get_source(environment, name)[0] for name in ("page.css", "page.js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    judged = {name: None for family in report["families"].values() for name in family.get("after", {})}
    return environment.get_template("page.html.j2").render(
        title=title,
        css=Markup(css),
        script=Markup(script),
        script_digest=digest,
        cards=cards,
        families=report["families"],
        counts=report["foils"],
        report=report,
        judges={name: JUDGES.get(name, (name, "a model that was given as a judge")) for name in judged},
        blind=_blind(report["families"]),
        dropped=foils.dropped,
        small=[family for family, row in report["families"].items() if row.get("too_few")],
        reach=_reach(cards),
        new=sum(card.is_new for card in cards),
        pictures=len({card.filename for card in cards}),
        identity=f"{title}/{foils.settings.seed}",
    )


def _blind(families: dict[str, Any]) -> dict[str, float] | None:
    """Accuracy of the retrained classifier over all foils, before and after refinement; None when nobody judged."""
    accuracy = {}
    left = [family for family in families.values() if family.get("after") and not family["dropped"]]
    for when in ("before", "after"):
        scores = [family[when]["classifier_retrained"] for family in left]
        if not scores:
            return None
        accuracy[when] = sum(score["accuracy"] * score["n"] for score in scores) / sum(score["n"] for score in scores)
    return accuracy


def _reach(cards: Sequence[Card]) -> float:
    """The gap that fills a bar: nine in ten are smaller, so that a few outliers do not flatten all others."""
    gaps = sorted(abs(card.foil.gap) for card in cards if card.foil.gap)
    return gaps[len(gaps) * 9 // 10] if gaps else 1.0
