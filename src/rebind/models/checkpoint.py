"""Checkpoints in and out: loading with one clear sentence for whatever is missing, saving for plain transformers."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoImageProcessor,
    AutoModel,
    AutoTokenizer,
    CLIPProcessor,
    PretrainedConfig,
    Siglip2Processor,
    SiglipProcessor,
)
from transformers.utils import logging as transformers_logging

from rebind.storage import atomic_path
from rebind.types import UserError

PROCESSORS = {"siglip": SiglipProcessor, "siglip2": Siglip2Processor, "clip": CLIPProcessor}
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "vocab.txt")
IMAGE_PROCESSOR_FILES = ("preprocessor_config.json", "processor_config.json")
# What transformers and the hub client raise when files are missing, unreadable or out of reach.
LOADING_ERRORS = (OSError, ValueError, TypeError, KeyError, AttributeError, ImportError, RuntimeError)


def load_parts(name_or_path: str | Path) -> tuple[Any, Any, Any]:
    """Load model, tokenizer and image processor of a folder or hub model; never code, never pickled weights.

    Raises:
        UserError: naming the file that is missing or the kind of model that is not supported.
    """
    name = str(name_or_path)
    folder = Path(name).expanduser()
    if folder.is_dir():
        name = str(folder)
        check_files(folder)
    elif isinstance(name_or_path, Path) or not re.fullmatch(r"\w[\w.-]*(/[\w.-]+)?", name):
        raise UserError(f"model folder {name} does not exist; give a folder or the name of a Hugging Face hub model")
    place = f"model folder {name}" if folder.is_dir() else f"hub model {name}"

    with quietly():
        check_model_type(read_model_type(name, folder.is_dir()), place)
        tokenizer = _load(AutoTokenizer, name, place, f"tokenizer ({' or '.join(TOKENIZER_FILES)})")
        if len(tokenizer) <= len(tokenizer.all_special_tokens):  # transformers makes one up if it finds no file
            raise UserError(f"{place} has no tokenizer: expected {' or '.join(TOKENIZER_FILES)}")
        image_processor = _load(
            AutoImageProcessor, name, place, f"image processor ({' or '.join(IMAGE_PROCESSOR_FILES)})", backend="pil"
        )
        return load_model(name, place), tokenizer, image_processor


def check_files(folder: Path) -> None:
    """Look for the files of a model folder before transformers does, to say in a sentence which are missing.

    Raises:
        UserError: naming what is missing.
    """
    needed = {"configuration": ("config.json",), "tokenizer": TOKENIZER_FILES, "image processor": IMAGE_PROCESSOR_FILES}
    for part, names in needed.items():
        if not any((folder / name).is_file() for name in names):
            raise UserError(
                f"model folder {folder} has no {part}: expected {' or '.join(names)}; "
                "copy it from the model that the weights come from"
            )


def read_model_type(name: str, is_folder: bool) -> str | None:
    """Read the kind of model from its configuration; None if that does not say.

    Raises:
        UserError: when the configuration is damaged, or the hub does not have it or cannot be reached.
    """
    try:
        settings, _ = PretrainedConfig.get_config_dict(name)
        return settings.get("model_type")
    except LOADING_ERRORS as error:
        if is_folder:
            raise UserError(f"cannot read config.json of model folder {name}: {first_line(error)}") from error
        raise UserError(
            f"{name} is neither a folder here nor a model that the Hugging Face hub would give "
            f"({first_line(error)}); check the name and the network, or give a folder"
        ) from error


def check_model_type(model_type: str | None, place: str) -> None:
    """Raise UserError unless the model is one of the three families."""
    if model_type not in PROCESSORS:
        raise UserError(f"{place} is of type {model_type!r}; supported are {', '.join(sorted(PROCESSORS))}")


def check_parts(model: Any, tokenizer: Any) -> None:
    """Check that model and tokenizer belong together.

    Raises:
        UserError: when the model is of another type, has no pooling head, or would not find the end of a text.
    """
    config = model.config
    check_model_type(config.model_type, "the model")
    if config.model_type != "clip":
        if not config.vision_config.vision_use_head:
            raise UserError("the model has no pooling head (vision_use_head is false), so it has no image embedding")
        return
    # CLIP reads a text where its end-of-text token is. Configurations from before transformers 4.31 say 2, which
    # transformers takes to mean "the largest id in the text".
    expected = config.text_config.eos_token_id
    expected = len(tokenizer) - 1 if expected == 2 else expected
    if tokenizer.eos_token_id != expected:
        raise UserError(
            f"the tokenizer ends texts with id {tokenizer.eos_token_id}, but the model looks for id {expected}; "
            "use the tokenizer that the model was trained with, or set text_config.eos_token_id in its config.json"
        )


def load_model(name: str, place: str) -> Any:
    """Load the weights in float32, from safetensors files.

    Raises:
        UserError: when there are none, they are damaged, or some are missing.
    """
    try:
        model, report = AutoModel.from_pretrained(
            name, use_safetensors=True, dtype=torch.float32, output_loading_info=True, ignore_mismatched_sizes=True
        )
    except Exception as error:  # safetensors raises its own type; either way the weights are what is wrong
        raise UserError(
            f"cannot load the weights of {place} ({first_line(error)}); expected a whole model.safetensors"
        ) from error
    wrong = sorted({*report["missing_keys"], *(name for name, *_ in report["mismatched_keys"])})
    if wrong:
        raise UserError(
            f"the weights of {place} do not fit its config.json: {len(wrong)} are missing or of another size, such as "
            f"{wrong[0]}; give a checkpoint of the whole model, both towers included"
        )
    return model


def save_parts(folder: Path, model: Any, tokenizer: Any, image_processor: Any, weights: Any = None) -> None:
    """Write all that plain transformers needs to load the model; all or nothing, in place of a model that is there.

    ``weights`` is the model's state dict, where the model itself does not hold all of it.

    Raises:
        UserError: when ``folder`` holds anything but a model, or the file system refuses.
    """
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "config.json").is_file():
        raise UserError(f"cannot write a model to {folder}, which holds other files; choose another folder")
    processor = PROCESSORS[model.config.model_type](image_processor=image_processor, tokenizer=tokenizer)
    with atomic_path(folder, folder=True) as temporary, rust_errors_as_os_errors(), quietly():
        model.save_pretrained(temporary, state_dict=weights)
        processor.save_pretrained(temporary)


def _load(loader: Any, name: str, place: str, what: str, **options: Any) -> Any:
    try:
        return loader.from_pretrained(name, **options)
    except LOADING_ERRORS as error:
        raise UserError(f"cannot load the {what} of {place}: {first_line(error)}") from error


def first_line(error: Exception) -> str:
    """What an error says, in one line without its full stop, to be put into a sentence."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


@contextmanager
def rust_errors_as_os_errors() -> Iterator[None]:
    """Give safetensors' and tokenizers' write errors the type that Python's own have, so that they get a sentence."""
    try:
        yield
    except Exception as error:
        number = re.search(r"os error (\d+)", str(error))
        if number is None:
            raise
        code = int(number[1])
        raise OSError(code, os.strerror(code)) from error


@contextmanager
def quietly() -> Iterator[None]:
    """Keep transformers' progress bars and warnings off the screen.

    The bars would break into the caller's own. The warnings are about transformers' default configurations, or about
    what is checked here and said in a sentence.
    """
    bars, verbosity = transformers_logging.is_progress_bar_enabled(), transformers_logging.get_verbosity()
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()
