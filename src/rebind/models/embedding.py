"""The encoder pass: a batch in, its embeddings out."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from rebind.models.dual_encoder import DualEncoder
from rebind.types import Batch, Embeddings


def embed_batch(encoder: DualEncoder, batch: Batch, needs: frozenset[str]) -> Embeddings:
    """Encode what an objective needs of a batch; each tower runs once.

    Captions and distinct concepts go through the text tower together; concepts are then repeated for each of their
    occurrences, so that a string that many images share is encoded once.

    Args:
        encoder: the model.
        batch: B images and captions; with ``"concepts"`` in ``needs`` also its concept fields.
        needs: the objective's needs; ``"concepts"`` asks for image tokens and concept embeddings.

    Returns:
        The embeddings, with gradient where it is enabled; ``concept_identity`` is the batch's ``concept_index``.

    Raises:
        ValueError: when concepts are needed and the batch was collated without them.
    """
    with_concepts = "concepts" in needs
    image, image_tokens, image_token_mask = encoder.encode_image(batch.images, with_tokens=with_concepts)
    scalars = {"logit_scale": encoder.logit_scale, "logit_bias": encoder.logit_bias}
    if not with_concepts:
        return Embeddings(image=image, text=encoder.encode_text(batch.captions), **scalars)

    if batch.concepts is None or batch.concept_index is None or batch.concept_owner is None:
        raise ValueError("the objective needs concepts, but the batch was collated without them")
    sizes = [len(batch.captions["input_ids"]), len(batch.concepts["input_ids"])]
    joined = concatenate_texts([batch.captions, batch.concepts], encoder.texts.pad_token_id)
    text, distinct = encoder.encode_text(joined).split(sizes)
    identity = batch.concept_index.to(distinct.device)
    return Embeddings(
        image=image,
        text=text,
        image_tokens=image_tokens,
        image_token_mask=image_token_mask,
        concepts=distinct[identity],
        concept_owner=batch.concept_owner.to(distinct.device),
        concept_identity=identity,
        **scalars,
    )


def concatenate_texts(texts: list[dict[str, Tensor]], pad_token_id: int) -> dict[str, Tensor]:
    """Stack tokenised texts along the batch, padding the shorter ones on the right to the longest.

    Args:
        texts: each with ``input_ids`` (N, T) and perhaps ``attention_mask`` (N, T), N and T their own.
        pad_token_id: what to fill ``input_ids`` with; masks are filled with 0.
    """
    length = max(text["input_ids"].shape[1] for text in texts)

    def stacked(name: str, fill: int) -> Tensor:
        return torch.cat([F.pad(text[name], (0, length - text[name].shape[1]), value=fill) for text in texts])

    fills = {name: pad_token_id if name == "input_ids" else 0 for name in texts[0]}
    return {name: stacked(name, fill) for name, fill in fills.items()}
