"""Pictures of negative captions, drawn by any text-to-image pipeline of diffusers."""

from __future__ import annotations

import inspect
import io
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from PIL import Image

from rebind.engine import Item, Made
from rebind.types import UserError

#: Short name -> settings. TripletCLIP draws its negatives with SDXL-Turbo (Patel et al. 2024); one step, no guidance,
#: 512 pixels and the half-precision files are what the model card of SDXL-Turbo recommends.
PRESETS: dict[str, dict[str, Any]] = {
    "sdxl-turbo": {"model": "stabilityai/sdxl-turbo", "variant": "fp16", "steps": 1, "guidance": 0.0, "size": 512},
}
DTYPES = ("auto", "float32", "bfloat16", "float16")
FORMATS = ("jpeg", "png")
#: Arguments of the pipeline that are set here, and the setting that they follow from.
_OURS = {
    "prompt": "the captions",
    "generator": "seed",
    "output_type": "image_format",
    "return_dict": "image_format",
    "num_images_per_prompt": "the captions",
    "num_inference_steps": "steps",
    "guidance_scale": "guidance",
    "height": "size",
    "width": "size",
}


@dataclass(frozen=True)
class DiffusionPictures:
    """A stage of the data engine: ``{"key", "caption"}`` → ``{"key", "caption", "image": JPEG or PNG bytes}``.

    A picture follows from key, caption and settings: its noise is drawn on the processor by a generator of its own,
    seeded by ``seed`` and key, so that the batch in which it is drawn changes no more than the last bit of its
    floats, and a device no more than its arithmetic does. Pictures that come out blank or not finite, or that the
    pipeline's safety checker blocks, are left out and counted.

    Attributes:
        model: folder or hub name of a text-to-image pipeline with safetensors weights.
        revision: branch, tag or commit on the hub.
        variant: of the weight files, e.g. ``fp16``.
        steps: of denoising; the pipeline's own number if None.
        guidance: scale of classifier-free guidance; the pipeline's own if None.
        size: pixels a side; the pipeline's own if None.
        options: further arguments of the pipeline, e.g. ``{"negative_prompt": "blurry"}``.
        seed: of the noise.
        dtype: of the weights: ``auto`` is bfloat16 on GPUs that know it, float16 on others, float32 elsewhere.
        image_format: ``jpeg`` (quality 95) or ``png``.
        batch_size: captions drawn at a time; changes memory and speed.
        part_size: items in a part.

    Raises:
        UserError: when a setting makes no sense.

    Example:
        >>> stage = DiffusionPictures.of("sdxl-turbo", steps=4)
        >>> draw = stage.open()  # doctest: +SKIP
        >>> draw([{"key": "a", "caption": "a red cube on a blue ball"}]).rows[0]["image"]  # doctest: +SKIP
    """

    name: ClassVar[str] = "negative_images"

    model: str
    revision: str | None = None
    variant: str | None = None
    steps: int | None = None
    guidance: float | None = None
    size: int | None = None
    options: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    dtype: str = "auto"
    image_format: Literal["jpeg", "png"] = "jpeg"
    batch_size: int = 8
    part_size: int = 64

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("batch_size", 1), ("part_size", 1), ("seed", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise UserError(f"pictures: {name} must be at least {least}, not {value}")
        if self.size is not None and (self.size < 8 or self.size % 8):
            raise UserError(f"pictures: size must be a multiple of 8, not {self.size}")
        for name, known in (("dtype", DTYPES), ("image_format", FORMATS)):
            if getattr(self, name) not in known:
                raise UserError(f"pictures: {name} must be one of {', '.join(known)}, not {getattr(self, name)!r}")
        for name in self.options.keys() & _OURS.keys():
            raise UserError(f"pictures: the option {name!r} follows from {_OURS[name]}; leave it out")

    @classmethod
    def of(cls, model: str, **settings: Any) -> DiffusionPictures:
        """The settings of a preset, or of any other model, with changes; a change to None is none."""
        return cls(**{"model": model, **PRESETS.get(model, {}), **{k: v for k, v in settings.items() if v is not None}})

    @property
    def settings(self) -> dict[str, Any]:
        """All that the pictures depend on.

        Raises:
            UserError: when diffusers is not installed.
        """
        depends = {name: value for name, value in asdict(self).items() if name not in ("batch_size", "part_size")}
        return {"backend": "diffusion", "diffusers": _diffusers_version(), **depends}

    @property
    def gpus(self) -> int:
        """How many GPUs a worker wants: one where there is any."""
        import torch

        return min(1, torch.cuda.device_count())

    @property
    def arguments(self) -> dict[str, Any]:
        """What the pipeline is called with, captions and generators apart."""
        ours = {"num_inference_steps": self.steps, "guidance_scale": self.guidance}
        ours |= {"height": self.size, "width": self.size}
        return {**self.options, **{name: value for name, value in ours.items() if value is not None}}

    def open(self) -> Callable[[list[Item]], Made]:
        """Load the pipeline onto the device of this worker.

        Raises:
            UserError: when diffusers is not installed, the pipeline cannot be loaded or takes other arguments; and
                while drawing, when memory runs out or the pipeline refuses its arguments.
        """
        pipeline = load_pipeline(self)

        def draw(items: list[Item]) -> Made:
            rows, tally = [], Counter({"captions": len(items)})
            for start in range(0, len(items), self.batch_size):
                block = items[start : start + self.batch_size]
                for item, (picture, fault) in zip(block, _draw(self, pipeline, block), strict=True):
                    tally[f"left out: {fault}" if fault else "pictures"] += 1
                    if not fault:
                        image = encode_picture(picture, self.image_format)
                        rows.append({"key": item["key"], "caption": item["caption"], "image": image})
            return Made(rows, dict(tally))

        return draw


def worker_device() -> str:
    """The device of this worker: its share of the GPUs by the number in ``REBIND_WORKER``, else the processor."""
    import torch

    count = torch.cuda.device_count()
    return f"cuda:{int(os.environ.get('REBIND_WORKER', 0)) % count}" if count else "cpu"


def load_pipeline(settings: DiffusionPictures) -> Any:
    """Load a text-to-image pipeline, weights from safetensors files only and never code.

    Raises:
        UserError: when it is not there, has no safetensors weights, brings code of its own, or does not take the
            arguments that it would be called with.
    """
    _diffusers_version()
    folder = Path(settings.model).expanduser()
    if folder.is_dir() and any(folder.rglob("*.py")):
        raise UserError(f"{folder} brings Python code, which is never run; give a pipeline of diffusers itself")
    try:
        with _quietly():
            from diffusers import DiffusionPipeline

            device = worker_device()
            pipeline = DiffusionPipeline.from_pretrained(
                str(folder) if folder.is_dir() else settings.model,
                revision=settings.revision,
                variant=settings.variant,
                dtype=_dtype(settings.dtype, device),
                use_safetensors=True,
            ).to(device)
    except Exception as error:  # the libraries for weights and the hub raise types of their own
        raise UserError(
            f"{settings.model} cannot be loaded as a text-to-image pipeline ({_first_line(error)}); give a folder or "
            f"hub name with a model_index.json and safetensors weights, or a preset: {', '.join(PRESETS)}"
        ) from error
    taken = inspect.signature(pipeline.__call__).parameters
    for name in ("prompt", "generator", *settings.arguments):
        if name not in taken:
            raise UserError(f"the pipeline {type(pipeline).__name__} of {settings.model} takes no {name!r}")
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _dtype(name: str, device: str) -> Any:
    import torch

    if name == "auto":
        half = "bfloat16" if device != "cpu" and torch.cuda.is_bf16_supported() else "float16"
        name = "float32" if device == "cpu" else half
    return getattr(torch, name)


def encode_picture(picture: np.ndarray, image_format: str) -> bytes:
    """A (H, W, 3) picture with values between 0 and 1 as PNG, or as JPEG of quality 95."""
    file = io.BytesIO()
    Image.fromarray((picture * 255).round().astype(np.uint8)).save(file, image_format, quality=95)
    return file.getvalue()


def seed_of(seed: int, key: str) -> int:
    """A seed of 64 bits for one key."""
    return int.from_bytes(blake2b(f"{seed}\0{key}".encode(), digest_size=8).digest(), "big")


def _draw(settings: DiffusionPictures, pipeline: Any, block: list[Item]) -> Iterator[tuple[np.ndarray, str]]:
    """For each item its (H, W, 3) picture, and what is wrong with it, if anything."""
    import torch

    generators = [torch.Generator().manual_seed(seed_of(settings.seed, item["key"])) for item in block]
    captions = [item["caption"] for item in block]
    try:
        output = pipeline(prompt=captions, generator=generators, output_type="np", **settings.arguments)
    except torch.OutOfMemoryError:
        raise UserError(
            f"memory of {worker_device()} runs out when {settings.model} draws {len(block)} pictures at a time; "
            "lower batch_size, or size"
        ) from None
    except (ValueError, TypeError) as error:
        raise UserError(f"{settings.model} refuses to draw with these settings: {_first_line(error)}") from error
    blocked = getattr(output, "nsfw_content_detected", None) or [False] * len(block)
    for picture, is_blocked in zip(output.images, blocked, strict=True):
        yield picture, "blocked by the safety checker" if is_blocked else _fault(picture)


def _fault(picture: np.ndarray) -> str:
    if not np.isfinite(picture).all():
        return "not finite"
    pixels = (picture * 255).round()
    return "blank" if (pixels == pixels[:1, :1]).all() else ""


def _diffusers_version() -> str:
    try:
        return version("diffusers")
    except PackageNotFoundError:
        raise UserError(
            "drawing pictures needs the package diffusers; install it with: pip install 'rebind[images]'"
        ) from None


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep the libraries' progress bars, and warnings that torchvision is missing, off the screen."""
    from transformers.utils import logging as transformers_logging

    bars, verbosity = transformers_logging.is_progress_bar_enabled(), transformers_logging.get_verbosity()
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    try:
        from diffusers.utils import logging as diffusers_logging

        diffusers_logging.set_verbosity_error()  # and so it stays: it would warn of every caption that is cut
        diffusers_logging.disable_progress_bar()
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
