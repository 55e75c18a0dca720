"""A weighted sum of objectives over one encoder pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import TYPE_CHECKING

from rebind.types import Embeddings, LossTerms

if TYPE_CHECKING:
    from rebind.objectives import ObjectiveFunction


@dataclass(frozen=True)
class WeightedSum:
    """``L = Σ wₒ Lₒ``; its parts are called ``objective.part``.

    Attributes:
        objectives: the objectives by name.
        weights: the weight of each, above 0.
    """

    objectives: Mapping[str, ObjectiveFunction]
    weights: Mapping[str, float]

    @property
    def needs(self) -> frozenset[str]:
        """Whatever one of the objectives needs."""
        return frozenset().union(*(objective.needs for objective in self.objectives.values()))

    def __call__(self, embeddings: Embeddings) -> LossTerms:
        """The own rows' part of the loss of one global batch."""
        terms = {name: objective(embeddings) for name, objective in self.objectives.items()}
        parts = {
            f"{name}.{part}": self.weights[name] * loss
            for name, each in terms.items()
            for part, loss in each.parts.items()
        }
        return LossTerms(reduce(add, (self.weights[name] * each.total for name, each in terms.items())), parts)
