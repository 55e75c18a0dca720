"""Does the image lie closer to its caption than to the foil? The rule of SugarCrepe, with ties counted."""

from __future__ import annotations

import numpy as np

from rebind.metrics.outcomes import Outcomes


def foil_outcomes(images: np.ndarray, captions: np.ndarray, foils: np.ndarray) -> Outcomes:
    """Judge n items: correct where ``image · caption > image · foil``; a tie is wrong and counted.

    Args:
        images: (n, d) image embedding of each item, L2-normalised.
        captions: (n, d) embedding of each item's true caption.
        foils: (n, d) embedding of each item's foil.

    Source: SugarCrepe (arXiv 2306.14610), whose evaluation asks for a strictly greater caption score.
    """
    # Row by row in float64: equal embeddings give equal sums, which a matrix product does not promise.
    images = images.astype(np.float64)
    caption_similarity = (images * captions).sum(axis=1)
    foil_similarity = (images * foils).sum(axis=1)
    return Outcomes(correct=caption_similarity > foil_similarity, tied=caption_similarity == foil_similarity)
