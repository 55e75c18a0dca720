"""Captions to concepts: the short noun phrases that name what a caption speaks of."""

from rebind.concepts.captions_file import ExtractionSummary, extract_file
from rebind.concepts.extractor import BACKENDS, Extractor, build_extractor, extract_concepts

__all__ = ["BACKENDS", "ExtractionSummary", "Extractor", "build_extractor", "extract_concepts", "extract_file"]
