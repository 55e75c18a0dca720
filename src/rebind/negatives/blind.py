"""Blind judges: they read a caption and its foil, never see the picture, and should be no better than a coin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from rebind.metrics import bootstrap_interval
from rebind.negatives.language_model import cross_fitted_likelihood
from rebind.negatives.word_grams import WordGrams

FOLDS = 5
FEWEST = 200  # pairs: from fewer a classifier learns so little that being near chance means nothing


@dataclass(frozen=True)
class Pairs:
    """Captions and their foils, n of them, row by row.

    Attributes:
        captions: what is true of the picture.
        foils: what is nearly true.
        samples: key of the sample that each pair belongs to.
    """

    captions: Sequence[str]
    foils: Sequence[str]
    samples: Sequence[str]

    def __len__(self) -> int:
        return len(self.samples)


#: Gives for n pairs named columns (n,): positive where the caption looks likelier than its foil, zero where undecided.
BlindScorer = Callable[[Pairs], dict[str, np.ndarray]]


@dataclass(frozen=True)
class BlindScore:
    """How often a blind judge picks the caption; an undecided pair counts half.

    Attributes:
        accuracy: share between 0 and 1; chance is one half.
        low: lower end of the 95 % bootstrap interval, samples drawn whole.
        high: upper end.
        n: pairs.
    """

    accuracy: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, gaps: np.ndarray, samples: np.ndarray) -> BlindScore:
        """Judge (n,) gaps of pairs that belong to the (n,) ``samples``; n ≥ 1."""
        outcomes = (np.sign(gaps) + 1) / 2
        return cls(float(outcomes.mean()), *bootstrap_interval(outcomes, samples), len(gaps))


def sample_folds(samples: Sequence[str], seed: int = 0, folds: int = FOLDS) -> np.ndarray:
    """The fold of each pair, (n,): a hash of its sample's key and the seed, whatever else is there."""
    numbers = {key: draw(f"{seed}", key) for key in set(samples)}
    return np.array([int(numbers[key] * folds) for key in samples], dtype=np.int64)


def draw(*texts: str) -> float:
    """A number of [0, 1) that follows from the texts alone."""
    digest = blake2b("\0".join(texts).encode(), digest_size=6).digest()  # 48 bits: less than a float holds
    return int.from_bytes(digest, "big") / 2**48


def length_gaps(pairs: Pairs) -> dict[str, np.ndarray]:
    """``length``: how many words the foil has more than the caption. This judge takes the shorter text."""
    words = [np.array([len(text.split()) for text in texts]) for texts in (pairs.captions, pairs.foils)]
    return {"length": (words[1] - words[0]).astype(float)}


@dataclass(frozen=True)
class CaptionModel:
    """Judges by an n-gram language model of the user's own captions, never by one that has read the same sample's.

    Attributes:
        captions: texts to learn from.
        samples: key of the sample that each belongs to.
        order: length of the longest n-grams, in words.
    """

    captions: Sequence[str]
    samples: Sequence[str]
    order: int = 3

    def __call__(self, pairs: Pairs) -> dict[str, np.ndarray]:
        """Differences of log-likelihood, ``likelihood``, and of the same per word, ``likelihood_per_word``."""
        texts = [*self.captions, *pairs.captions, *pairs.foils]
        folds = np.concatenate([sample_folds(self.samples), *[sample_folds(pairs.samples)] * 2])
        grams = WordGrams.of(texts, self.order)
        likelihood = cross_fitted_likelihood(grams, folds, np.arange(len(texts)) < len(self.captions))
        per_word = likelihood / np.bincount(grams.owner)
        rows = len(self.captions) + np.arange(2 * len(pairs)).reshape(2, -1)
        return {
            "likelihood": likelihood[rows[0]] - likelihood[rows[1]],
            "likelihood_per_word": per_word[rows[0]] - per_word[rows[1]],
        }
