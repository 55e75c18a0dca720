"""Sentence encoders: folders of sentence-transformers, read with transformers alone; texts only."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer

from rebind.models.checkpoint import LOADING_ERRORS, first_line, quietly
from rebind.models.description import settings_digest, tokenizer_digest, weights_digest
from rebind.types import UserError

_FILES = ["*.json", "*.txt", "*.model", "*.safetensors"]  # what is fetched of a hub model, its top and its modules
_NOT_FILES = ["onnx/*", "openvino/*"]
TEXTS_ONLY = "a sentence encoder embeds texts only, no pictures; choose benchmarks of texts, such as sugarcrepe++_text"
_MANY = 1 << 20  # token positions; tokenizers without a limit say 10³⁰


@dataclass(frozen=True)
class _Settings:
    """What the folder's files say of the way from a text to its embedding."""

    transformer: Path
    pooling: str
    most_tokens: int | None
    lower_case: bool
    prompt: str


class SentenceEncoder(nn.Module):
    """A transformers text model whose hidden states are pooled as its sentence-transformers folder says.

    Args:
        model: the transformer.
        tokenizer: its tokenizer.
        settings: read from the folder.
    """

    def __init__(self, model: Any, tokenizer: Any, settings: _Settings) -> None:
        super().__init__()
        self.model: Any = model
        self.tokenizer = tokenizer
        self.tokenizer.padding_side = "right"
        self.settings = settings
        limits = (settings.most_tokens, getattr(model.config, "max_position_embeddings", None))
        self.context_length = min([tokenizer.model_max_length, *(limit for limit in limits if limit)])

    @classmethod
    def from_pretrained(cls, name: str) -> SentenceEncoder:
        """Load a local folder or a hub model: a transformer, mean or first-token pooling, perhaps normalisation.

        Raises:
            UserError: when it is not there, damaged, or has modules of another kind.
        """
        folder = _fetched(name)
        settings = _read_settings(folder)
        with quietly():
            try:
                tokenizer = AutoTokenizer.from_pretrained(settings.transformer)
                model, report = AutoModel.from_pretrained(
                    settings.transformer, use_safetensors=True, dtype=torch.float32, output_loading_info=True
                )
            except Exception as error:  # safetensors raises its own type
                raise UserError(f"cannot load the sentence encoder {folder}: {first_line(error)}") from error
        missing = sorted(each for each in report["missing_keys"] if not each.startswith("pooler."))  # not used here
        if missing:
            raise UserError(f"the weights in {settings.transformer} lack {len(missing)} entries, such as {missing[0]}")
        if model.config.is_encoder_decoder:
            raise UserError(f"{folder} is a model with a decoder; supported are plain text encoders such as BERT")
        return cls(model, tokenizer, settings).eval()

    @property
    def width(self) -> int:
        """Width d of the embeddings."""
        return self.model.config.hidden_size

    @property
    def device(self) -> torch.device:
        """Where the model is; inputs are moved there."""
        return self.model.device

    def images(self, pictures: Sequence[Image.Image]) -> dict[str, Tensor]:
        """Raise UserError: there is no image tower."""
        raise UserError(TEXTS_ONLY)

    def encode_image(self, images: dict[str, Tensor]) -> tuple[Tensor, None, None]:
        """Raise UserError: there is no image tower."""
        raise UserError(TEXTS_ONLY)

    def texts(self, strings: Sequence[str]) -> dict[str, Tensor]:
        """N strings → ``input_ids``, ``attention_mask`` (N, T) and what else the model asks for; long ones are cut."""
        texts = [self.settings.prompt + string.strip() for string in strings]
        if self.settings.lower_case:
            texts = [text.lower() for text in texts]
        cut = {"truncation": True, "max_length": self.context_length} if self.context_length < _MANY else {}
        return dict(self.tokenizer(texts, padding="longest", return_attention_mask=True, return_tensors="pt", **cut))

    def encode_text(self, tokens: dict[str, Tensor]) -> Tensor:
        """Embeddings (N, d), L2-normalised."""
        tokens = {name: value.to(self.device) for name, value in tokens.items()}
        hidden = self.model(**tokens).last_hidden_state.float()  # (N, T, d)
        if self.settings.pooling == "cls":
            return F.normalize(hidden[:, 0], dim=-1)
        return F.normalize(
            (hidden * tokens["attention_mask"].unsqueeze(-1)).sum(dim=1), dim=-1
        )  # a mean, but for length

    def describe(self) -> dict[str, Any]:
        """What its embeddings depend on; the entries of :meth:`DualEncoder.describe` that a text tower has."""
        config = self.model.config
        return {
            "kind": f"sentence ({config.model_type})",
            "pooling": self.settings.pooling,
            "prompt": self.settings.prompt,
            "lower_case": self.settings.lower_case,
            "padding": "to the longest of the batch",
            "context_length": self.context_length,
            "tokenizer": tokenizer_digest(self.tokenizer),
            "activation": {"text": getattr(config, "hidden_act", None)},
            "configuration": settings_digest(config.to_dict()),
            "dtype": str(self.model.dtype).removeprefix("torch."),
            "weights": weights_digest(self.model),
        }


def _fetched(name: str) -> Path:
    """The folder, or that of the hub's copy."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    if not re.fullmatch(r"\w[\w.-]*(/[\w.-]+)?", name):
        raise UserError(f"the sentence encoder {name} does not exist; give its folder or the name of a hub model")
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=_FILES, ignore_patterns=_NOT_FILES))
    except LOADING_ERRORS as error:
        raise UserError(
            f"{name} is neither a folder here nor a model that the Hugging Face hub would give ({first_line(error)})"
        ) from error


def _read_settings(folder: Path) -> _Settings:
    """Read modules.json and what it points to."""
    modules = _read_json(folder / "modules.json")
    if not isinstance(modules, list) or not all(isinstance(each, dict) and "type" in each for each in modules):
        raise UserError(f'{folder / "modules.json"} must be a list of {{"name", "path", "type"}}')
    kinds = [(str(each["type"]).rpartition(".")[2], folder / str(each.get("path", ""))) for each in modules]
    names = [kind for kind, _ in kinds]
    if names[:2] != ["Transformer", "Pooling"] or set(names[2:]) - {"Normalize"}:
        raise UserError(f"{folder} is made of {', '.join(names)}; supported are Transformer, Pooling and Normalize")
    transformer = kinds[0][1]
    own = _read_json(transformer / "sentence_bert_config.json", {})
    whole = _read_json(folder / "config_sentence_transformers.json", {})
    prompt = (whole.get("prompts") or {}).get(whole.get("default_prompt_name")) or ""
    pooling = _pooling(kinds[1][1] / "config.json")
    return _Settings(transformer, pooling, own.get("max_seq_length"), bool(own.get("do_lower_case")), prompt)


def _pooling(file: Path) -> str:
    """``mean`` or ``cls``, from a file that switches each kind on or off, or that names one."""
    settings = _read_json(file)
    kinds = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}
    on = [name for name, value in settings.items() if name.startswith("pooling_mode_") and value]
    chosen = [settings["pooling_mode"]] if "pooling_mode" in settings else [kinds.get(name, name) for name in on]
    if len(chosen) != 1 or chosen[0] not in kinds.values():
        found = " and ".join(map(str, chosen)) or "of no kind"
        raise UserError(f"{file} asks for pooling {found}; supported are mean and cls")
    return chosen[0]


def _read_json(file: Path, otherwise: Any = None) -> Any:
    if otherwise is not None and not file.is_file():
        return otherwise
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {file} of a sentence encoder: {error}") from error
