"""The few records that cross rooms: samples, batches, embeddings, losses, scores; and the error a user can mend."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # importing torch takes seconds; the command line must answer sooner
    from torch import Tensor


class UserError(ValueError):
    """A mistake the user can mend. Its one sentence names the file, row or field and says what would be right."""


@dataclass(frozen=True)
class Sample:
    """One image and what is written about it. The picture is decoded only when a worker asks for it.

    Attributes:
        key: unique name of the sample within its source; annotations are joined by it.
        captions: one or more captions of the image, the first being the original one.
        image: path of the image file, or the encoded bytes (JPEG, PNG, WebP) read from a shard.
        concepts: noun phrases read from the captions; empty when no concept annotation was joined.
    """

    key: str
    captions: tuple[str, ...]
    image: Path | bytes
    concepts: tuple[str, ...] = ()


@dataclass(frozen=True)
class BrokenSample:
    """A sample whose image could not be read; counted and named in the run's summary."""

    key: str
    reason: str


@dataclass(frozen=True)
class Batch:
    """What one step encodes. B images, N concepts of which U are distinct strings.

    Attributes:
        keys: the samples' keys, length B.
        images: inputs of the image tower; ``pixel_values`` is uint8 (B, 3, H, W) before normalisation.
        captions: inputs of the text tower for one caption an image, ``input_ids`` (B, T) among them.
        concepts: inputs of the text tower for the U distinct concept strings; None unless asked for.
        concept_index: (N,) row of ``concepts`` for each concept.
        concept_owner: (N,) row of the image that each concept was read from.
        broken: samples left out of this batch, with the reason.
    """

    keys: tuple[str, ...]
    images: dict[str, Tensor]
    captions: dict[str, Tensor]
    concepts: dict[str, Tensor] | None = None
    concept_index: Tensor | None = None
    concept_owner: Tensor | None = None
    broken: tuple[BrokenSample, ...] = ()


@dataclass(frozen=True)
class Embeddings:
    """The waist of the system: everything before is encoding, everything after is arithmetic on these.

    All embeddings are L2-normalised and live in the joint space of width d.

    Attributes:
        image: (B, d) pooled image embeddings.
        text: (B, d) caption embeddings; row i belongs to image i.
        logit_scale: scalar, already exponentiated (τ of the papers).
        logit_bias: scalar (b of SigLIP); zero for models without one.
        image_tokens: (B, L, d) image tokens in the joint space, for objectives that need concepts.
        image_token_mask: (B, L) bool, False where a token is padding (SigLIP 2 NaFlex); None when all are real.
        concepts: (N, d) concept embeddings.
        concept_owner: (N,) row of the image that each concept was read from.
        concept_identity: (N,) equal numbers for equal strings.
    """

    image: Tensor
    text: Tensor
    logit_scale: Tensor
    logit_bias: Tensor
    image_tokens: Tensor | None = None
    image_token_mask: Tensor | None = None
    concepts: Tensor | None = None
    concept_owner: Tensor | None = None
    concept_identity: Tensor | None = None


@dataclass(frozen=True)
class LossTerms:
    """A loss and its named parts; ``parts`` are weighted already and sum to ``total``."""

    total: Tensor
    parts: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Score:
    """One number of a benchmark with what is needed to trust it.

    Attributes:
        benchmark: its name, e.g. ``world``.
        split: category or subset, e.g. ``swap_att``.
        metric: e.g. ``accuracy``, ``recall@1``; values are shares between 0 and 1.
        value: the point estimate.
        n: how many items it was computed from.
        ties: how many items were decided by the tie rule.
        low: lower end of the 95 % bootstrap interval.
        high: upper end of the 95 % bootstrap interval.
    """

    benchmark: str
    split: str
    metric: str
    value: float
    n: int
    ties: int
    low: float
    high: float

    def as_dict(self) -> dict[str, Any]:
        """The row as it stands in ``results.json``."""
        return dict(vars(self))
