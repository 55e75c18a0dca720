"""A SugarCrepe-format benchmark of the user's own captioned images, refined, with a page to browse and veto foils."""

from rebind.foils.building import FoilPair, FoilSet, FoilSettings, build_foils
from rebind.foils.vetoes import Veto, read_vetoes
from rebind.foils.writing import Written, write_foils

__all__ = [
    "FoilPair",
    "FoilSet",
    "FoilSettings",
    "Veto",
    "Written",
    "build_foils",
    "read_vetoes",
    "write_foils",
]
