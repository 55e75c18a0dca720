"""Samples whose image cannot be read: never fatal one by one, counted and named, an error when they are many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rebind.types import BrokenSample, UserError

if TYPE_CHECKING:
    from rebind.data.source import Source
    from rebind.types import Batch

FEWEST_TO_JUDGE = 100  # a share of fewer samples than this says little
NAMED = 20


class BrokenImageError(Exception):
    """An image that cannot be read; the message is the reason."""


class BrokenTally:
    """Counts the samples seen in training and names the broken ones.

    Args:
        max_broken_share: largest tolerated share of broken samples, 0 to 1.
        source: when given, its incomplete samples (:attr:`Source.broken`) are judged at once and named too.

    Raises:
        UserError: when more than ``max_broken_share`` of the source's own samples are incomplete.
    """

    def __init__(self, max_broken_share: float = 0.10, source: Source | None = None) -> None:
        self.max_broken_share = max_broken_share
        self.seen = 0
        self.broken = 0
        self._reasons: dict[str, str] = {}
        if source is not None and source.broken:
            self._name(source.broken)
            self._judge(len(source.broken), len(source) + len(source.broken), f"in {source.path} ")

    def add(self, batch: Batch) -> None:
        """Count one batch: its whole samples and its broken ones."""
        self.seen += len(batch.keys) + len(batch.broken)
        self.broken += len(batch.broken)
        self._name(batch.broken)

    def check(self, final: bool = False) -> None:
        """Judge what was seen so far, once 100 samples were seen or when ``final``.

        Raises:
            UserError: when more than ``max_broken_share`` of the samples seen are broken.
        """
        if final or self.seen >= FEWEST_TO_JUDGE:
            self._judge(self.broken, self.seen, "seen ")

    def summary(self) -> dict[str, Any]:
        """What belongs in the run's summary.

        Returns:
            ``seen`` and ``broken``: counts over all epochs; ``distinct``: how many different samples are broken;
            ``samples``: the first 20 of them as ``{"key", "reason"}``.
        """
        named = [{"key": key, "reason": reason} for key, reason in list(self._reasons.items())[:NAMED]]
        return {"seen": self.seen, "broken": self.broken, "distinct": len(self._reasons), "samples": named}

    def state_dict(self) -> dict[str, Any]:
        """The counts, to be saved with a checkpoint."""
        return {"seen": self.seen, "broken": self.broken, "reasons": dict(self._reasons)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from saved counts."""
        self.seen, self.broken = state["seen"], state["broken"]
        self._reasons = {**state["reasons"], **self._reasons}

    def _name(self, samples: tuple[BrokenSample, ...]) -> None:
        for sample in samples:
            self._reasons.setdefault(sample.key, sample.reason)

    def _judge(self, broken: int, total: int, where: str) -> None:
        if broken <= self.max_broken_share * total:
            return
        examples = "; ".join(f"{key}: {reason}" for key, reason in list(self._reasons.items())[:3])
        raise UserError(
            f"{broken} of {total} samples {where}are broken, more than the tolerated {self.max_broken_share:.0%} "
            f"({examples}); mend or remove them, or raise max_broken_share"
        )
