"""Classification by the most similar class, each class being the mean of its prompts."""

from __future__ import annotations

import numpy as np

from rebind.metrics.bootstrap import RESAMPLES
from rebind.metrics.retrieval import Ranks, text_to_image_ranks


def class_embeddings(prompts: np.ndarray, prompt_class: np.ndarray) -> np.ndarray:
    """Mean of each class's prompt embeddings, L2-normalised again: the prompt ensemble of CLIP (arXiv 2103.00020).

    Args:
        prompts: (P, d) L2-normalised prompt embeddings.
        prompt_class: (P,) class of each prompt, numbered 0 … C−1, each class occurring.

    Returns:
        (C, d) class embeddings.
    """
    sums = np.zeros((int(prompt_class.max()) + 1, prompts.shape[1]))
    np.add.at(sums, prompt_class, prompts)
    return sums / np.linalg.norm(sums, axis=1, keepdims=True).clip(min=np.finfo(float).tiny)


def class_ranks(images: np.ndarray, classes: np.ndarray, labels: np.ndarray) -> Ranks:
    """Rank of each image's labelled class among all classes: top-k is ``recall_at(k, ranks)``.

    It is the task of a text that looks for its image, with images for texts and classes for images.

    Args:
        images: (n, d) L2-normalised image embeddings.
        classes: (C, d) class embeddings.
        labels: (n,) class of each image.
    """
    return text_to_image_ranks(classes, images, labels)


def per_class_weights(labels: np.ndarray) -> np.ndarray:
    """(n,) weights whose products with n outcomes have the mean over classes of each class's mean as their mean."""
    _, number, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    return len(labels) / (len(sizes) * sizes[number])


def per_class_interval(
    correct: np.ndarray, labels: np.ndarray, *, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """95 % percentile bootstrap interval (low, high) of the mean per-class accuracy; images are drawn within classes.

    Args:
        correct: (n,) bool.
        labels: (n,) class of each image.
        resamples: how many bootstrap samples.
        seed: makes the result reproducible.
    """
    _, number, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    right = np.bincount(number, weights=correct)
    # How many of a class's resampled outcomes are right is binomial; no need to draw them one by one.
    means = (np.random.default_rng(seed).binomial(sizes, right / sizes, (resamples, len(sizes))) / sizes).mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
