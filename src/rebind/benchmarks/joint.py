"""Several benchmarks as one, so that what they share is embedded once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rebind.benchmarks.contract import Benchmark, Picture
from rebind.types import Score


@dataclass(frozen=True)
class JointBenchmark:
    """Several benchmarks scored as one.

    Attributes:
        name: what the whole is called; the scores carry the parts' own names.
        parts: the benchmarks; images and texts that they share are embedded once.
    """

    name: str
    parts: Sequence[Benchmark]

    @property
    def images(self) -> list[Picture]:
        """The parts' images, part by part."""
        return [image for part in self.parts for image in part.images]

    @property
    def texts(self) -> list[str]:
        """The parts' texts, part by part."""
        return [text for part in self.parts for text in part.texts]

    def score(self, images: np.ndarray, texts: np.ndarray) -> list[Score]:
        """All scores of all parts."""
        image_parts = np.split(images, np.cumsum([len(part.images) for part in self.parts])[:-1])
        text_parts = np.split(texts, np.cumsum([len(part.texts) for part in self.parts])[:-1])
        scored = [part.score(*pair) for part, *pair in zip(self.parts, image_parts, text_parts, strict=True)]
        return [score for scores in scored for score in scores]
