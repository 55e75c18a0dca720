"""Objectives: pure functions of :class:`~rebind.types.Embeddings`, one file each, found by the name of the file.

To add one, write ``objectives/<name>.py`` with a frozen dataclass called ``Objective``: its fields are the settings,
``needs`` says what the batch must hold, calling it with ``Embeddings`` returns ``LossTerms``. Nothing else changes.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import fields
from typing import Any, ClassVar, Protocol

from rebind.types import Embeddings, LossTerms, UserError


class ObjectiveFunction(Protocol):
    """What training asks of an objective.

    Attributes:
        needs: what it reads beyond images and captions; ``{"concepts"}`` for objectives that align concepts.
    """

    needs: ClassVar[frozenset[str]]

    def __call__(self, embeddings: Embeddings) -> LossTerms:
        """The loss of one global batch."""
        ...


def objective_names() -> list[str]:
    """Names of all objectives, sorted."""
    found = (module.name for module in pkgutil.iter_modules(__path__))
    return sorted(name for name in found if hasattr(importlib.import_module(f"{__name__}.{name}"), "Objective"))


def build_objective(name: str, **settings: Any) -> ObjectiveFunction:
    """Build an objective by name.

    Args:
        name: ``clip``, ``siglip``, ``c2lip``, …: the name of a file in ``rebind/objectives``.
        settings: fields of that file's ``Objective``; what is not given keeps the value of the paper.

    Raises:
        UserError: when the name or a setting is unknown, or a value is out of range.

    Example:
        >>> objective = build_objective("c2lip", concept_weight=4.0)
        >>> sorted(objective.needs)
        ['concepts']
    """
    if name not in objective_names():
        raise UserError(f"unknown objective {name!r}; known are {', '.join(objective_names())}")
    objective = importlib.import_module(f"{__name__}.{name}").Objective
    known = [field.name for field in fields(objective)]
    for setting in settings:
        if setting not in known:
            has = f"has {', '.join(known)}" if known else "has no settings"
            raise UserError(f"objective {name!r} has no setting {setting!r}; it {has}")
    return objective(**settings)
