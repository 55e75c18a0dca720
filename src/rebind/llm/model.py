"""Which language model to ask, where it is served, and how patiently."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rebind.types import UserError

KEY = "REBIND_LLM_API_KEY"
HOSTED_KEY = "OPENAI_API_KEY"
NO_KEY = "none"  # what servers without keys are sent


@dataclass(frozen=True)
class Patience:
    """How much to bear with a server and its model.

    Attributes:
        timeout: seconds that one request may take.
        attempts: how often a request is sent when the server is busy (429), fails (5xx), is too slow or hangs up.
        first_wait: seconds; the wait before attempt n + 1 is random between 0 and ``first_wait`` · 2ⁿ⁻¹, and never
            shorter than what the server asks for.
        longest_wait: seconds, the end of that growth.
        longest_retry_after: seconds that the server may ask for; beyond it the run stops.
        answers: how many answers to one question are read before it is left unanswered.
        trial: after how many new questions to judge whether the model can do the task at all.
        trial_failures: the share of these that must be left unanswered for the run to stop.
    """

    timeout: float = 120.0
    attempts: int = 6
    first_wait: float = 1.0
    longest_wait: float = 60.0
    longest_retry_after: float = 600.0
    answers: int = 3
    trial: int = 50
    trial_failures: float = 0.9


@dataclass(frozen=True)
class LanguageModel:
    """A language model behind an OpenAI-compatible server: vLLM, llama.cpp, Ollama, or a hosted one.

    The key is read from the environment where the requests are made, ``REBIND_LLM_API_KEY`` before
    ``OPENAI_API_KEY``; it is never part of this record. The latter goes only to this machine or over https.

    Attributes:
        model: its name, as the server lists it.
        base_url: of the server; usually ends in ``/v1``.
        temperature: of sampling, 0 to 2.
        seed: of sampling; None for servers that do not accept one.
        max_tokens: the longest answer.
        concurrency: requests under way at a time, in each process.
        cache: folder where answers are kept, so that no question is paid for twice; None for none.
        patience: see :class:`Patience`.

    Raises:
        UserError: when one of them cannot be right.
    """

    model: str
    base_url: str = "http://localhost:8000/v1"
    temperature: float = 0.7
    seed: int | None = 0
    max_tokens: int = 1024
    concurrency: int = 8
    cache: Path | None = None
    patience: Patience = field(default_factory=Patience)

    def __post_init__(self) -> None:
        if not self.model.strip():
            raise UserError("the language model has no name; give one that the server lists under /models")
        if _host(self.base_url) is None:
            raise UserError(
                f"{self.public_url!r} is not the address of a server; write it like http://localhost:8000/v1"
            )
        if self.public_url != self.base_url.rstrip("/"):
            raise UserError(
                f"the address {self.public_url} is given with a password or other addition; leave it out, and put the "
                f"key into the environment variable {KEY}"
            )
        if not 0 <= self.temperature <= 2:
            raise UserError(f"the temperature is {self.temperature}; it must be between 0 and 2")
        counts = {"max_tokens": self.max_tokens, "concurrency": self.concurrency, "attempts": self.patience.attempts}
        for name, value in counts.items():
            if value < 1:
                raise UserError(f"{name} is {value}; it must be at least 1")

    @property
    def public_url(self) -> str:
        """The address alone, for records and messages."""
        scheme, separator, rest = self.base_url.partition("://")
        place = rest.partition("?")[0].partition("#")[0]
        host, slash, path = place.partition("/")
        return scheme + separator + host.rpartition("@")[2] + slash + path.rstrip("/")

    @property
    def settings(self) -> dict[str, Any]:
        """All that the answers depend on; not where the model is served, so that it may move.

        Raises:
            UserError: when the package openai is not installed.
        """
        return {
            "model": self.model,
            "temperature": self.temperature,
            "seed": self.seed,
            "max_tokens": self.max_tokens,
            "openai": openai_version(),
        }

    @property
    def api_key(self) -> str:
        """The key in the environment; ``none`` where there is none."""
        hosted = os.environ.get(HOSTED_KEY) if self._keeps_secrets() else None
        return os.environ.get(KEY) or hosted or NO_KEY

    def _keeps_secrets(self) -> bool:
        """Whether nobody on the way to the server can read what is sent."""
        host = _host(self.base_url) or ""
        try:
            local = ip_address(host).is_loopback
        except ValueError:
            local = host == "localhost"
        return local or self.base_url.lower().startswith("https://")


def openai_version() -> str:
    """The version of the package openai.

    Raises:
        UserError: when it is not installed.
    """
    try:
        return version("openai")
    except PackageNotFoundError:
        raise UserError(
            "asking a language model needs the package openai; install it with: pip install 'rebind[llm]'"
        ) from None


def _host(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  refuses what is not a number
    except ValueError:
        return None
    return parts.hostname if parts.scheme in ("http", "https") else None
