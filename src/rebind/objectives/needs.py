"""What objectives read beyond images and captions, by the names that they give in ``needs``."""

from __future__ import annotations

from torch import Tensor

from rebind.types import Embeddings

#: Need -> the fields of :class:`~rebind.types.Embeddings` that serve it.
NEEDS = {
    "concepts": ("concepts", "concept_index", "concept_owner"),
    "image_tokens": ("image_tokens",),
    "negative_captions": ("negative_text", "negative_owner"),
    "negative_images": ("negative_image", "negative_image_text"),
    "reference": ("reference_image", "reference_text", "reference_logit_scale"),
}


def given(embeddings: Embeddings, need: str) -> tuple[Tensor, ...]:
    """The tensors that serve a need, in the order of :data:`NEEDS`; they must be there, though they may be empty."""
    found = {name: getattr(embeddings, name) for name in NEEDS[need]}
    missing = [name for name, tensor in found.items() if tensor is None]
    assert not missing, f"the batch was encoded without {need}: {', '.join(missing)} is None"
    return tuple(found.values())
