"""Retrieval both ways on any source of captioned images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rebind.benchmarks.contract import Picture, mean_score, readable_rows
from rebind.metrics import Outcomes, image_to_text_ranks, recall_at, text_to_image_ranks
from rebind.types import BrokenSample, Score

if TYPE_CHECKING:
    from rebind.data import Source

CUTS = (1, 5, 10)
MEAN_CUT = 5  # papers quote the mean of both directions at this cut


@dataclass(frozen=True)
class RetrievalBenchmark:
    """``image_to_text_recall@k`` and ``text_to_image_recall@k`` for k = 1, 5, 10, and ``mean_recall@5`` of both ways.

    An image with several captions is found by each of them, and finds any of them. Equal captions of different images
    cannot be told apart, so they tie, which counts against the model.

    Attributes:
        name: benchmark name of the scores.
        images: I pictures.
        captions: the captions of each picture; one or more where it can be read.
        split: split name of the scores.
    """

    name: str
    images: Sequence[Picture]
    captions: Sequence[tuple[str, ...]]
    split: str = "retrieval"

    @property
    def texts(self) -> list[str]:
        """All captions (T), image by image."""
        return [caption for captions in self.captions for caption in captions]

    def score(self, images: np.ndarray, texts: np.ndarray) -> list[Score]:
        """Score (I, d) image and (T, d) text embeddings; captions of one image are resampled together."""
        readable, coverage = readable_rows(self.name, self.split, images)
        owner = np.repeat(np.arange(len(images)), [len(captions) for captions in self.captions])
        kept = readable[owner]
        images, texts, owner = images[readable], texts[kept], (np.cumsum(readable) - 1)[owner[kept]]
        to_text, to_image = image_to_text_ranks(images, texts, owner), text_to_image_ranks(images, texts, owner)
        by_images = {k: recall_at(k, to_text) for k in CUTS}
        by_texts = {k: recall_at(k, to_image) for k in CUTS}
        image_chance = {k: _chance(k, np.bincount(owner), len(texts)) for k in CUTS}
        text_chance = {k: _chance(k, np.ones(1), len(images)) for k in CUTS}
        both = _both_ways(by_images[MEAN_CUT], by_texts[MEAN_CUT], owner)
        chance = (image_chance[MEAN_CUT] + text_chance[MEAN_CUT]) / 2
        return [
            *(self._score("image_to_text", k, by_images[k], None, image_chance[k]) for k in CUTS),
            *(self._score("text_to_image", k, by_texts[k], owner, text_chance[k]) for k in CUTS),
            self._score("mean", MEAN_CUT, both, None, chance),
            *coverage,
        ]

    def _score(self, way: str, k: int, outcomes: Outcomes, clusters: np.ndarray | None, chance: float) -> Score:
        return mean_score(self.name, self.split, f"{way}_recall@{k}", outcomes, clusters, chance=chance)


def _both_ways(by_images: Outcomes, by_texts: Outcomes, owner: np.ndarray) -> Outcomes:
    """(I,) numbers, each of one image and its captions, whose mean is the mean of the recalls both ways."""
    images, texts = len(by_images), len(by_texts)
    own = np.bincount(owner, weights=by_texts.correct, minlength=images)
    tied = np.bincount(owner, weights=by_texts.tied, minlength=images) > 0
    return Outcomes((by_images.correct + own * images / texts) / 2, by_images.tied | tied)


def _chance(k: int, answers: np.ndarray, candidates: int) -> float:
    """Recall@k of a random order, for (n,) numbers of right answers: 1 − C(candidates − answers, k) / C(candidates, k).

    The right answers keep their places while the k drawn ones are wrong. With one right answer it is k / candidates.
    """
    draws = np.arange(min(k, candidates))
    missed = (candidates - answers[:, None] - draws).clip(min=0) / (candidates - draws)
    return float(1 - missed.prod(axis=1).mean())


def read_retrieval(path: Path, name: str = "retrieval") -> RetrievalBenchmark:
    """Make a benchmark of anything that :func:`rebind.data.open_source` opens.

    Raises:
        UserError: when it cannot be opened, a row of it is wrong, or nothing is in it.
    """
    from rebind.data import open_source

    source = open_source(path)
    pictures = [_picture(source, i) for i in range(len(source))]
    captions = [source.captions(i) for i in range(len(source))]
    return RetrievalBenchmark(name, [*pictures, *source.broken], captions + [()] * len(source.broken))


def _picture(source: Source, index: int) -> Picture:
    from rebind.data.broken import BrokenImageError

    try:
        return source.image(index)
    except BrokenImageError as error:
        return BrokenSample(source.keys[index], str(error))
