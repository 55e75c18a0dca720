"""Does a picture that was made for a caption show it? Judged by an image-text model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image

from rebind.models.dual_encoder import DualEncoder


@dataclass(frozen=True)
class PictureVerdict:
    """How a picture made for a negative caption was judged.

    Attributes:
        caption: cosine of the picture and the negative caption, −1 to 1.
        original: cosine of the picture and the caption that it is a negative of.
        fault: why it does not stay; empty where it does.
    """

    caption: float
    original: float
    fault: str


@dataclass(frozen=True)
class PictureFilter:
    """Keeps pictures that are nearer to their negative caption than to the original one.

    Attributes:
        encoder: the model that judges.
        margin: by how much the cosine with the negative caption must exceed that with the original.
        minimum: least cosine with the negative caption; any will do if None.
    """

    encoder: DualEncoder
    margin: float = 0.0
    minimum: float | None = None

    @torch.inference_mode()
    def __call__(
        self, pictures: Sequence[Image.Image], captions: Sequence[str], originals: Sequence[str]
    ) -> list[PictureVerdict]:
        """Judge n ≥ 1 pictures in RGB mode, each with its negative and its original caption."""
        encoder = self.encoder.eval()
        image = encoder.encode_image(encoder.images(list(pictures)))[0]
        text = encoder.encode_text(encoder.texts([*captions, *originals]))
        cosines = (image * text.view(2, *image.shape)).sum(dim=-1)  # (2, n)
        pairs = cosines.T.tolist()
        return [PictureVerdict(caption, original, self._fault(caption, original)) for caption, original in pairs]

    def _fault(self, caption: float, original: float) -> str:
        if not caption - original > self.margin:
            return "nearer to the original caption"
        return "too unlike its caption" if self.minimum is not None and caption < self.minimum else ""
