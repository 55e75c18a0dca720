"""Any model that can embed: checkpoints of transformers, open_clip's, sentence encoders, embeddings made elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from PIL import Image
from torch import Tensor

from rebind.models.dual_encoder import DualEncoder
from rebind.models.precomputed import PrecomputedEmbeddings

Inputs = dict[str, Tensor]


class Encoder(Protocol):
    """What embedding asks of a model. ``DualEncoder`` is one, and so is whatever :func:`load_encoder` returns.

    An encoder of texts only raises UserError where it is given pictures.

    Attributes:
        training: whether it is in training mode.
    """

    training: bool

    @property
    def width(self) -> int:
        """Width d of the embeddings."""

    @property
    def device(self) -> torch.device:
        """Where the model is; inputs are moved there."""

    def images(self, pictures: Sequence[Image.Image], /) -> Inputs:
        """B pictures in RGB mode → inputs of :meth:`encode_image`, whose rows may be put together with others."""

    def texts(self, strings: Sequence[str], /) -> Inputs:
        """N strings → inputs of :meth:`encode_text`, each (N, T).

        Where ``attention_mask`` is among them, texts may be padded on the right to any common length.
        """

    def encode_image(self, images: Inputs) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Embeddings (B, d), L2-normalised, first; what follows is not asked for."""

    def encode_text(self, tokens: Inputs) -> Tensor:
        """Embeddings (N, d), L2-normalised."""

    def describe(self) -> dict[str, Any]:
        """What the embeddings depend on: preprocessing, resolution, padding, activation, dtype, weights digest."""

    def to(self, device: Any) -> Any:
        """Move to a device."""

    def eval(self) -> Any:
        """Into evaluation mode."""

    def train(self, mode: bool = True) -> Any:
        """Into training mode, or out of it."""


def load_encoder(name_or_path: str | Path) -> Encoder | PrecomputedEmbeddings:
    """Load a model by its name.

    Args:
        name_or_path: folder or hub name of a SigLIP, SigLIP 2 or CLIP checkpoint of transformers;
            ``open_clip:ARCHITECTURE/TAG``, ``open_clip:hf-hub:ORGANISATION/NAME`` or
            ``open_clip:ARCHITECTURE@CHECKPOINT``; ``sentence:NAME_OR_FOLDER`` of a sentence-transformers model, for
            texts only; ``precomputed:FILE`` with embeddings made elsewhere (``.npz`` or ``.safetensors``).

    Raises:
        UserError: when the model is not there, damaged or of a kind that is not supported, or a package is missing.
    """
    kind, colon, name = str(name_or_path).partition(":")
    kind = kind if colon else ""  # a folder may be called as a kind is
    if kind == "open_clip":
        from rebind.models.open_clip_encoder import OpenClipEncoder

        return OpenClipEncoder.from_pretrained(name)
    if kind == "sentence":
        from rebind.models.sentence_encoder import SentenceEncoder

        return SentenceEncoder.from_pretrained(name)
    if kind == "precomputed":
        return PrecomputedEmbeddings(Path(name).expanduser())
    return DualEncoder.from_pretrained(name_or_path)
