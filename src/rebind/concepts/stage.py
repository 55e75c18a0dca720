"""The stage of the data engine that reads concepts: samples with captions in, one row of concepts for each out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rebind.concepts.extractor import Extractor, build_extractor
from rebind.engine.rules import rules_digest
from rebind.engine.stage import Item, Made

RULES = ("concepts",)  # where they are written
_WITHOUT_EFFECT = ("cache", "concurrency")  # settings of backends that no concept depends on


@dataclass
class ConceptStage:
    """Reads the concepts of all captions of each sample: items ``{"key", "captions"}``, rows ``{"key", "concepts"}``.

    A sample has the concepts of all its captions in order, each once, at most ``max_per_image`` of them; a caption that
    names nothing is its own concept. A caption that is blank or no text is counted and gives none.

    The tally: ``captions``, ``blank_captions`` (not among the former), ``concepts``, ``without_noun_phrase``, and what
    the backend counts.

    Attributes:
        backend: see :func:`rebind.concepts.build_extractor`.
        options: of the extraction and settings of the backend, likewise.
        name: of the annotation.
        part_size: samples in a part.

    Raises:
        UserError: as :func:`rebind.concepts.build_extractor`.
    """

    backend: str = "textblob"
    options: Mapping[str, Any] = field(default_factory=dict)
    name: str = field(default="concepts", init=False)
    part_size: int = field(init=False)
    extractor: Extractor = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.part_size = 200 if self.backend == "llm" else 10_000
        self.extractor = build_extractor(self.backend, **self.options)

    @property
    def settings(self) -> dict[str, Any]:
        """Backend, its version, a digest of our own rules, every option and setting, defaults included."""
        extractor = self.extractor
        given = {name: value for name, value in extractor.settings.items() if name not in _WITHOUT_EFFECT}
        own = getattr(extractor.backend, "settings", {})  # more than it was given, e.g. the digest of a prompt
        rules = rules_digest(*RULES, *(("llm",) if self.backend == "llm" else ()))
        return {"backend": self.backend, "version": extractor.version, "rebind_rules": rules, **given, **own}

    def open(self) -> Callable[[list[Item]], Made]:
        """The work on one part; what is heavy is loaded by the first."""
        return self._make

    def _make(self, items: list[Item]) -> Made:
        captions = [(item["key"], caption) for item in items for caption in item["captions"]]
        whole = [(key, caption.strip()) for key, caption in captions if isinstance(caption, str) and caption.strip()]
        tally = Counter[str]()
        found = self.extractor.find_many([caption for _, caption in whole], tally)
        concepts: dict[str, dict[str, None]] = {item["key"]: {} for item in items}
        for (key, caption), named in zip(whole, found, strict=True):
            concepts[key].update(dict.fromkeys(named or [caption]))
        most = self.extractor.options.max_per_image
        rows = [{"key": key, "concepts": list(of_sample)[:most]} for key, of_sample in concepts.items()]
        tally["captions"] = len(whole)
        tally["blank_captions"] = len(captions) - len(whole)
        tally["concepts"] = sum(len(row["concepts"]) for row in rows)
        tally["without_noun_phrase"] = sum(not named for named in found)
        return Made(rows, dict(tally))
