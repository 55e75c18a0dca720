"""Retrieval both ways on any source of captioned images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rebind.benchmarks.contract import Picture, mean_score, readable_rows
from rebind.metrics import image_to_text_ranks, recall_at, text_to_image_ranks
from rebind.types import BrokenSample, Score

if TYPE_CHECKING:
    from rebind.data import Source

CUTS = (1, 5, 10)


@dataclass(frozen=True)
class RetrievalBenchmark:
    """``image_to_text_recall@k`` and ``text_to_image_recall@k`` for k = 1, 5, 10 among all the source's pairs.

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
        to_text = image_to_text_ranks(images, texts, owner)
        to_image = text_to_image_ranks(images, texts, owner)
        scores = [
            mean_score(self.name, self.split, f"image_to_text_recall@{k}", recall_at(k, to_text)) for k in CUTS
        ] + [
            mean_score(self.name, self.split, f"text_to_image_recall@{k}", recall_at(k, to_image), owner) for k in CUTS
        ]
        return scores + coverage


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
