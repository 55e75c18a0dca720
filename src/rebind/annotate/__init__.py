"""What is found out about a whole source, written beside its captions: where ``data`` meets the rooms that find it."""

from rebind.annotate.concepts import ConceptSummary, annotate_concepts, extract_file
from rebind.annotate.neighbours import NeighbourSummary, annotate_neighbours

__all__ = ["ConceptSummary", "NeighbourSummary", "annotate_concepts", "annotate_neighbours", "extract_file"]
