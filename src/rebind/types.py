"""The few records that cross rooms: samples, batches, embeddings, losses, scores; and the error a user can mend."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # importing torch takes seconds; the command line must answer sooner
    import numpy as np
    from torch import Tensor


class UserError(ValueError):
    """A mistake the user can mend. Its one sentence names the file, row or field and says what would be right."""


class RebindWarning(UserWarning):
    """What a user should know of and can go on without; the command line prints it as one sentence."""


@dataclass(frozen=True)
class Negative:
    """A hard negative of a sample: a caption that is nearly right, and perhaps a picture for which it is true.

    Attributes:
        caption: the foil.
        family: how it was made, e.g. ``replace_att``; empty when nobody said.
        image: path or encoded bytes of a picture that it describes; None when there is none.
        of: number of the sample's caption that it was made of.
        edits: (start, end) characters of it that differ from that caption; empty when nobody said.
    """

    caption: str
    family: str = ""
    image: Path | bytes | None = None
    of: int = 0
    edits: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Sample:
    """One image and what is written about it. The picture is decoded only when a worker asks for it.

    Attributes:
        key: unique name of the sample within its source; annotations are joined by it.
        captions: one or more captions of the image, the first being the original one.
        image: path of the image file, or the encoded bytes (JPEG, PNG, WebP) read from a shard.
        concepts: noun phrases read from the captions; empty when no concept annotation was joined.
        negatives: hard negatives; empty when none were joined, or there are none for this sample.
    """

    key: str
    captions: tuple[str, ...]
    image: Path | bytes
    concepts: tuple[str, ...] = ()
    negatives: tuple[Negative, ...] = ()


@dataclass(frozen=True)
class BrokenSample:
    """A sample whose image could not be read; counted and named in the run's summary."""

    key: str
    reason: str


@dataclass(frozen=True)
class Batch:
    """What one process encodes in one step: B images, N concepts of which U are distinct strings, M hard negatives.

    Attributes:
        keys: the samples' keys, length B.
        images: inputs of the image tower; ``pixel_values`` is uint8 (B, 3, H, W) before normalisation.
        captions: inputs of the text tower for one caption an image, ``input_ids`` (B, T) among them.
        concepts: inputs of the text tower for the U distinct concept strings; None unless asked for.
        concept_identity: (U,) int64, equal for equal strings in any process.
        concept_index: (N,) row of ``concepts`` for each concept.
        concept_owner: (N,) row of the image that each concept was read from.
        negative_captions: inputs of the text tower for M hard-negative captions; None unless asked for and M > 0.
        negative_owner: (M,) row of the image that each is a negative of, ascending; None unless asked for.
        negative_images: inputs of the image tower for the P negatives that have a picture; None unless asked for and
            P > 0.
        negative_image_caption: (P,) row of ``negative_captions`` that each picture shows, ascending.
        broken: samples left out of this batch, with the reason.
    """

    keys: tuple[str, ...]
    images: dict[str, Tensor]
    captions: dict[str, Tensor]
    concepts: dict[str, Tensor] | None = None
    concept_identity: Tensor | None = None
    concept_index: Tensor | None = None
    concept_owner: Tensor | None = None
    negative_captions: dict[str, Tensor] | None = None
    negative_owner: Tensor | None = None
    negative_images: dict[str, Tensor] | None = None
    negative_image_caption: Tensor | None = None
    broken: tuple[BrokenSample, ...] = ()


@dataclass(frozen=True)
class Embeddings:
    """The waist of the system: everything before is encoding, everything after is arithmetic on these.

    They are those of the whole global batch, over all processes and micro-batches, except for the image tokens, which
    stay where they were made. The pairwise work is shared by rows: an objective returns the part of the loss that
    belongs to the rows ``own`` (and to the concepts and negatives of the images in them); the parts of all processes
    sum to the loss of the global batch. On one process ``own`` is every row, and nothing is left to others.

    All embeddings are L2-normalised and live in the joint space of width d.

    Attributes:
        image: (B, d) pooled image embeddings.
        text: (B, d) caption embeddings; row i belongs to image i.
        logit_scale: scalar, already exponentiated (τ of the papers).
        logit_bias: scalar (b of SigLIP); zero for models without one.
        own: rows of ``image`` and ``text`` that this process answers for.
        image_tokens: (b, L, d) tokens of the own images, in the joint space.
        image_token_mask: (b, L) bool, False where a token is padding (SigLIP 2 NaFlex); None when all are real.
        concepts: (U, d) embeddings of the distinct concept strings.
        concept_identity: (U,) int64, different for different strings.
        concept_index: (N,) row of ``concepts`` for each concept.
        concept_owner: (N,) row of the image that each concept was read from.
        negative_text: (M, d) embeddings of the hard-negative captions.
        negative_owner: (M,) row of the image that each is a negative of, ascending.
        negative_image: (P, d) pooled embeddings of the pictures that some negatives have.
        negative_image_text: (P,) row of ``negative_text`` that each of them shows, ascending.
        reference_image: (B, e) pooled image embeddings of the frozen starting model, of its own width e.
        reference_text: (B, e) its caption embeddings.
        reference_logit_scale: its τ.
    """

    image: Tensor
    text: Tensor
    logit_scale: Tensor
    logit_bias: Tensor
    own: slice = field(default_factory=lambda: slice(None))
    image_tokens: Tensor | None = None
    image_token_mask: Tensor | None = None
    concepts: Tensor | None = None
    concept_identity: Tensor | None = None
    concept_index: Tensor | None = None
    concept_owner: Tensor | None = None
    negative_text: Tensor | None = None
    negative_owner: Tensor | None = None
    negative_image: Tensor | None = None
    negative_image_text: Tensor | None = None
    reference_image: Tensor | None = None
    reference_text: Tensor | None = None
    reference_logit_scale: Tensor | None = None

    def owned(self, owner: Tensor) -> Tensor:
        """(K,) bool: which of K things belong to own images, given the (K,) rows of the images that own them."""
        first, end, _ = self.own.indices(len(self.image))
        return (owner >= first) & (owner < end)


@dataclass(frozen=True)
class LossTerms:
    """A loss, or one process's part of it, and its named parts; ``parts`` are weighted already and sum to ``total``."""

    total: Tensor
    parts: dict[str, Tensor] = field(default_factory=dict)


COVERAGE = "coverage"  # metric of the share of a split's items whose images could be read
HEADLINES = ("macro", "micro")  # splits: averages over the categories of a benchmark


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
        chance: what guessing gives; None where nobody can say.
        blind: what the model gives when every image is replaced by the mean of all; None where it was not asked.
        correct: (n,) numbers whose mean is the value, item by item; for paired tests, not for ``results.json``.
        clusters: (n,) labels of what is resampled together; None when every item stands alone.
    """

    benchmark: str
    split: str
    metric: str
    value: float
    n: int
    ties: int
    low: float
    high: float
    chance: float | None = None
    blind: float | None = None
    correct: np.ndarray | None = field(default=None, repr=False, compare=False)
    clusters: np.ndarray | None = field(default=None, repr=False, compare=False)

    def as_dict(self) -> dict[str, Any]:
        """The row as it stands in ``results.json``."""
        return {name: value for name, value in vars(self).items() if name not in ("correct", "clusters")}
