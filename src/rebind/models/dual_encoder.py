"""One face for SigLIP, SigLIP 2 and CLIP: pooled embeddings, image tokens and texts in the joint space."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from rebind.models.checkpoint import check_parts, load_parts, save_parts
from rebind.models.description import image_settings, settings_digest, tokenizer_digest, weights_digest
from rebind.models.image_tokens import image_tokens
from rebind.models.preprocessing import ImagePreprocessor, TextTokenizer

_BLANK = Image.new("RGB", (64, 64))


class DualEncoder(nn.Module):
    """A transformers image-text model with the preprocessing it was trained with.

    Nothing is added to the model and its configuration is left alone: what is trained here is what it was.

    Args:
        model: a ``SiglipModel``, ``Siglip2Model`` (NaFlex) or ``CLIPModel``.
        tokenizer: its tokenizer.
        image_processor: its image processor, with the PIL backend.

    Attributes:
        model: the model itself.
        images: picklable; PIL images in RGB mode → inputs of :meth:`encode_image`.
        texts: picklable; strings → inputs of :meth:`encode_text`.

    Raises:
        UserError: when the parts do not belong together or the kind of model is not supported.

    Example:
        >>> encoder = DualEncoder.from_pretrained("google/siglip-base-patch16-224")  # doctest: +SKIP
        >>> image, _, _ = encoder.encode_image(encoder.images([picture]))
        >>> text = encoder.encode_text(encoder.texts(["a red circle", "a blue star"]))
        >>> (image @ text.T).argmax()
    """

    def __init__(self, model: Any, tokenizer: Any, image_processor: Any) -> None:
        super().__init__()
        check_parts(model, tokenizer)
        self.model: Any = model  # mypy takes a module's attributes for tensors
        self.images = ImagePreprocessor(image_processor)
        self.texts = TextTokenizer(tokenizer, self.context_length, full_length=self.family != "clip")

    @classmethod
    def from_pretrained(cls, name_or_path: str | Path) -> DualEncoder:
        """Load a local folder or a model of the Hugging Face hub, in float32; weights from safetensors files only.

        Raises:
            UserError: when the folder or hub model is not there, lacks weights, a tokenizer or an image processor, or
                is of a kind that is not supported.
        """
        return cls(*load_parts(name_or_path))

    def save(self, folder: str | Path, weights: dict[str, Tensor] | None = None) -> None:
        """Write model, tokenizer and image processor so that plain transformers loads them; all or nothing.

        ``AutoModel``, ``AutoProcessor``, ``AutoTokenizer`` and ``AutoImageProcessor`` each load ``folder``.

        Args:
            folder: to write.
            weights: the state dict of this encoder, where its own parameters are spread over processes.

        Raises:
            UserError: when ``folder`` holds anything but a model, or the file system refuses.
        """
        if weights is not None:
            weights = {name.removeprefix("model."): value for name, value in weights.items()}
        save_parts(Path(folder), self.model, self.texts.tokenizer, self.images.processor, weights)

    def describe(self) -> dict[str, Any]:
        """What its embeddings depend on, as JSON holds it; takes about a second per gigabyte of weights.

        Returns:
            ``kind``, ``image`` (the image processor's settings), ``resolution`` (pixels, or patches for NaFlex),
            ``padding`` of texts, ``context_length``, ``tokenizer`` (digest), ``activation`` by tower,
            ``configuration`` (digest), ``dtype`` and ``weights`` (digest).
        """
        config, texts = self.model.config, self.texts
        towers = {"image": config.vision_config, "text": config.text_config}
        return {
            "kind": self.family,
            "image": image_settings(self.images.processor),
            "resolution": getattr(towers["image"], "image_size", None) or towers["image"].num_patches,
            "padding": f"to {texts.context_length} tokens" if texts.full_length else "to the longest of the batch",
            "context_length": texts.context_length,
            "tokenizer": tokenizer_digest(texts.tokenizer),
            "activation": {name: tower.hidden_act for name, tower in towers.items()},
            "configuration": settings_digest(config.to_dict()),
            "dtype": str(self.model.dtype).removeprefix("torch."),
            "weights": weights_digest(self.model),
        }

    @property
    def family(self) -> str:
        """``siglip`` (SigLIP 2 of fixed resolution included), ``siglip2`` (NaFlex) or ``clip``."""
        return self.model.config.model_type

    @property
    def width(self) -> int:
        """Width d of the joint space."""
        config = self.model.config
        return config.projection_dim if self.family == "clip" else config.text_config.projection_size

    @property
    def context_length(self) -> int:
        """The most tokens a text may have."""
        return self.model.config.text_config.max_position_embeddings

    @property
    def device(self) -> torch.device:
        """Where the model is; inputs are moved there."""
        return self.model.logit_scale.device

    @property
    def logit_scale(self) -> Tensor:
        """τ: scalar, the exponential of the learned parameter, with gradient."""
        return self.model.logit_scale.exp().reshape(())

    @property
    def logit_bias(self) -> Tensor:
        """b: scalar, with gradient; zero for CLIP, which has none."""
        if self.family == "clip":
            return torch.zeros_like(self.logit_scale)
        return self.model.logit_bias.reshape(())

    def encode_image(
        self, images: dict[str, Tensor], with_tokens: bool = False
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Embed images, in one pass through the tower.

        Args:
            images: what ``self.images`` returned: ``pixel_values`` before normalisation, and for NaFlex the rest.
            with_tokens: return the image tokens, too (see :func:`rebind.models.image_tokens.image_tokens`).

        Returns:
            Pooled embeddings (B, d); tokens (B, L, d) or None; their mask (B, L), True where a token is real, or None
            when all are or none were asked for. Embeddings are L2-normalised.
        """
        inputs = self.images.normalise(self._on_device(images))
        output = self.model.get_image_features(**inputs)
        pooled = _unit(output.pooler_output)
        if not with_tokens:
            return pooled, None, None
        mask = inputs.get("pixel_attention_mask")
        tokens = _unit(image_tokens(self.model, output.last_hidden_state))
        return pooled, tokens, None if mask is None else mask.bool()

    def encode_text(self, tokens: dict[str, Tensor]) -> Tensor:
        """Embed N texts given as ``self.texts`` returned them: (N, d), L2-normalised."""
        return _unit(self.model.get_text_features(**self._on_device(tokens)).pooler_output)

    def forward(
        self, images: dict[str, Tensor], texts: dict[str, dict[str, Tensor]], with_tokens: bool = False
    ) -> dict[str, Tensor]:
        """Run both towers once, as wrappers that hook into ``forward`` (DDP, FSDP, autocast) need it.

        Every parameter takes part whatever is asked for: inputs without rows are replaced by a blank one, whose
        embedding is cut off again.

        Args:
            images: what ``self.images`` returned for B images; B may be 0.
            texts: named stacks of what ``self.texts`` returned.
            with_tokens: return image tokens, too.

        Returns:
            ``image`` (B, d), perhaps ``image_tokens`` (B, L, d) and ``image_token_mask`` (B, L), every stack of texts
            under its name (N, d), and the scalars ``logit_scale`` and ``logit_bias``.
        """
        rows = len(next(iter(images.values()), ()))
        image, tokens, mask = self.encode_image(images if rows else self.images([_BLANK]), with_tokens)
        outputs = {"image": image[:rows]}
        if tokens is not None:
            outputs["image_tokens"] = tokens[:rows]
        if mask is not None:
            outputs["image_token_mask"] = mask[:rows]
        for name, stack in texts.items():
            rows = len(next(iter(stack.values()), ()))
            outputs[name] = self.encode_text(stack if rows else self.texts([""]))[:rows]
        # Copied, since FSDP takes the parameter's memory back when this returns.
        return outputs | {"logit_scale": self.logit_scale, "logit_bias": self.logit_bias.clone()}

    def _on_device(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: value.to(self.device, non_blocking=True) for name, value in inputs.items()}


def _unit(vectors: Tensor) -> Tensor:
    """L2-normalise, in float32 at least: half precision would lose the third digit of every cosine."""
    return F.normalize(vectors.to(torch.promote_types(vectors.dtype, torch.float32)), dim=-1)
