"""The encoder pass: a batch in, its embeddings out, each tower running once; or in chunks, for gradient caching."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from rebind.models.dual_encoder import DualEncoder
from rebind.types import Batch, Embeddings

Inputs = dict[str, Tensor]


@dataclass(frozen=True)
class EncoderInputs:
    """What the two towers are given for one batch.

    Attributes:
        images: inputs of the image tower for the B images, then for the P pictures of negatives.
        texts: stacks of texts that go through the text tower together: ``texts`` are the B captions, the M negative
            captions and, unless they are tokenised to a length of their own, the U concepts; else ``concepts`` are.
        with_tokens: whether image tokens are wanted.
    """

    images: Inputs
    texts: dict[str, Inputs]
    with_tokens: bool

    def chunks(self, count: int) -> list[EncoderInputs]:
        """Cut into ``count`` parts of about equal size, some without rows when there are too few."""
        images = _split(self.images, count)
        texts = {name: _split(stack, count) for name, stack in self.texts.items()}
        return [
            EncoderInputs(images[part], {name: parts[part] for name, parts in texts.items()}, self.with_tokens)
            for part in range(count)
        ]


def _split(inputs: Inputs, count: int) -> list[Inputs]:
    pieces = {name: value.tensor_split(count) for name, value in inputs.items()}
    return [{name: parts[part] for name, parts in pieces.items()} for part in range(count)]


def encoder_inputs(encoder: DualEncoder, batch: Batch, needs: frozenset[str]) -> EncoderInputs:
    """Stack what an objective needs of a batch.

    A string that many images share is in ``batch.concepts`` once, and so is encoded once.

    Raises:
        ValueError: when the batch was collated without what is needed.
    """
    missing = {
        "concepts": batch.concepts is None,
        "negative_captions": batch.negative_owner is None,
        "negative_images": batch.negative_image_caption is None,
    }
    for need, is_missing in missing.items():
        if need in needs and is_missing and batch.keys:
            raise ValueError(f"the objective needs {need}, but the batch was collated without them")
    images = [stack for stack in (batch.images, batch.negative_images) if stack]
    texts = [stack for stack in (batch.captions, batch.negative_captions) if stack]
    stacks: dict[str, Inputs] = {}
    if batch.concepts and texts and encoder.texts.full_length and _length(batch.concepts) != _length(texts[0]):
        stacks["concepts"] = batch.concepts  # padded to the captions' length they would be other texts
    elif batch.concepts:
        texts.append(batch.concepts)
    stacks["texts"] = concatenate_texts(texts, encoder.texts.pad_token_id) if texts else {}
    return EncoderInputs(_stack_images(images), stacks, "image_tokens" in needs)


def _stack_images(images: list[Inputs]) -> Inputs:
    if len(images) < 2:  # pixels of a large batch are not to be copied
        return images[0] if images else {}
    return {name: torch.cat([stack[name] for stack in images]) for name in images[0]}


def assemble(batch: Batch, outputs: dict[str, Tensor], reference: dict[str, Tensor] | None = None) -> Embeddings:
    """Give the encoder's rows the meaning that they have in the batch.

    Args:
        batch: B images and captions, with what else was encoded.
        outputs: of :meth:`DualEncoder.forward` for the batch's :func:`encoder_inputs`.
        reference: the same of the frozen starting model.

    Returns:
        The embeddings of this batch alone, ``own`` being all of it; with gradient where ``outputs`` have one.
    """
    device = outputs["image"].device
    pairs = len(batch.keys)
    negatives = 0 if batch.negative_owner is None else len(batch.negative_owner)

    def placed(rows: Tensor | None) -> Tensor | None:
        return None if rows is None else rows.to(device, non_blocking=True)

    texts, tokens, mask = outputs["texts"], outputs.get("image_tokens"), outputs.get("image_token_mask")
    concepts = outputs.get("concepts", texts[pairs + negatives :])
    return Embeddings(
        image=outputs["image"][:pairs],
        text=texts[:pairs],
        logit_scale=outputs["logit_scale"],
        logit_bias=outputs["logit_bias"],
        own=slice(0, pairs),
        image_tokens=None if tokens is None else tokens[:pairs],
        image_token_mask=None if mask is None else mask[:pairs],
        concepts=None if batch.concept_index is None else concepts,
        concept_identity=placed(batch.concept_identity),
        concept_index=placed(batch.concept_index),
        concept_owner=placed(batch.concept_owner),
        negative_text=None if batch.negative_owner is None else texts[pairs : pairs + negatives],
        negative_owner=placed(batch.negative_owner),
        negative_image=None if batch.negative_image_caption is None else outputs["image"][pairs:],
        negative_image_text=placed(batch.negative_image_caption),
        reference_image=None if reference is None else reference["image"][:pairs],
        reference_text=None if reference is None else reference["texts"][:pairs],
        reference_logit_scale=None if reference is None else reference["logit_scale"],
    )


def embed_batch(encoder: DualEncoder, batch: Batch, needs: frozenset[str]) -> Embeddings:
    """Encode what an objective needs of a batch, in one pass through each tower.

    Raises:
        ValueError: when the batch was collated without what is needed.
    """
    inputs = encoder_inputs(encoder, batch, needs)
    return assemble(batch, encoder(inputs.images, inputs.texts, inputs.with_tokens))


def concatenate_texts(texts: list[Inputs], pad_token_id: int) -> Inputs:
    """Stack tokenised texts along the batch, padding the shorter ones on the right to the longest.

    Args:
        texts: each with ``input_ids`` (N, T) and perhaps ``attention_mask`` (N, T), N and T their own.
        pad_token_id: what to fill ``input_ids`` with; masks are filled with 0.
    """
    length = max(map(_length, texts))

    def stacked(name: str, fill: int) -> Tensor:
        return torch.cat([F.pad(text[name], (0, length - text[name].shape[1]), value=fill) for text in texts])

    fills = {name: pad_token_id if name == "input_ids" else 0 for name in texts[0]}
    return {name: stacked(name, fill) for name, fill in fills.items()}


def _length(texts: Inputs) -> int:
    return texts["input_ids"].shape[1]
