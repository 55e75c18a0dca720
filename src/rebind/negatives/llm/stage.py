"""The stage that asks a language model for negatives of captions, several families in one answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from rebind.engine import Item, Made
from rebind.engine.rules import rules_digest
from rebind.llm import Answer, Answerer, LanguageModel, Question, Unusable, count
from rebind.llm.prompt import Prompt
from rebind.negatives.families import FAMILIES, Foil, edits_between
from rebind.negatives.llm.checks import fault, signature, tidy
from rebind.types import UserError

PROMPT = Path(__file__).with_name("prompt.yaml")
#: Where the rules are written that answers are read and checked by.
RULES = ("llm", "concepts", "negatives/families.py", "negatives/lexicon", "negatives/llm")


@dataclass(frozen=True)
class Proposals:
    """What one answer holds.

    Attributes:
        foils: negatives that no rule objects to, in the order of the families.
        rejected: why the others were rejected.
    """

    foils: tuple[Foil, ...]
    rejected: tuple[str, ...]


@dataclass(frozen=True)
class LlmNegatives:
    """Hard negative captions by a language model, each checked by rules: a stage of the engine.

    Every caption is a question of its own, so that a bad answer spoils one caption only and each is kept, and found
    again, by itself; servers read the instructions, which come first, once for many questions.

    Attributes:
        model: which to ask.
        families: the kinds of negatives to ask for.
        all_captions: ask for every caption of a sample, not only the first.
        name: of the annotation.
        part_size: items of a part.

    Raises:
        UserError: when a family is unknown, named twice, or there is none.
    """

    model: LanguageModel
    families: tuple[str, ...] = FAMILIES
    all_captions: bool = False
    name: str = "negatives"
    part_size: int = 200

    def __post_init__(self) -> None:
        unknown = sorted(set(self.families) - set(FAMILIES))
        if unknown or len(set(self.families)) != len(self.families) or not self.families:
            wrong = unknown[0] if unknown else ", ".join(self.families)
            raise UserError(f"families of negatives {wrong!r}: give each once, out of {', '.join(FAMILIES)}")

    @property
    def settings(self) -> dict[str, Any]:
        """All that the rows depend on."""
        return {
            "backend": "llm",
            **self.model.settings,
            "rebind_rules": rules_digest(*RULES),
            "prompt": Prompt.read(PROMPT).settings,
            "families": list(self.families),
            "all_captions": self.all_captions,
        }

    def open(self) -> Callable[[list[Item]], Made]:
        """From items with ``key`` and ``captions`` to rows with ``key`` and ``negatives``."""
        answerer = Answerer(self.model)
        prompt = _prompt_for(self.families)

        def make(items: list[Item]) -> Made:
            asked = [(item, place) for item in items for place in self._places(item)]
            questions = [self._question(prompt, _one_line(item["captions"][place])) for item, place in asked]
            answers = answerer.answers(questions)
            of_item: dict[int, list[tuple[int, Answer[Proposals]]]] = {id(item): [] for item in items}
            for (item, place), answer in zip(asked, answers, strict=True):
                of_item[id(item)].append((place, answer))
            tally = Counter({"captions": len(asked)}) + count(answers)
            rows = [{"key": item["key"], "negatives": _negatives(item, of_item[id(item)], tally)} for item in items]
            return Made(rows, dict(+tally))

        return make

    def _places(self, item: Item) -> list[int]:
        captions = item["captions"] if self.all_captions else item["captions"][:1]
        return [place for place, caption in enumerate(captions) if caption.strip()]

    def _question(self, prompt: Prompt, caption: str) -> Question[Proposals]:
        read = partial(read_proposals, caption, self.families)
        return Question(prompt.messages(caption, self.families), schema_of(self.families), read)


def schema_of(families: tuple[str, ...]) -> dict[str, Any]:
    """JSON schema of an answer: one text or null for each family."""
    return {
        "type": "object",
        "properties": {family: {"type": ["string", "null"]} for family in families},
        "required": list(families),
        "additionalProperties": False,
    }


def read_proposals(caption: str, families: tuple[str, ...], answer: Any) -> Proposals:
    """The negatives in an answer, checked.

    Args:
        caption: that they are negatives of, on one line.
        families: that were asked for.
        answer: the JSON object.

    Raises:
        Unusable: when it is not of the shape asked for, or proposes something but nothing that can be used.
    """
    if not isinstance(answer, dict) or not answer.keys() & set(families):
        raise Unusable("not of the shape asked for")
    foils: dict[tuple[str, ...], Foil] = {}
    rejected = []
    for family in families:
        text = answer.get(family)
        if text is None or text == "":
            continue
        if not isinstance(text, str):
            raise Unusable("not of the shape asked for")
        text = tidy(caption, text)
        reason = fault(caption, text, family) or ("twice" if signature(text) in foils else None)
        if reason is None:
            foils[signature(text)] = Foil(text, family, edits_between(caption, text))
        else:
            rejected.append(reason)
    if rejected and not foils:
        raise Unusable(f"nothing in it fits ({rejected[0]})")
    return Proposals(tuple(foils.values()), tuple(rejected))


def _prompt_for(families: tuple[str, ...]) -> Prompt:
    """The prompt of the package with the families that are wanted."""
    prompt = Prompt.read(PROMPT)
    kinds = "\n".join(f"- {family}: {prompt.more['families'][family]}" for family in families)
    task = prompt.task.replace("{families}", kinds).replace("{names}", ", ".join(families))
    return replace(prompt, task=task)


def _negatives(item: Item, answers: list[tuple[int, Answer[Proposals]]], tally: Counter[str]) -> list[dict[str, Any]]:
    """The rows of one sample; nothing that another of its captions says is a negative of it."""
    said = {signature(caption) for caption in item["captions"]}
    negatives = []
    for place, answer in answers:
        if answer.value is None:
            continue
        tally.update(f"rejected: {reason}" for reason in answer.value.rejected)
        for foil in answer.value.foils:
            if signature(foil.caption) in said:
                tally["rejected: said of the same sample"] += 1
                continue
            said.add(signature(foil.caption))
            tally["negatives"] += 1
            tally[f"negatives: {foil.family}"] += 1
            edits = [list(edit) for edit in foil.edits]
            negatives.append({"caption": foil.caption, "family": foil.family, "edits": edits, "of": place})
    return negatives


def _one_line(caption: str) -> str:
    return " ".join(caption.split())
