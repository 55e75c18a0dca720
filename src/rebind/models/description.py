"""What an embedding depends on besides the picture or the text: weights, configuration and preprocessing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from typing import Any

import torch
from torch import Tensor, nn

_NO_SETTING = {"_name_or_path", "name_or_path", "transformers_version", "torch_dtype", "dtype", "architectures"}


def weights_digest(module: nn.Module) -> str:
    """32 hexadecimal digits of BLAKE2b over every name, type, shape and byte of a module's parameters and buffers."""

    def digest(item: tuple[str, Tensor]) -> bytes:
        name, value = item
        plain = value.detach().to("cpu").contiguous()
        head = f"{name} {plain.dtype} {tuple(plain.shape)} ".encode()
        content: Any = plain.reshape(-1).view(torch.uint8).numpy()  # a buffer, which mypy does not see
        return blake2b(head + blake2b(content).digest()).digest()

    with ThreadPoolExecutor() as pool:  # hashing lets other threads run
        return blake2b(b"".join(pool.map(digest, sorted(module.state_dict().items()))), digest_size=16).hexdigest()


def settings_digest(settings: Mapping[str, Any] | str) -> str:
    """16 hexadecimal digits of BLAKE2b over settings, those left out that only say where they came from."""
    if not isinstance(settings, str):
        settings = json.dumps(_only_settings(settings), sort_keys=True, default=str)
    return blake2b(settings.encode(), digest_size=8).hexdigest()


def tokenizer_digest(tokenizer: Any) -> str:
    """16 hexadecimal digits over a transformers tokenizer: its rules and vocabulary, as far as it shows them."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return settings_digest({"kind": type(tokenizer).__name__, "vocabulary": tokenizer.get_vocab()})
    rules = json.loads(backend.to_str())
    return settings_digest({**rules, "truncation": None, "padding": None})  # these two change from call to call


def image_settings(processor: Any) -> dict[str, Any]:
    """The settings of a transformers image processor as JSON holds them."""
    return _only_settings(json.loads(processor.to_json_string()))


def _only_settings(settings: Any) -> Any:
    if isinstance(settings, Mapping):
        return {str(name): _only_settings(value) for name, value in settings.items() if name not in _NO_SETTING}
    if isinstance(settings, (list, tuple)):
        return [_only_settings(value) for value in settings]
    return settings
