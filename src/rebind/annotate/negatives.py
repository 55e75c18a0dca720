"""Hard negative captions of a whole source, or of a file of captions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from rebind.annotate.blocks import SourceBlocks, require_no_file
from rebind.annotate.captions_file import CaptionsFileBlocks
from rebind.data import open_source
from rebind.engine import Blocks, Parts, Stage, Workforce, join_parts, run_stage
from rebind.types import UserError

BACKENDS = ("rules", "llm")
SUBSTITUTES = "substitutes.json"
MINED = 200_000  # samples that the substitutes are mined from at most: more of them change little
_BLOCK = 10_000


@dataclass(frozen=True)
class NegativeSummary:
    """What was written: where, and what was counted on the way, families and rejects among it."""

    place: Path
    tally: dict[str, int]


def annotate_negatives(
    data: str | Path, backend: str = "rules", workforce: Workforce | None = None, **settings: Any
) -> NegativeSummary:
    """Write hard negative captions of every sample into ``annotations/negatives``.

    The backend ``rules`` puts in what the source's own captions speak of: what that is stands in
    ``annotations/substitutes.json``, which is mined from at most 200,000 samples when it is not there.

    Args:
        data: anything that ``rebind.data.open_source`` opens.
        backend: ``rules`` or ``llm``.
        workforce: who does the work; one process when None and a language model is asked, which answers many at once.
        settings: of :class:`rebind.negatives.rules.RuleNegatives`, or of :class:`rebind.negatives.llm.LlmNegatives` and
            its :class:`rebind.llm.LanguageModel`.

    Raises:
        UserError: when the source cannot be opened, a setting is wrong, or the annotation was made otherwise or cannot
            be written.
    """
    source = open_source(data)
    require_no_file(source, "negatives")
    stage = build_negatives(backend, settings, SourceBlocks(source, _BLOCK), source.annotations / SUBSTITUTES)
    folder = source.annotations / "negatives"
    report = run_stage(stage, SourceBlocks(source, stage.part_size), folder, _workforce(backend, workforce))
    return NegativeSummary(folder, report["tally"])


def negate_file(
    captions: Path, out: Path, backend: str = "rules", workforce: Workforce | None = None, **settings: Any
) -> NegativeSummary:
    """Write hard negatives of every caption in a file, ``{"key", "caption"}`` a line, to ``{"key", "negatives"}``.

    Until the last block is done, the parts lie beside ``out`` in ``<out>.parts``, and the substitutes in
    ``<out>.substitutes.json``, which stay.

    Raises:
        UserError: as :func:`annotate_negatives`, and naming file, row and field of what is wrong in the captions.
    """
    corpus = CaptionsFileBlocks.of(captions, _BLOCK)
    stage = build_negatives(backend, settings, corpus, out.with_name(f"{out.stem}.{SUBSTITUTES}"))
    parts = Parts(out.with_name(f"{out.name}.parts"), "jsonl")
    blocks = CaptionsFileBlocks.of(captions, stage.part_size)
    report = run_stage(stage, blocks, parts.folder, _workforce(backend, workforce))
    join_parts(parts, out)
    return NegativeSummary(out, report["tally"])


def _workforce(backend: str, workforce: Workforce | None) -> Workforce:
    workforce = workforce or Workforce()
    return replace(workforce, jobs=1) if backend == "llm" and workforce.jobs is None else workforce


def build_negatives(backend: str, settings: dict[str, Any], corpus: Blocks, substitutes: Path) -> Stage:
    """The stage that writes negatives.

    Args:
        backend: ``rules`` or ``llm``.
        settings: of the backend.
        corpus: what the rules mine their substitutes from.
        substitutes: the file that these are kept in; mined when it is not there.

    Raises:
        UserError: when backend or settings are wrong.
    """
    if backend == "rules":
        return _rules(settings, corpus, substitutes)
    if backend == "llm":
        return _llm(settings, substitutes.parent)
    raise UserError(f"unknown backend {backend!r} of negatives; choose one of {', '.join(BACKENDS)}")


def _rules(settings: dict[str, Any], corpus: Blocks, substitutes: Path) -> Stage:
    from rebind.negatives.rules import RuleNegatives, Substitutes

    _require_known("rules", settings, _names(RuleNegatives))
    settings = _listed(settings)
    if "substitutes" not in settings:
        if not substitutes.is_file():
            Substitutes.mine(_evenly(corpus)).write(substitutes)
        settings = {**settings, "substitutes": substitutes}
    return RuleNegatives(**settings)


def _evenly(corpus: Blocks) -> Iterator[list[str]]:
    """The captions of every item, or of every n-th where there are more than enough."""
    step = -(-corpus.items // MINED)
    number = 0
    for block in (corpus[place] for place in range(len(corpus))):
        for item in block:
            if number % step == 0:
                yield item["captions"]
            number += 1


def _llm(settings: dict[str, Any], folder: Path) -> Stage:
    from rebind.llm import LanguageModel
    from rebind.negatives.llm import LlmNegatives

    of_model = _names(LanguageModel) - {"patience"}
    settings = _listed(settings)
    _require_known("llm", settings, of_model | _names(LlmNegatives) - {"model"})
    if "model" not in settings:
        raise UserError("the backend llm needs a model: --model NAME, as the server at --base-url lists it")
    asked = {name: value for name, value in settings.items() if name in of_model}
    asked.setdefault("cache", folder / "answers")
    others = {name: value for name, value in settings.items() if name not in of_model}
    return LlmNegatives(LanguageModel(**asked), **others)


def _names(record: type) -> set[str]:
    return {each.name for each in fields(record) if each.init} - {"name", "part_size"}


def _require_known(backend: str, settings: dict[str, Any], known: set[str]) -> None:
    if unknown := sorted(settings.keys() - known):
        raise UserError(
            f"unknown setting {unknown[0]!r} of backend {backend!r}; the known ones are: {', '.join(sorted(known))}"
        )


def _listed(settings: dict[str, Any]) -> dict[str, Any]:
    """Families as a command line gives them, and paths."""
    families = settings.get("families")
    if isinstance(families, str):
        settings = {**settings, "families": tuple(family.strip() for family in families.split(","))}
    paths = {name: Path(settings[name]) for name in ("substitutes", "cache") if isinstance(settings.get(name), str)}
    return {**settings, **paths}
