"""Requests to an OpenAI-compatible server: sent patiently, in the best answer format that it accepts."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from typing import Any

import openai
from openai.types.chat import ChatCompletion
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, stop_when_event_set
from tenacity.nap import sleep_using_event
from tenacity.wait import wait_random_exponential

from rebind.llm import faults
from rebind.llm.answers import Unusable
from rebind.llm.model import LanguageModel
from rebind.types import UserError

#: Answer formats, strictest first.
FORMATS = ("json_schema", "json_object", "text")
_GREETING = ({"role": "user", "content": "Are you ready? Answer in JSON."},)
_ATTEMPTS_TO_GREET = 3
_NEWER_LENGTH = "max_completion_tokens"  # newer hosted models know the limit under this name only

Messages = Sequence[dict[str, str]]


class Server:
    """One server, shared by the threads of a process.

    Attributes:
        format: the answer format in use; empty until the server was greeted.
    """

    def __init__(self, model: LanguageModel, stop: threading.Event) -> None:
        """Prepare to ask ``model``; sends nothing. Waits end early when ``stop`` is set."""
        self.format = ""
        self._model, self._stop = model, stop
        self._length = "max_tokens"
        self._client = openai.OpenAI(
            base_url=model.base_url, api_key=model.api_key, timeout=model.patience.timeout, max_retries=0
        )

    def greet(self, schema: dict[str, Any]) -> None:
        """Find out whether the server answers at all, and in which format.

        Raises:
            UserError: when it cannot be reached, or refuses key, model or any format.
        """
        attempts = min(_ATTEMPTS_TO_GREET, self._model.patience.attempts)
        for form in FORMATS:
            try:
                self._send_patiently(_GREETING, schema, form, attempts, self._model.seed)
            except Unusable as error:
                url = self._model.public_url
                raise UserError(f"{url} does not speak OpenAI's protocol; its address usually ends in /v1") from error
            except openai.APIError as error:
                if form == FORMATS[-1] or not faults.refuses_message(error):
                    raise faults.sentence(error, self._model) from error
            else:
                self.format = form
                return

    def reply(self, messages: Messages, schema: dict[str, Any], seed: int | None) -> str:
        """What the model answers.

        Args:
            messages: of the conversation so far.
            schema: JSON schema of the answer.
            seed: of sampling, in place of the model's.

        Raises:
            Unusable: when the answer is empty or cut off, or the server refuses these messages.
            UserError: when the server does not answer, however often it is asked, or refuses key or model.
        """
        try:
            completion = self._send_patiently(messages, schema, self.format, self._model.patience.attempts, seed)
        except openai.APIError as error:
            if faults.refuses_message(error):
                reason = f"refused with status {faults.status(error)}"
                raise Unusable(reason, faults.says(error), final=True) from error
            # It may pass or lie in these messages: nobody can tell, so that it must not count as an answer.
            raise faults.sentence(error, self._model, messages[-1]["content"]) from error
        return _text_of(completion)

    def _send_patiently(
        self, messages: Messages, schema: dict[str, Any], form: str, attempts: int, seed: int | None
    ) -> ChatCompletion:
        patience = self._model.patience
        backoff = wait_random_exponential(multiplier=patience.first_wait, max=patience.longest_wait)

        def wait(state: RetryCallState) -> float:
            assert state.outcome is not None
            return max(backoff(state), faults.retry_after(state.outcome.exception()))

        retrying = Retrying(
            retry=retry_if_exception(self._may_pass),
            stop=stop_after_attempt(attempts) | stop_when_event_set(self._stop),
            wait=wait,
            sleep=sleep_using_event(self._stop),
            reraise=True,
        )
        return retrying(self._send, messages, schema, form, seed)

    def _may_pass(self, error: BaseException) -> bool:
        longest = self._model.patience.longest_retry_after
        return isinstance(error, openai.APIError) and faults.may_pass(error, longest)

    def _send(self, messages: Messages, schema: dict[str, Any], form: str, seed: int | None) -> ChatCompletion:
        body: dict[str, Any] = {
            "model": self._model.model,
            "messages": messages,
            "temperature": self._model.temperature,
            self._length: self._model.max_tokens,
        }
        if seed is not None:
            body["seed"] = seed
        if form != "text":
            body["response_format"] = {"type": form}
        if form == "json_schema":
            body["response_format"]["json_schema"] = {"name": "answer", "strict": True, "schema": schema}
        try:
            completion = self._client.chat.completions.create(**body)
        except openai.BadRequestError as error:
            if _NEWER_LENGTH in body or _NEWER_LENGTH not in faults.says(error):
                raise
            self._length = _NEWER_LENGTH
            return self._send(messages, schema, form, seed)
        except json.JSONDecodeError:
            raise Unusable("not JSON on the wire") from None
        if not isinstance(completion, ChatCompletion):
            raise Unusable("no chat completion")
        return completion


def _text_of(completion: ChatCompletion) -> str:
    """The text of the first choice; what the server sent was not checked by anyone yet."""
    choices = completion.choices
    if not isinstance(choices, list) or not choices:
        raise Unusable("no choices")
    if choices[0].finish_reason == "length":
        raise Unusable("cut off at max_tokens")
    text = getattr(choices[0].message, "content", None)
    if not isinstance(text, str) or not text.strip():
        raise Unusable("empty")
    return text
