"""Classification by the most similar class, each class being the mean of its prompts."""

from __future__ import annotations

import numpy as np

from rebind.metrics.outcomes import Outcomes


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


def top1_outcomes(images: np.ndarray, classes: np.ndarray, labels: np.ndarray) -> Outcomes:
    """Judge n images: correct where the labelled class is strictly the most similar one; a tie for first is wrong.

    Args:
        images: (n, d) L2-normalised image embeddings.
        classes: (C, d) class embeddings.
        labels: (n,) class of each image.
    """
    distinct, column = np.unique(classes, axis=0, return_inverse=True)  # equal classes must tie exactly
    similarity = (images @ distinct.T)[:, column.reshape(-1)]
    rows = np.arange(len(labels))
    right = similarity[rows, labels]
    others = similarity.copy()
    others[rows, labels] = -np.inf
    rival = others.max(axis=1)
    return Outcomes(correct=right > rival, tied=right == rival)
