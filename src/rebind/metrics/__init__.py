"""Pure functions from similarities to outcomes, and from outcomes to means with bootstrap intervals. NumPy only."""

from rebind.metrics.bootstrap import bootstrap_interval, bootstrap_means
from rebind.metrics.foils import foil_outcomes
from rebind.metrics.outcomes import Outcomes
from rebind.metrics.retrieval import Ranks, image_to_text_ranks, recall_at, text_to_image_ranks
from rebind.metrics.zero_shot import class_embeddings, top1_outcomes

__all__ = [
    "Outcomes",
    "Ranks",
    "bootstrap_interval",
    "bootstrap_means",
    "class_embeddings",
    "foil_outcomes",
    "image_to_text_ranks",
    "recall_at",
    "text_to_image_ranks",
    "top1_outcomes",
]
