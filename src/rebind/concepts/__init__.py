"""Captions to concepts: the short noun phrases that name what a caption speaks of."""

from rebind.concepts.captions_file import read_captions_file
from rebind.concepts.extractor import BACKENDS, Extractor, build_extractor
from rebind.concepts.options import ConceptOptions, frequent
from rebind.concepts.report import ConceptReport
from rebind.concepts.stage import ConceptStage
from rebind.concepts.stop_concepts import STOP_LISTS

__all__ = [
    "BACKENDS",
    "STOP_LISTS",
    "ConceptOptions",
    "ConceptReport",
    "ConceptStage",
    "Extractor",
    "build_extractor",
    "frequent",
    "read_captions_file",
]
