"""Settings of a recipe given as flags."""

from __future__ import annotations

from typing import Any

from rebind.types import UserError


def overrides(arguments: list[str]) -> dict[str, Any]:
    """``["--learning-rate", "1e-5", "--objective-settings.concept_weight=4"]`` as settings.

    Raises:
        UserError: naming the word that is no setting, or has no value.
    """
    import yaml

    settings: dict[str, Any] = {}
    words = iter(arguments)
    for word in words:
        name, equals, value = word.partition("=")
        if not name.startswith("--"):
            raise UserError(f"unexpected {word!r}; settings are given as --name value")
        if not equals:
            value = next(words, "")
        if not value or value.startswith("--"):
            raise UserError(f"the setting {name} has no value; settings are given as --name value")
        *outer, last = name.removeprefix("--").replace("-", "_").split(".")
        place = settings
        for each in outer:
            place = place.setdefault(each, {})
            if not isinstance(place, dict):
                raise UserError(f"{name} contradicts the value given for {each}")
        place[last] = _number_or_text(yaml.safe_load(value)) if outer else value
    return settings


def options(first: str | None, arguments: list[str]) -> tuple[str | None, dict[str, Any]]:
    """A command's one argument, if there is any, and what follows it as options with values of their own types.

    Click takes the first unknown flag for the argument when there is none: ``--relations true`` is told apart here.

    Raises:
        UserError: as :func:`overrides`.
    """
    import yaml

    if first is not None and first.startswith("-"):
        arguments = [first, *arguments]
        first = None
    given = overrides(arguments)
    return first, {name: yaml.safe_load(value) if isinstance(value, str) else value for name, value in given.items()}


def _number_or_text(value: Any) -> Any:
    """YAML takes 1e-5 for a text; a command line should not."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value
