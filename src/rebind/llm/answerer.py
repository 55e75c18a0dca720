"""Many questions at a time: from the cache or the server, each answer read before it is kept."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from rebind.llm.answers import Unusable, json_in
from rebind.llm.cache import AnswerCache, content_key
from rebind.llm.model import LanguageModel
from rebind.types import UserError

if TYPE_CHECKING:
    from rebind.llm.server import Server

T = TypeVar("T")


@dataclass(frozen=True)
class Question(Generic[T]):
    """What to ask, and how to read the answer.

    Attributes:
        messages: the conversation so far, ``{"role", "content"}`` each; they must say what JSON is wanted, for not
            every server enforces a schema.
        schema: JSON schema of the answer, an object.
        read: from the JSON object to what it means; raises :class:`Unusable` when it makes no sense.
    """

    messages: tuple[dict[str, str], ...]
    schema: dict[str, Any]
    read: Callable[[Any], T]


@dataclass(frozen=True)
class Answer(Generic[T]):
    """What came of a question.

    Attributes:
        value: what was read; None when no answer could be used.
        format: how the server was made to answer: ``json_schema``, ``json_object`` or ``text``.
        refused: why each answer before this one, or every one, could not be used.
    """

    value: T | None
    format: str
    refused: tuple[str, ...] = ()


def count(answers: Iterable[Answer[Any]]) -> Counter[str]:
    """Counts for a report: answers by format, questions asked again by reason, questions left unanswered by reason."""
    tally: Counter[str] = Counter()
    for answer in answers:
        tally[f"answers as {answer.format}"] += answer.value is not None
        again = answer.refused
        if answer.value is None:
            tally[f"unanswered: {answer.refused[-1]}"] += 1
            again = answer.refused[:-1]
        tally.update(f"asked again: {reason}" for reason in again)
    return +tally


class Answerer:
    """Asks one model; open it in the process that uses it."""

    def __init__(self, model: LanguageModel) -> None:
        """Prepare to ask ``model``; nothing is sent before the first question that the cache cannot answer."""
        self._model = model
        self._stop = threading.Event()
        self._server: Server | None = None
        self._trial = _Trial(model)

    @cached_property
    def _cache(self) -> AnswerCache | None:
        return None if self._model.cache is None else AnswerCache(self._model.cache)

    def answers(self, questions: Sequence[Question[T]]) -> list[Answer[T]]:
        """The answer to each question, in the order of the questions.

        What the cache holds is not asked for; the rest is asked at most ``concurrency`` at a time, again when an answer
        cannot be used, and kept as soon as one can.

        Raises:
            UserError: when the server cannot be reached or refuses to work, or nearly all of the first answers cannot
                be used. Answers that were kept stay.
        """
        known = [self._remembered(question) for question in questions]
        todo = [number for number, answer in enumerate(known) if answer is None]
        if todo:
            server = self._greeted(questions[todo[0]].schema)
            asked = self._ask(server, [questions[number] for number in todo])
            for number, answer in zip(todo, asked, strict=True):
                known[number] = answer
        return [answer for answer in known if answer is not None]

    def _greeted(self, schema: dict[str, Any]) -> Server:
        if self._server is None:
            try:
                from rebind.llm.server import Server
            except ImportError as error:
                raise UserError(
                    f"asking a language model needs the package {error.name}; "
                    "install it with: pip install 'rebind[llm]'"
                ) from None
            server = Server(self._model, self._stop)
            server.greet(schema)
            self._server = server
        return self._server

    def _ask(self, server: Server, questions: list[Question[T]]) -> list[Answer[T]]:
        self._stop.clear()
        with ThreadPoolExecutor(self._model.concurrency) as pool:
            futures = [pool.submit(self._answer, server, question) for question in questions]
            try:
                done, _ = wait(futures, return_when=FIRST_EXCEPTION)
                for future in done:
                    future.result()
            except BaseException:
                self._stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return [future.result() for future in futures]

    def _answer(self, server: Server, question: Question[T]) -> Answer[T]:
        refused: list[str] = []
        detail = ""
        for attempt in range(self._model.patience.answers):
            seed = None if self._model.seed is None else self._model.seed + attempt
            try:
                text = server.reply(_reminded(question.messages, refused), question.schema, seed)
                value = question.read(json_in(text))
            except Unusable as error:
                refused.append(error.reason)
                detail = error.detail
                if error.final:
                    break
                continue
            if self._cache is not None:
                kept = {"text": text, "format": server.format, "refused": refused}
                self._cache.put(self._key(question), kept)
            self._trial.succeeded()
            return Answer(value, server.format, tuple(refused))
        self._trial.failed(refused[-1], detail)
        return Answer(None, server.format, tuple(refused))

    def _remembered(self, question: Question[T]) -> Answer[T] | None:
        kept = None if self._cache is None else self._cache.get(self._key(question))
        if kept is None:
            return None
        try:
            return Answer(question.read(json_in(kept["text"])), kept["format"], tuple(kept["refused"]))
        except Unusable:  # it was read by other rules then
            return None

    def _key(self, question: Question[Any]) -> bytes:
        model = self._model
        sampling = [model.temperature, model.seed, model.max_tokens]
        return content_key([model.model, sampling, question.messages, question.schema])


def _reminded(messages: tuple[dict[str, str], ...], refused: list[str]) -> tuple[dict[str, str], ...]:
    """The messages, with the fault of the last answer: without it, a model at temperature 0 would only repeat it."""
    if not refused:
        return messages
    reminder = f"\n\nYour last answer could not be used: {refused[-1]}. Follow the instructions exactly."
    *before, last = messages
    return (*before, {**last, "content": last["content"] + reminder})


class _Trial:
    """Stops a run whose first answers are nearly all useless, before it costs more."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        self._lock = threading.Lock()
        self._asked = 0
        self._failures: Counter[str] = Counter()
        self._details: dict[str, str] = {}

    def succeeded(self) -> None:
        with self._lock:
            self._asked += 1

    def failed(self, reason: str, detail: str) -> None:
        size, share = self._model.patience.trial, self._model.patience.trial_failures
        with self._lock:
            self._asked += 1
            if self._asked > size:
                return
            self._failures[reason] += 1
            self._details[reason] = f" ({detail})" if detail else ""
            failures = self._failures.total()
            if failures < share * size:
                return
        most = self._failures.most_common(1)[0][0]
        raise UserError(
            f"{failures} of the first {self._asked} answers of model {self._model.model!r} at "
            f"{self._model.public_url} could not be used, most often: {most}{self._details[most]}; "
            "try a few captions, and a more capable model"
        )
