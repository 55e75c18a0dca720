"""Models and checkpoints of open_clip, with open_clip's own preprocessing; through the ``openclip`` extra."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from rebind.models.checkpoint import first_line
from rebind.models.description import settings_digest, tokenizer_digest, weights_digest
from rebind.types import UserError

_PLAIN = (bool, int, float, str)
_SCHEMES = ("hf-hub:", "local-dir:")


class OpenClipEncoder(nn.Module):
    """A model of open_clip behind the face of :class:`rebind.models.loading.Encoder`.

    Texts are always padded to the full context length, as open_clip's towers want it.

    Args:
        model: what open_clip built.
        transform: its inference transform: one PIL picture → (3, H, W).
        tokenizer: its tokenizer: strings → (N, T).

    Attributes:
        packages: what computes the embeddings besides torch.
    """

    packages = ("open_clip_torch", "torchvision", "timm")

    def __init__(self, model: Any, transform: Any, tokenizer: Any) -> None:
        super().__init__()
        self.model: Any = model
        self.transform = transform
        self.tokenizer = tokenizer
        with torch.inference_mode():
            self.width = self.encode_text(self.texts([""])).shape[1]

    @classmethod
    def from_pretrained(cls, name: str) -> OpenClipEncoder:
        """Load ``ARCHITECTURE/TAG``, ``hf-hub:ORGANISATION/NAME``, ``local-dir:FOLDER`` or ``ARCHITECTURE@CHECKPOINT``.

        Weights come in float32 and never from a pickle that could run code. Where open_clip knows that the weights of
        a tag were trained with QuickGELU, such as OpenAI's, the model gets it whatever the architecture is called; a
        checkpoint of one's own cannot say so: write ``ViT-B-32-quickgelu@CHECKPOINT``.

        Raises:
            UserError: when open_clip or torchvision is missing, or the name or the checkpoint is wrong.
        """
        try:
            import open_clip
        except (ImportError, RuntimeError, OSError) as error:  # a torchvision made for another torch raises any of them
            raise UserError(
                f"open_clip:{name} needs open_clip and a torchvision that fits your torch ({first_line(error)}); "
                'install them with: pip install "rebind[openclip]" torchvision'
            ) from error
        architecture, weights = _parts(name)
        known = (open_clip.get_pretrained_cfg(architecture, weights) if weights else None) or {}
        try:
            model, transform = open_clip.create_model_from_pretrained(
                architecture,
                weights,
                precision="fp32",
                force_quick_gelu=bool(known.get("quick_gelu")),
                weights_only=True,
            )
            tokenizer = open_clip.get_tokenizer(architecture)
        except Exception as error:  # open_clip, torch and the hub client each raise their own
            raise UserError(f"open_clip cannot load {name}: {first_line(error)}") from error
        return cls(model, transform, tokenizer).eval()

    @property
    def device(self) -> torch.device:
        """Where the model is; inputs are moved there."""
        return next(self.model.parameters()).device

    def images(self, pictures: Sequence[Image.Image]) -> dict[str, Tensor]:
        """B pictures in RGB mode → ``pixel_values`` float32 (B, 3, H, W)."""
        return {"pixel_values": torch.stack([self.transform(picture) for picture in pictures])}

    def texts(self, strings: Sequence[str]) -> dict[str, Tensor]:
        """N strings → ``input_ids`` (N, T)."""
        return {"input_ids": self.tokenizer(list(strings))}

    def encode_image(self, images: dict[str, Tensor]) -> tuple[Tensor, None, None]:
        """Embeddings (B, d), L2-normalised."""
        return F.normalize(self.model.encode_image(images["pixel_values"].to(self.device)).float(), dim=-1), None, None

    def encode_text(self, tokens: dict[str, Tensor]) -> Tensor:
        """Embeddings (N, d), L2-normalised."""
        return F.normalize(self.model.encode_text(tokens["input_ids"].to(self.device)).float(), dim=-1)

    def describe(self) -> dict[str, Any]:
        """What its embeddings depend on; the same entries as :meth:`DualEncoder.describe`."""
        settings = dict(getattr(self.model.visual, "preprocess_cfg", None) or {})
        quick = any(type(module).__name__ == "QuickGELU" for module in self.model.modules())
        context = self.texts([""])["input_ids"].shape[1]
        return {
            "kind": "open_clip",
            "image": settings,
            "resolution": settings.get("size"),
            "padding": f"to {context} tokens",
            "context_length": context,
            "tokenizer": _tokenizer_digest(self.tokenizer),
            "activation": "quick_gelu" if quick else "the architecture's own",
            "configuration": settings_digest({"modules": str(self.model), "numbers": _numbers(self.model)}),
            "dtype": str(next(self.model.parameters()).dtype).removeprefix("torch."),
            "weights": weights_digest(self.model),
        }


def _numbers(model: nn.Module) -> list[dict[str, Any]]:
    """What printing the modules does not show, such as the number of heads."""
    return [
        {name: value for name, value in vars(module).items() if name != "training" and isinstance(value, _PLAIN)}
        for module in model.modules()
    ]


def _tokenizer_digest(tokenizer: Any) -> str:
    """Over the transformers tokenizer within, or the vocabulary of open_clip's own, and how texts are cleaned."""
    inner = getattr(tokenizer, "tokenizer", None)
    own = {name: str(getattr(tokenizer, name, None)) for name in ("encoder", "bpe_ranks", "context_length")}
    cleaning = getattr(getattr(tokenizer, "clean_fn", None), "__name__", None)
    about = {"kind": type(tokenizer).__name__, **own, "cleaning": cleaning}
    return settings_digest(about if inner is None else {**about, "inner": tokenizer_digest(inner)})


def _parts(name: str) -> tuple[str, str | None]:
    """Architecture and weights as open_clip takes them."""
    if name.startswith(_SCHEMES):
        return name, None
    if "@" in name:
        architecture, _, checkpoint = name.partition("@")
        file = Path(checkpoint).expanduser()
        if not file.is_file():
            raise UserError(f"open_clip:{name}: the checkpoint {file} does not exist or is not a file")
        weights = str(file)
    else:
        architecture, _, weights = name.rpartition("/")
    if not architecture or not weights:
        raise UserError(
            f'"open_clip:{name}" does not name a model: write open_clip:ViT-B-32/openai, open_clip:hf-hub:NAME or '
            "open_clip:ViT-B-32@CHECKPOINT"
        )
    return architecture.replace("/", "-"), weights
