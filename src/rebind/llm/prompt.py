"""Prompts: a task in words and examples of it, read from a file with a version and a digest."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class Prompt:
    """A task, with examples that are shown as earlier turns of the conversation.

    The part that is the same for all captions comes first, so that servers which remember prefixes read it once.

    Attributes:
        version: counts the published changes of its file.
        digest: 16 hex digits of BLAKE2b of its file.
        task: the instructions.
        examples: captions and the JSON objects that answer them.
        more: whatever else the file holds.
    """

    version: int
    digest: str
    task: str
    examples: tuple[tuple[str, dict[str, Any]], ...]
    more: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> Prompt:
        """A prompt from YAML: ``version``, ``task`` and ``examples``, each a ``caption`` and its ``answer``."""
        content = path.read_bytes()
        fields = yaml.safe_load(content)
        examples = tuple((each["caption"], each["answer"]) for each in fields.pop("examples"))
        digest = blake2b(content, digest_size=8).hexdigest()
        return cls(fields.pop("version"), digest, fields.pop("task"), examples, fields)

    @property
    def settings(self) -> dict[str, Any]:
        """What tells it from others."""
        return {"version": self.version, "digest": self.digest}

    def messages(self, caption: str, names: Iterable[str]) -> tuple[dict[str, str], ...]:
        """The conversation that asks about one caption.

        Args:
            caption: on one line.
            names: the fields of the answer; the examples show these only.
        """
        names = list(names)
        turns = [("system", self.task)]
        for example, answer in self.examples:
            wanted = {name: answer[name] for name in names}
            turns += [("user", _asked(example)), ("assistant", json.dumps(wanted, ensure_ascii=False))]
        turns.append(("user", _asked(caption)))
        return tuple({"role": role, "content": content} for role, content in turns)


def _asked(caption: str) -> str:
    return f"Caption: {caption}"
