"""Right or wrong, item by item: what every metric returns before anything is averaged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Outcomes:
    """The items of one split, judged.

    Attributes:
        correct: (n,) bool; an item decided by the tie rule is wrong.
        tied: (n,) bool; the item would have been right had its ties been broken in its favour.
    """

    correct: np.ndarray
    tied: np.ndarray

    def __len__(self) -> int:
        return len(self.correct)

    def __getitem__(self, rows: np.ndarray) -> Outcomes:
        """The outcomes of some rows."""
        return Outcomes(self.correct[rows], self.tied[rows])
