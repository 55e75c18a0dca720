"""Checks of the settings that users give to objectives."""

from __future__ import annotations

from math import inf
from typing import Any

from rebind.types import UserError


def check_number(place: str, value: Any) -> None:
    """A finite number of at least 0.

    Raises:
        UserError: when it is not; the sentence begins with ``place``, e.g. ``c2lip: concept_weight``.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < inf:
        raise UserError(f"{place} must be a number of at least 0, not {value!r}")


def check_choice(place: str, value: Any, choices: tuple[str, ...]) -> None:
    """One of a few words.

    Raises:
        UserError: when it is not; the sentence begins with ``place``, e.g. ``negclip: form``.
    """
    if value not in choices:
        raise UserError(f"{place} must be one of {', '.join(choices)}, not {value!r}")
