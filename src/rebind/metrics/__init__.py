"""Pure functions from similarities to outcomes, and from outcomes to means with bootstrap intervals. NumPy only."""

from rebind.metrics.bootstrap import bootstrap_interval, bootstrap_means
from rebind.metrics.foils import foil_outcomes
from rebind.metrics.outcomes import Outcomes
from rebind.metrics.paired import PairedDifference, holm, paired_difference, sign_flip_p
from rebind.metrics.retrieval import Ranks, image_to_text_ranks, recall_at, text_to_image_ranks
from rebind.metrics.zero_shot import class_embeddings, class_ranks, per_class_interval, per_class_weights

__all__ = [
    "Outcomes",
    "PairedDifference",
    "Ranks",
    "bootstrap_interval",
    "bootstrap_means",
    "class_embeddings",
    "class_ranks",
    "foil_outcomes",
    "holm",
    "image_to_text_ranks",
    "paired_difference",
    "per_class_interval",
    "per_class_weights",
    "recall_at",
    "sign_flip_p",
    "text_to_image_ranks",
]
