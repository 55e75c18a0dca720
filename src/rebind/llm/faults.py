"""What can go wrong between here and a server: what may pass, what is refused, and each as one sentence."""

from __future__ import annotations

from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

import openai

from rebind.llm.model import KEY, NO_KEY, LanguageModel
from rebind.types import UserError

_PASSING = frozenset((408, 409, 425, 429))
_REFUSED = frozenset((400, 413, 415, 422, 501))
_QUOTED = 200  # characters of what a server says or is asked


def status(error: BaseException) -> int | None:
    """The HTTP status of an error; None when there was no reply."""
    return error.status_code if isinstance(error, openai.APIStatusError) else None


def says(error: openai.APIError) -> str:
    """What the server says, or why it cannot be heard, in one short line; without the key, should it repeat it."""
    body = error.body
    said = body.get("message") if isinstance(body, dict) else body
    reason = said if isinstance(said, str) and said.strip() else str(error.__cause__ or error.message)
    key = error.request.headers.get("authorization", "").removeprefix("Bearer ")
    return _short(" ".join((reason.replace(key, "***") if len(key) > len(NO_KEY) else reason).split()))


def _short(line: str) -> str:
    return line if len(line) <= _QUOTED else line[: _QUOTED - 1] + "…"


def retry_after(error: BaseException | None) -> float:
    """Seconds that the server asks to wait; 0 when it does not say."""
    if not isinstance(error, openai.APIStatusError):
        return 0.0
    value = error.response.headers.get("retry-after", "").strip()
    try:
        seconds = float(value)
        return seconds if seconds > 0 else 0.0  # which "nan" is not
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return max((moment - datetime.now(timezone.utc)).total_seconds(), 0.0)


def refuses_message(error: openai.APIError) -> bool:
    """Whether the server dislikes what it is sent, in content or shape, rather than who asks and how often."""
    code = status(error)
    # Some forks of llama.cpp call an unknown response format an internal error.
    named = any(word in says(error) for word in ("response_format", "json_schema"))
    return code in _REFUSED or (code is not None and code >= 500 and named)


def may_pass(error: openai.APIError, longest_retry_after: float) -> bool:
    """Whether the same request may succeed later."""
    if isinstance(error, openai.APIConnectionError):
        return True
    code = status(error)
    if code is None or refuses_message(error) or retry_after(error) > longest_retry_after:
        return False
    spent = getattr(error, "code", None) == "insufficient_quota"
    return (code in _PASSING or code >= 500) and not spent


def sentence(error: openai.APIError, model: LanguageModel, question: str = "") -> UserError:
    """The error as one sentence: address, model, what the server says and what would be right.

    Args:
        error: the last one, after all patience.
        model: that was asked.
        question: that it failed at, to be quoted where others may be answered.
    """
    code = status(error)
    said = says(error)
    place = f"{model.public_url} for model {model.model!r}"
    asked = f" when asked {_short(' '.join(question.split()))!r}" if question else ""
    again = "and run the same command again, without that caption if it is always the same one"
    if isinstance(error, openai.APITimeoutError):
        seconds = f"{model.patience.timeout:g} s"
        return UserError(f"no answer from {place} within {seconds}{asked}; lower the concurrency {again}")
    if code is None:
        return UserError(f"cannot reach {model.public_url} ({said}); start the server there or correct the base URL")
    replies = f"{place}, replies {code} ({said})"
    advice = {
        401: f"set the environment variable {KEY} to a key that it accepts",
        403: f"set the environment variable {KEY} to a key that may use this model",
        404: f"the base URL usually ends in /v1, and {model.public_url}/models lists the models",
        429: "wait or raise your limit there, lower the concurrency, and run the same command again",
    }
    if (wait := retry_after(error)) > model.patience.longest_retry_after:
        return UserError(f"{replies} and asks to wait {wait:.0f} s; run the same command again later")
    if code >= 500:
        return UserError(f"{replies}{asked}; see the server's log {again}")
    return UserError(f"{replies}; {advice.get(code, 'correct the request or choose another model')}")
