"""Images and strings to tensors, as the checkpoint was trained; picklable, and without the model, for data workers."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor


class ImagePreprocessor:
    """Resize and crop as the checkpoint's image processor does, but leave the pixels uint8.

    A uint8 image is a quarter of a float one to send between processes and to the device, where :meth:`normalise`
    finishes the work.

    Args:
        processor: a transformers image processor with the PIL backend.
    """

    def __init__(self, processor: Any) -> None:
        self.processor = processor
        self.untouched_size = self._find_untouched_size()

    def __call__(self, images: Sequence[Image.Image]) -> dict[str, Tensor]:
        """Turn B images in RGB mode into model inputs.

        Returns:
            ``pixel_values`` uint8, (B, 3, H, W); for SigLIP 2 NaFlex (B, P, p·p·3) patches instead, with
            ``pixel_attention_mask`` (B, P) and ``spatial_shapes`` (B, 2), rows and columns of patches.
        """
        if all(image.size == self.untouched_size and image.mode == "RGB" for image in images):
            pixels = np.stack([np.asarray(image) for image in images])  # (B, H, W, 3)
            return {"pixel_values": torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()}
        return self._process(images)

    def normalise(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Rescale and normalise ``pixel_values`` on whatever device they are on, as the image processor would have.

        Args:
            inputs: what calling this object returned; ``pixel_values`` count 0 to 255 and may be any number type.

        Returns:
            The same with ``pixel_values`` float32, equal to the image processor's own to rounding.
        """
        pixels = inputs["pixel_values"]
        mask = inputs.get("pixel_attention_mask")
        channels_last = mask is not None  # NaFlex patches are rows of (y, x, channel)
        scale, shift = self._scale_and_shift()
        repeats, shape = (pixels.shape[-1] // 3, (-1,)) if channels_last else (1, (3, 1, 1))
        affine = torch.tensor([scale * repeats, shift * repeats], dtype=torch.float32, device=pixels.device)
        values = pixels * affine[0].view(shape) + affine[1].view(shape)
        if mask is not None:  # the processor pads after normalising: with zeros
            values = values * mask.unsqueeze(-1)
        return {**inputs, "pixel_values": values}

    def _scale_and_shift(self) -> tuple[list[float], list[float]]:
        """The processor's rescaling and normalisation of each channel as one multiplication and one addition."""
        processor = self.processor
        factor = processor.rescale_factor if processor.do_rescale else 1.0
        if not processor.do_normalize:
            return [factor] * 3, [0.0] * 3
        channels = list(zip(processor.image_mean, processor.image_std, strict=True))
        return [factor / std for _, std in channels], [-mean / std for mean, std in channels]

    def _process(self, images: Sequence[Image.Image]) -> dict[str, Tensor]:
        return dict(self.processor(list(images), do_rescale=False, do_normalize=False, return_tensors="pt"))

    def _find_untouched_size(self) -> tuple[int, int] | None:
        """Return the (width, height) at which the processor changes nothing, tried out on noise; None if there is none.

        Trying is shorter than reasoning about resize, crop and padding settings, and cannot disagree with them.
        """
        blank = self._process([Image.new("RGB", (64, 64))])["pixel_values"]
        if blank.ndim != 4:
            return None
        height, width = blank.shape[-2:]
        if not (self.processor.do_resize or getattr(self.processor, "do_center_crop", False)):
            return None  # the output size then is the input's: none is special
        noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
        pixels = self._process([Image.fromarray(noise)])["pixel_values"][0]
        unchanged = pixels.dtype == torch.uint8 and np.array_equal(pixels.permute(1, 2, 0).numpy(), noise)
        return (width, height) if unchanged else None


class TextTokenizer:
    """Tokenise as the checkpoint was trained: padded on the right; SigLIP always to its full context length.

    SigLIP and SigLIP 2 read the last position and were trained without an attention mask: shorter padding or a mask
    changes every score. CLIP reads the position of its end-of-text token, so padding to the longest text will do.
    Whether capitals are folded is left to the checkpoint's tokenizer.

    Args:
        tokenizer: a transformers tokenizer; it is copied, and the copy carries these settings, so that whoever loads
            a saved one with transformers alone gets them too.
        context_length: text positions of the model.
        full_length: pad to ``context_length`` and give no attention mask, as SigLIP and SigLIP 2 want it.
    """

    def __init__(self, tokenizer: Any, context_length: int, full_length: bool) -> None:
        self.tokenizer = copy.deepcopy(tokenizer)
        self.tokenizer.padding_side = "right"
        self.tokenizer.model_max_length = context_length
        self.tokenizer.model_input_names = ["input_ids"] if full_length else ["input_ids", "attention_mask"]
        # Saving writes init_kwargs only. Siglip2Processor would cut at 64 whatever the model, but for max_length there.
        for name in ("padding_side", "model_max_length", "model_input_names"):
            self.tokenizer.init_kwargs[name] = getattr(self.tokenizer, name)
        self.tokenizer.init_kwargs["max_length"] = context_length
        self.context_length = context_length
        self.full_length = full_length

    @property
    def pad_token_id(self) -> int:
        """The id that fills up short texts."""
        return self.tokenizer.pad_token_id

    def shortened(self, length: int) -> TextTokenizer:
        """The same tokenizer for texts of at most ``length`` tokens."""
        return TextTokenizer(self.tokenizer, min(length, self.context_length), self.full_length)

    def __call__(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """Turn N strings into ``input_ids`` (N, T), and for CLIP ``attention_mask`` (N, T); long ones are cut."""
        padding = "max_length" if self.full_length else "longest"
        return dict(
            self.tokenizer(
                list(texts), padding=padding, truncation=True, max_length=self.context_length, return_tensors="pt"
            )
        )
