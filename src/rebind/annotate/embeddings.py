"""Embeddings of a whole source, part by part: what was embedded before a kill is not embedded again."""

from __future__ import annotations

import os
import tempfile
from base64 import b64decode, b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from rebind.data import Source
from rebind.data.broken import BrokenImageError
from rebind.data.images import decode_image
from rebind.engine import Item, Made, PartBlocks, Workforce, run_stage
from rebind.types import BrokenSample, UserError

if TYPE_CHECKING:
    from torch import Tensor

    from rebind.models import DualEncoder

_AT_ONCE = {"image": 128, "text": 512}


@dataclass(frozen=True)
class Embedded:
    """The embeddings of a source.

    Attributes:
        rows: (n,) rows of the source that have one.
        vectors: (n, d) float32, mapped from a nameless file that goes when nobody looks at it any more.
        broken: samples whose image cannot be read.
        folder: where the parts are; remove it when they are needed no more.
    """

    rows: np.ndarray
    vectors: np.ndarray
    broken: tuple[BrokenSample, ...]
    folder: Path


def embed_in_parts(
    source: Source, model: str, by: str = "image", workforce: Workforce | None = None, part_size: int = 2048
) -> Embedded:
    """Embed every image or every original caption of a source; a run that was killed continues.

    The parts lie in ``annotations/embeddings-<by>-<digest of the model>`` until their user removes them.

    Args:
        source: the samples.
        model: folder or hub name of a checkpoint.
        by: "image" or "text".
        workforce: who does it; one worker for each GPU, or one, when None.
        part_size: samples in a part.

    Raises:
        UserError: when ``by`` is neither, the model cannot be loaded, or the engine cannot write.
    """
    if by not in _AT_ONCE:
        raise UserError(f"samples cannot be compared by {by!r}; give image or text")
    stage = EmbedStage(source, model, encoder_digest(_encoder(model)), by, part_size)
    folder = source.annotations / f"embeddings-{by}-{stage.weights}"
    tally = run_stage(stage, RowBlocks(source, by, part_size), folder, workforce or gpu_workforce())["tally"]
    return _read(folder, tally["embedded"])


@dataclass(frozen=True)
class EmbedStage:
    """A stage of the data engine: rows or captions of a source → ``{"key", "embedding"}`` or ``{"key", "broken"}``.

    Attributes:
        source: the samples.
        model: folder or hub name of a checkpoint.
        weights: digest of the model.
        by: "image" or "text".
        part_size: items in a part.
    """

    name: ClassVar[str] = "embeddings"

    source: Source
    model: str
    weights: str
    by: str
    part_size: int = 2048

    @property
    def gpus(self) -> int:
        """How many GPUs a worker wants: one where there is any."""
        import torch

        return min(1, torch.cuda.device_count())

    @property
    def settings(self) -> dict[str, Any]:
        """All that the embeddings depend on: the digest of the model, wherever it lies, and what is embedded."""
        return {"weights": self.weights, "by": self.by}

    def open(self) -> Callable[[list[Item]], Made]:
        """Load the model onto the device of this worker."""
        import torch

        from rebind.negatives.diffusion import worker_device

        encoder = _encoder(self.model).to(worker_device())
        find = self._embed_images if self.by == "image" else self._embed_captions

        def embed(items: list[Item]) -> Made:
            with torch.inference_mode():
                rows = find(encoder, items)
            broken = sum("broken" in row for row in rows)
            return Made(rows, {"embedded": len(rows) - broken, "broken": broken})

        return embed

    def _embed_captions(self, encoder: DualEncoder, items: list[Item]) -> list[dict[str, Any]]:
        vectors = []
        for start in range(0, len(items), _AT_ONCE["text"]):
            captions = [item["caption"] for item in items[start : start + _AT_ONCE["text"]]]
            vectors += list(encoder.encode_text(encoder.texts(captions)))
        return [_record(item, vector) for item, vector in zip(items, vectors, strict=True)]

    def _embed_images(self, encoder: DualEncoder, items: list[Item]) -> list[dict[str, Any]]:
        import torch

        def ready(item: Item) -> dict[str, Tensor] | str:
            try:
                return encoder.images([decode_image(self.source.image(item["row"]))])
            except BrokenImageError as error:
                return str(error)

        records: list[dict[str, Any]] = []
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            decoded = pool.map(ready, items)  # ahead of the encoder
            for start in range(0, len(items), _AT_ONCE["image"]):
                block = items[start : start + _AT_ONCE["image"]]
                inputs = [next(decoded) for _ in block]
                whole = [each for each in inputs if not isinstance(each, str)]
                vectors = iter(())
                if whole:
                    stacked = {name: torch.cat([each[name] for each in whole]) for name in whole[0]}
                    vectors = iter(encoder.encode_image(stacked)[0])
                records += [
                    {"key": item["key"], "broken": each} if isinstance(each, str) else _record(item, next(vectors))
                    for item, each in zip(block, inputs, strict=True)
                ]
        return records


@dataclass(frozen=True)
class RowBlocks:
    """Samples of a source as ``{"key", "row"}``, or ``{"key", "caption"}`` when captions are to be embedded."""

    source: Source
    by: str
    size: int

    def __len__(self) -> int:
        return -(-len(self.source) // self.size)

    def __getitem__(self, number: int) -> list[Item]:
        rows = range(number * self.size, min((number + 1) * self.size, len(self.source)))
        if self.by == "image":
            return [{"key": self.source.keys[row], "row": row} for row in rows]
        return [{"key": self.source.keys[row], "caption": self.source.captions(row)[0]} for row in rows]

    @property
    def items(self) -> int:
        """How many samples there are."""
        return len(self.source)


def _read(folder: Path, count: int) -> Embedded:
    """What the finished parts hold, one after the other."""
    rows, broken = np.empty(count, dtype=np.int64), []
    vectors = np.empty((0, 0), np.float32)
    parts, row, at = PartBlocks.of(folder), 0, 0
    for number in range(len(parts)):
        for record in parts[number]:
            if "broken" in record:
                broken.append(BrokenSample(record["key"], record["broken"]))
            else:
                vector = np.frombuffer(b64decode(record["embedding"]), dtype="<f4")
                if at == 0:
                    vectors = _map_nameless(folder, (count, len(vector)))
                rows[at], vectors[at] = row, vector
                at += 1
            row += 1
    return Embedded(rows, vectors, tuple(broken), folder)


def gpu_workforce() -> Workforce:
    """One worker for each GPU of this machine, or a single one, which then uses all its cores."""
    import torch

    return Workforce(jobs=max(1, torch.cuda.device_count()))


def encoder_digest(encoder: DualEncoder) -> str:
    """16 hex digits that follow from the weights of a model and from how it wants images and texts."""
    from rebind.models.description import settings_digest

    return settings_digest(encoder.describe())


def _encoder(model: str) -> DualEncoder:
    from rebind.models import DualEncoder

    return DualEncoder.from_pretrained(model).eval()


def _record(item: Item, vector: Tensor) -> dict[str, Any]:
    return {"key": item["key"], "embedding": b64encode(vector.cpu().numpy().astype("<f4").tobytes()).decode()}


def _map_nameless(folder: Path, shape: tuple[int, int]) -> np.ndarray:
    with tempfile.TemporaryFile(dir=folder) as file:
        return np.memmap(file, np.float32, "w+", shape=shape)
