"""Objectives: pure functions of :class:`~rebind.types.Embeddings`, one file each, found by the name of the file.

To add one, write ``objectives/<name>.py`` with a frozen dataclass called ``Objective``: its fields are the settings,
``needs`` says what the batch must hold (see :data:`~rebind.objectives.needs.NEEDS`), calling it with ``Embeddings``
returns ``LossTerms``, the own rows' part of the loss of the global batch. Nothing else changes.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Protocol

from rebind.objectives.settings import check_number
from rebind.objectives.weighted_sum import WeightedSum
from rebind.types import Embeddings, LossTerms, UserError


class ObjectiveFunction(Protocol):
    """What training asks of an objective."""

    @property
    def needs(self) -> frozenset[str]:
        """What it reads beyond images and captions: keys of :data:`rebind.objectives.needs.NEEDS`."""
        ...

    def __call__(self, embeddings: Embeddings) -> LossTerms:
        """The own rows' part of the loss of one global batch."""
        ...


def objective_names() -> list[str]:
    """Names of all objectives, sorted."""
    found = (module.name for module in pkgutil.iter_modules(__path__))
    return sorted(name for name in found if hasattr(importlib.import_module(f"{__name__}.{name}"), "Objective"))


def build_objective(name: str | Mapping[str, float], /, **settings: Any) -> ObjectiveFunction:
    """Build an objective by name, or a weighted sum of several.

    Args:
        name: ``clip``, ``c2lip``, …: the name of a file in ``rebind/objectives``; or a weight for each of several.
        settings: fields of that file's ``Objective``; what is not given keeps the value of the paper. For a sum, the
            settings of each objective under its name.

    Raises:
        UserError: when a name or a setting is unknown, or a value is out of range.

    Example:
        >>> objective = build_objective("c2lip", concept_weight=4.0, attention_weight=0.0)
        >>> sorted(objective.needs)
        ['concepts']
        >>> objective = build_objective({"c2lip": 1.0, "distillation": 0.5}, c2lip={"concept_weight": 4.0})
        >>> sorted(objective.needs)
        ['concepts', 'image_tokens', 'reference']
    """
    if isinstance(name, Mapping):
        return _build_sum(name, settings)
    if not isinstance(name, str):
        raise UserError(f"objective must be a name, or a weight for each of several names, not {name!r}")
    return _build(name, settings)


def objective_title(name: str | Mapping[str, float]) -> str:
    """What a table calls an objective or a sum, e.g. ``c2lip + 0.5 tripletclip``; weights of 0 are not mentioned."""
    if isinstance(name, str):
        return name
    return " + ".join(each if weight == 1 else f"{weight:g} {each}" for each, weight in name.items() if weight)


def _build(name: str, settings: Mapping[str, Any]) -> ObjectiveFunction:
    if name not in objective_names():
        raise UserError(f"unknown objective {name!r}; known are {', '.join(objective_names())}")
    objective = importlib.import_module(f"{__name__}.{name}").Objective
    known = [field.name for field in fields(objective)]
    for setting in settings:
        if setting not in known:
            has = f"has {', '.join(known)}" if known else "has no settings"
            raise UserError(f"objective {name!r} has no setting {setting!r}; it {has}")
    return objective(**settings)


def _build_sum(weights: Mapping[str, float], settings: Mapping[str, Any]) -> WeightedSum:
    for name, weight in weights.items():
        check_number(f"the weight of objective {name!r}", weight)
    if not any(weights.values()):
        raise UserError("a sum of objectives needs at least one with a weight above 0")
    for name, given in settings.items():
        if name not in weights:
            raise UserError(f"settings are given for {name!r}, but the sum is of {', '.join(weights)}")
        if not isinstance(given, Mapping):
            raise UserError(f"in a sum the settings of {name!r} must be `setting: value` pairs, not {given!r}")
    objectives = {name: _build(name, settings.get(name, {})) for name in weights}
    weighted = {name: weight for name, weight in weights.items() if weight}
    return WeightedSum({name: objectives[name] for name in weighted}, weighted)
