"""A SugarCrepe-format benchmark of the user's own captioned images, refined, with a page to browse and veto foils."""

from rebind.foils.building import FoilSet, FoilSettings, build_foils
from rebind.foils.candidates import FoilPair
from rebind.foils.sources import annotated_negatives, rule_negatives
from rebind.foils.vetoes import Veto, read_vetoes
from rebind.foils.writing import Written, earlier_vetoes, write_foils

__all__ = [
    "FoilPair",
    "FoilSet",
    "FoilSettings",
    "Veto",
    "Written",
    "annotated_negatives",
    "build_foils",
    "earlier_vetoes",
    "read_vetoes",
    "rule_negatives",
    "write_foils",
]
