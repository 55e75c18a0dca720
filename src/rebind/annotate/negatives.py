"""Hard negative captions of a whole source, or of a file of captions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

from rebind.annotate.balanced_negatives import write_refined
from rebind.annotate.blind_scores import FamilyRefinement, judge_refinement
from rebind.annotate.blocks import SourceBlocks, require_no_file
from rebind.annotate.captions_file import CaptionsFileBlocks, require_other_file
from rebind.annotate.language_model import one_process_asks, with_answers_kept
from rebind.data import open_source
from rebind.engine import Blocks, PartBlocks, Parts, Stage, Workforce, join_parts, run_stage
from rebind.engine.rules import rules_digest
from rebind.storage import write_json
from rebind.types import UserError

BACKENDS = ("rules", "llm")
SUBSTITUTES = "substitutes.json"
BLIND = "blind.json"  # what refinement made of each family
MINED = 200_000  # samples that the substitutes are mined from at most: more of them change little
_BLOCK = 10_000


@dataclass(frozen=True)
class NegativeSummary:
    """What was written: where, what was counted on the way, families and rejects among it, and how it was refined."""

    place: Path
    tally: dict[str, int]
    refinement: dict[str, FamilyRefinement] | None = None


def annotate_negatives(
    data: str | Path,
    backend: str = "rules",
    workforce: Workforce | None = None,
    refine: bool = False,
    **settings: Any,
) -> NegativeSummary:
    """Write hard negative captions of every sample into ``annotations/negatives``.

    The backend ``rules`` puts in what the source's own captions speak of: what that is stands in
    ``annotations/substitutes.json``, which is mined from at most 200,000 samples, anew when their captions or the rules
    change. A file that does not say what it was mined from is used as it is.

    Args:
        data: anything that ``rebind.data.open_source`` opens.
        backend: ``rules`` or ``llm``.
        workforce: who does the work; one process when None and a language model is asked, which answers many at once.
        refine: keep only such negatives as cannot be told from their captions without the picture. All of them then
            lie in the folder ``candidates`` of the annotation, and its ``blind.json`` has the scores.
        settings: of :class:`rebind.negatives.rules.RuleNegatives`, or of :class:`rebind.negatives.llm.LlmNegatives` and
            its :class:`rebind.llm.LanguageModel`.

    Raises:
        UserError: when the source cannot be opened, a setting is wrong, or the annotation was made otherwise or cannot
            be written.
    """
    source = open_source(data)
    require_no_file(source, "negatives")
    stage = build_negatives(backend, settings, source.annotations / SUBSTITUTES)
    folder = source.annotations / "negatives"
    blocks, mine = SourceBlocks(source, stage.part_size), partial(_mine, stage, SourceBlocks(source, _BLOCK))
    scores = folder / BLIND if refine else None
    return _write(stage, blocks, folder, one_process_asks(backend, workforce), scores, mine)


def negate_file(
    captions: Path,
    out: Path,
    backend: str = "rules",
    workforce: Workforce | None = None,
    refine: bool = False,
    **settings: Any,
) -> NegativeSummary:
    """Write hard negatives of every caption in a file, ``{"key", "caption"}`` a line, to ``{"key", "negatives"}``.

    Until the last block is done, the parts lie beside ``out.jsonl`` in ``out.jsonl.parts``, and the substitutes in
    ``out.substitutes.json``, which stay, as do the scores of a refinement in ``out.blind.json``; where nothing is
    refined, those of an earlier one go.

    Raises:
        UserError: as :func:`annotate_negatives`, and naming file, row and field of what is wrong in the captions.
    """
    require_other_file(captions, out)
    stage = build_negatives(backend, settings, out.with_name(f"{out.stem}.{SUBSTITUTES}"))
    parts = Parts(out.with_name(f"{out.name}.parts"), "jsonl")
    blocks = CaptionsFileBlocks.of(captions, stage.part_size)
    mine = partial(_mine, stage, CaptionsFileBlocks.of(captions, _BLOCK))
    scores = out.with_name(f"{out.stem}.{BLIND}")
    workforce = one_process_asks(backend, workforce)
    written = _write(stage, blocks, parts.folder, workforce, scores if refine else None, mine)
    if not refine:
        scores.unlink(missing_ok=True)
    join_parts(parts, out)
    return replace(written, place=out)


def _write(
    stage: Stage, blocks: Blocks, folder: Path, workforce: Workforce, scores: Path | None, mine: Callable[[], None]
) -> NegativeSummary:
    """Write negatives into ``folder``; refined, if there is a file for the scores."""
    if scores is None:
        # The folder is claimed first: a command that is refused replaces no substitutes.
        with Parts(folder, "jsonl").opened({**stage.settings, "part_size": stage.part_size}):
            mine()
        return NegativeSummary(folder, run_stage(stage, blocks, folder, workforce)["tally"])
    tally, candidates = write_refined(stage, blocks, folder, workforce, mine)
    refinement = judge_refinement(tally, candidates, PartBlocks.of(folder))
    write_json(scores, {family: each.as_dict() for family, each in refinement.items()})
    return NegativeSummary(folder, tally, refinement)


def build_negatives(backend: str, settings: dict[str, Any], substitutes: Path) -> Stage:
    """The stage that writes negatives.

    Args:
        backend: ``rules`` or ``llm``.
        settings: of the backend.
        substitutes: the file that the rules read theirs from, unless the settings name one; it is mined later.

    Raises:
        UserError: when backend or settings are wrong.
    """
    if backend == "rules":
        return _rules(settings, substitutes)
    if backend == "llm":
        return _llm(settings, substitutes.parent)
    raise UserError(f"unknown backend {backend!r} of negatives; choose one of {', '.join(BACKENDS)}")


def _rules(settings: dict[str, Any], substitutes: Path) -> Stage:
    from rebind.negatives.rules import RuleNegatives

    _require_known("rules", settings, _names(RuleNegatives) - {"mined"})
    return RuleNegatives(**{"substitutes": substitutes, "mined": "substitutes" not in settings, **_listed(settings)})


def _mine(stage: Stage, corpus: Blocks) -> None:
    """Write the file of substitutes, unless they were mined from these captions, or nobody knows from what."""
    from rebind.negatives.rules import RuleNegatives, Substitutes
    from rebind.negatives.rules.stage import RULES

    if not isinstance(stage, RuleNegatives) or not stage.mined or stage.substitutes is None:
        return
    made_of = blake2b(rules_digest(*RULES).encode(), digest_size=16)
    for captions in _evenly(corpus):
        made_of.update(json.dumps(captions).encode())
    mined_from, file = made_of.hexdigest(), stage.substitutes
    if not file.is_file() or Substitutes.read(file).mined_from not in ("", mined_from):
        replace(Substitutes.mine(_evenly(corpus)), mined_from=mined_from).write(file)


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
    asked = {name: value for name, value in with_answers_kept(settings, folder).items() if name in of_model}
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
