"""Concepts of a whole source, written beside its captions: where the rooms ``data`` and ``concepts`` meet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rebind import __version__
from rebind.concepts import build_extractor
from rebind.data import open_source
from rebind.data.annotations import write_annotation


@dataclass(frozen=True)
class AnnotationSummary:
    """What was written: the file, how many samples it covers and how many concepts it holds."""

    file: Path
    samples: int
    concepts: int


def annotate_concepts(data: str | Path, backend: str = "textblob", **settings: Any) -> AnnotationSummary:
    """Extract the concepts of every sample, over all its captions, each concept once.

    Args:
        data: anything that ``rebind.data.open_source`` opens.
        backend: of the extraction.
        settings: of the backend.

    Raises:
        UserError: when the source cannot be opened, or the annotation not be written.
    """
    source = open_source(data)
    extract = build_extractor(backend, **settings)
    counted = 0

    def rows() -> Any:
        nonlocal counted
        for index, key in enumerate(source.keys):
            found = dict.fromkeys(concept for caption in source.captions(index) for concept in extract(caption))
            counted += len(found)
            yield key, list(found)

    made_by = {"backend": extract.backend, "settings": extract.settings, "rebind": __version__}
    file = write_annotation(source, "concepts", rows(), made_by)
    return AnnotationSummary(file, len(source), counted)
