"""The backend that asks a language model behind an OpenAI-compatible server, and checks what it says."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from rebind.concepts import words as known
from rebind.concepts.mentions import Mentions, Phrase
from rebind.llm import Answerer, LanguageModel, Question, Unusable, count
from rebind.llm.model import openai_version
from rebind.llm.prompt import Prompt

PROMPT = Path(__file__).with_name("llm_prompt.yaml")
SCHEMA = {
    "type": "object",
    "properties": {"concepts": {"type": "array", "items": {"type": "string"}}},
    "required": ["concepts"],
    "additionalProperties": False,
}
_WORD = re.compile(r"[^\W_]+(?:[-'’.][^\W_]+)*")
_NOT_INSIDE = known.BOUNDARIES | known.BE


@dataclass(frozen=True)
class Named:
    """What one answer holds.

    Attributes:
        phrases: those that stand in the caption, in order of appearance.
        rejected: why the others were rejected.
    """

    phrases: tuple[Phrase, ...]
    rejected: tuple[str, ...]


@dataclass(frozen=True)
class LlmBackend:
    """Noun phrases by a language model; none is believed that does not stand in the caption.

    Attributes:
        model: its name, as the server lists it.
        base_url: of the server; usually ends in ``/v1``. The key comes from the environment variable
            ``REBIND_LLM_API_KEY`` or ``OPENAI_API_KEY``.
        temperature: of sampling, 0 to 2.
        seed: of sampling.
        max_tokens: the longest answer.
        concurrency: requests under way at a time, in each process.
        cache: folder where answers are kept; None for none.

    Raises:
        UserError: when one of them cannot be right.
    """

    model: str
    base_url: str = "http://localhost:8000/v1"
    temperature: float = 0.0
    seed: int = 0
    max_tokens: int = 512
    concurrency: int = 8
    cache: str | Path | None = None

    def __post_init__(self) -> None:
        self.language_model  # noqa: B018  refuses what cannot be right at once, not in some worker

    @property
    def language_model(self) -> LanguageModel:
        """The model that is asked."""
        cache = None if self.cache is None else Path(self.cache)
        return LanguageModel(
            model=self.model,
            base_url=self.base_url,
            temperature=self.temperature,
            seed=self.seed,
            max_tokens=self.max_tokens,
            concurrency=self.concurrency,
            cache=cache,
        )

    @property
    def version(self) -> str:
        """Of the package openai and of the prompt."""
        prompt = Prompt.read(PROMPT)
        return f"openai {openai_version()}, prompt {prompt.version} ({prompt.digest})"

    @property
    def settings(self) -> dict[str, Any]:
        """All that the phrases depend on; not where answers are kept, nor how many are asked for at a time."""
        return {**self.language_model.settings, "prompt": Prompt.read(PROMPT).settings}

    def read_many(self, captions: Sequence[str], tally: Counter[str] | None = None) -> list[Mentions]:
        """The noun phrases of each caption, none for a caption that the model could not be made to read.

        Args:
            captions: none of them blank.
            tally: counts of rejected phrases and of questions left unanswered are added to it.

        Raises:
            UserError: when the server cannot be reached, refuses, or answers nearly nothing that can be used.
        """
        prompt = Prompt.read(PROMPT)
        lines = [" ".join(caption.split()) for caption in captions]
        questions = [Question(prompt.messages(line, ["concepts"]), SCHEMA, partial(read_named, line)) for line in lines]
        answers = self._answerer.answers(questions)
        found = [Named((), ()) if answer.value is None else answer.value for answer in answers]
        if tally is not None:
            tally.update(count(answers))
            tally.update(f"rejected: {reason}" for named in found for reason in named.rejected)
        return [Mentions(named.phrases) for named in found]

    @cached_property
    def _answerer(self) -> Answerer:
        return Answerer(self.language_model)

    def __getstate__(self) -> dict[str, Any]:
        """Without connections, which belong to one process."""
        return {name: value for name, value in vars(self).items() if name != "_answerer"}


def read_named(caption: str, answer: Any) -> Named:
    """The phrases in an answer that stand in the caption, with the determiners that they have there.

    Args:
        caption: on one line.
        answer: the JSON object.

    Raises:
        Unusable: when it is not of the shape asked for, or names phrases but none that can be used.
    """
    listed = answer.get("concepts") if isinstance(answer, dict) else None
    if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
        raise Unusable("not of the shape asked for")
    words = _WORD.findall(caption.lower())
    taken: set[int] = set()
    found: dict[int, Phrase] = {}
    rejected = []
    asked = dict.fromkeys(tuple(_WORD.findall(Phrase.read(each).text)) for each in listed)
    for phrase in sorted(asked, key=len, reverse=True):  # so that "cat" is not found inside "black cat"
        start = _place(phrase, words, taken)
        reason = _fault(phrase) or ("not in the caption" if start is None else None)
        if reason or start is None:
            rejected.append(str(reason))
            continue
        taken.update(range(start, start + len(phrase)))
        found[start] = Phrase(" ".join(phrase), _determiner(words[:start]))
    if rejected and not found:
        raise Unusable(f"nothing in it fits ({rejected[0]})")
    return Named(tuple(found[start] for start in sorted(found)), tuple(rejected))


def _fault(phrase: tuple[str, ...]) -> str | None:
    if not phrase or known.DETERMINERS.issuperset(phrase):
        return "no words"
    if not known.PRONOUNS.isdisjoint(phrase):
        return "holds a pronoun"
    return None if _NOT_INSIDE.isdisjoint(phrase) else "more than a noun phrase"


def _place(phrase: tuple[str, ...], words: list[str], taken: set[int]) -> int | None:
    for start in range(len(words) - len(phrase) + 1):
        places = range(start, start + len(phrase))
        if words[start : places.stop] == list(phrase) and taken.isdisjoint(places):
            return start
    return None


def _determiner(before: list[str]) -> str:
    start = len(before)
    while start and before[start - 1] in known.DETERMINERS:
        start -= 1
    return " ".join(before[start:])
