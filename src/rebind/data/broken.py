"""Samples whose image cannot be read: never fatal one by one, counted and named, an error when they are many."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from rebind.types import BrokenSample, UserError

if TYPE_CHECKING:
    from rebind.data.source import Source
    from rebind.types import Batch

FEWEST_TO_JUDGE = 100  # a share of fewer samples than this says little
NAMED = 20
#: A path that a reason begins with, up to what is said of it: there may be spaces in it.
_PATH = re.compile(r"^(cannot read )?[^:]*?/.*?(?=: | does not exist| is a link| is not a file| was cut |$)")


class BrokenImageError(Exception):
    """An image that cannot be read; the message is the reason."""


class BrokenNegative(BrokenSample):
    """The picture of a hard negative that cannot be read; its sample is whole, and its caption stays a negative."""


def kind_of(reason: str) -> str:
    """A reason without the paths and numbers that differ from sample to sample, to count by."""
    return re.sub(r"\S*/\S+|\d+", "…", _PATH.sub(r"\1…", reason))


class BrokenTally:
    """Counts the samples seen in training and the pictures of their hard negatives, and names the broken ones.

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
        self.negative_pictures_seen = 0
        self.broken_negative_pictures = 0
        self._reasons: dict[str, str] = {}
        if source is not None and source.broken:
            self._name(source.broken)
            self._judge(len(source.broken), len(source) + len(source.broken), f"samples in {source.path}")

    def add(self, batch: Batch) -> None:
        """Count one batch: its whole samples and its broken ones, and likewise the pictures of hard negatives."""
        negatives = sum(isinstance(one, BrokenNegative) for one in batch.broken)
        left_out = len(batch.broken) - negatives
        self.seen += len(batch.keys) + left_out
        self.broken += left_out
        whole = 0 if batch.negative_image_caption is None else len(batch.negative_image_caption)
        self.negative_pictures_seen += whole + negatives
        self.broken_negative_pictures += negatives
        self._name(batch.broken)

    def check(self, final: bool = False) -> None:
        """Judge samples, and apart from them pictures of hard negatives, once 100 were seen or when ``final``.

        Raises:
            UserError: when more than ``max_broken_share`` of those seen are broken.
        """
        if final or self.seen >= FEWEST_TO_JUDGE:
            self._judge(self.broken, self.seen, "samples seen")
        if final or self.negative_pictures_seen >= FEWEST_TO_JUDGE:
            self._judge(self.broken_negative_pictures, self.negative_pictures_seen, "pictures of hard negatives seen")

    def summary(self) -> dict[str, Any]:
        """What belongs in the run's summary.

        Returns:
            ``seen`` and ``broken``: counts of samples over all epochs; ``negative_pictures_seen`` and
            ``broken_negative_pictures``: likewise of the pictures of hard negatives; ``distinct``: how many different
            samples and pictures are broken; ``samples``: the first 20 of them as ``{"key", "reason"}``.
        """
        named = [{"key": key, "reason": reason} for key, reason in list(self._reasons.items())[:NAMED]]
        return {**self._counts(), "distinct": len(self._reasons), "samples": named}

    def state_dict(self) -> dict[str, Any]:
        """The counts, to be saved with a checkpoint."""
        return {**self._counts(), "reasons": dict(self._reasons)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Add the counts of an earlier run, or of another process."""
        for name, count in self._counts().items():
            setattr(self, name, count + state.get(name, 0))  # checkpoints of version 0.1 do not count negatives
        self._reasons = {**state["reasons"], **self._reasons}

    def _counts(self) -> dict[str, int]:
        names = ("seen", "broken", "negative_pictures_seen", "broken_negative_pictures")
        return {name: getattr(self, name) for name in names}

    def _name(self, samples: tuple[BrokenSample, ...]) -> None:
        for sample in samples:
            self._reasons.setdefault(sample.key, sample.reason)

    def _judge(self, broken: int, total: int, what: str) -> None:
        if broken <= self.max_broken_share * total:
            return
        examples = "; ".join(f"{key}: {reason}" for key, reason in list(self._reasons.items())[:3])
        raise UserError(
            f"{broken} of {total} {what} are broken, more than the tolerated {self.max_broken_share:.0%} "
            f"({examples}); mend or remove them, or raise max_broken_share"
        )
