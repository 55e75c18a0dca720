"""What follows a command as ``--name value``: settings with types of their own, and texts taken as they are."""

from __future__ import annotations

from typing import Any

from rebind.types import UserError

#: Settings of the data commands that are texts, most of them places: a folder may be called 2024_01, 0755 or no.
_TEXTS = frozenset({"base_url", "cache", "families", "model", "pipeline", "revision", "stop_concepts", "substitutes"})


def overrides(arguments: list[str]) -> dict[str, Any]:
    """``["--learning-rate", "1e-5", "--objective-settings.concept_weight=4"]`` as settings of a recipe.

    A setting of its own stays a text, for the recipe knows its type; one of an objective is read as YAML.

    Raises:
        UserError: naming the word that is no setting, or has no value.
    """
    given = _given(arguments).items()
    return {name: _read(value) if isinstance(value, dict) else value for name, value in given}


def options(first: str | None, arguments: list[str]) -> tuple[str | None, dict[str, Any]]:
    """A command's one argument, if there is any, and what follows it, every value as it was written.

    Click takes the first unknown flag for the argument when there is none: ``--data photos`` is told apart here.

    Returns:
        The argument; and by name, with ``_`` for ``-``, the texts; those of ``--outer.name`` by ``name`` in a ``dict``.

    Raises:
        UserError: as :func:`overrides`.
    """
    if first is not None and first.startswith("-"):
        return None, _given([first, *arguments])
    return first, _given(arguments)


def typed_options(first: str | None, arguments: list[str]) -> tuple[str | None, dict[str, Any]]:
    """The same for commands whose options are settings: true, false and numbers are such, unless a text is wanted.

    Raises:
        UserError: as :func:`overrides`.
    """
    first, given = options(first, arguments)
    return first, {name: _plain(value) if name not in _TEXTS else value for name, value in given.items()}


def _given(arguments: list[str]) -> dict[str, Any]:
    given: dict[str, Any] = {}
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
        place = given
        for each in outer:
            place = place.setdefault(each, {})
            if not isinstance(place, dict):
                raise UserError(f"{name} contradicts the value given for {each}")
        place[last] = value
    return given


def _plain(value: Any) -> Any:
    """A boolean, a number or nothing where the text is one, else the text."""
    read = _read(value)
    return read if isinstance(value, dict) or isinstance(read, bool | int | float | None) else value


def _read(value: Any) -> Any:
    """A text as YAML; but 1e-5, which YAML takes for a text, is a number, and what is no YAML stays a text."""
    import yaml

    if isinstance(value, dict):
        return {name: _read(each) for name, each in value.items()}
    try:
        read = yaml.safe_load(value)
    except yaml.YAMLError:
        return value
    try:
        return float(read) if isinstance(read, str) else read
    except ValueError:
        return read
