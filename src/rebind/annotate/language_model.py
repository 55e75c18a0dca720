"""What all annotations by a language model have in common: who asks it, and where its answers are kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from rebind.engine import Workforce

ANSWERS = "answers"


def with_answers_kept(settings: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Settings of a language model whose answers are kept in ``folder/answers``, unless they name a cache."""
    return {"cache": folder / ANSWERS, **settings}


def one_process_asks(backend: str, workforce: Workforce | None) -> Workforce:
    """Who does the work: one process where a language model is asked, many questions at once, if nobody says more."""
    workforce = workforce or Workforce()
    return replace(workforce, jobs=1) if backend == "llm" and workforce.jobs is None else workforce
