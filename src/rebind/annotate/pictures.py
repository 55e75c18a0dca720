"""Pictures of the hard negative captions of a whole source."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from rebind.annotate.filtered_pictures import FilteredPictures
from rebind.data import open_source
from rebind.data.annotation_files import NEGATIVE_IMAGES, negative_picture_key
from rebind.data.annotations import AnnotatedSource, with_negatives
from rebind.engine import Item, Stage, Workforce, run_stage
from rebind.types import UserError

BACKENDS = ("diffusion", "world")


@dataclass(frozen=True)
class PictureSummary:
    """What was written: where, how many pictures, and what was counted on the way."""

    place: Path
    pictures: int
    tally: dict[str, int]


@dataclass(frozen=True)
class NegativeBlocks:
    """Every distinct negative caption of every sample as ``{"key", "caption", "original", "of"}``.

    Attributes:
        source: with its negatives.
        places: (n, 2) int64, row of the sample and number of the negative.
        size: items in a block.
    """

    source: AnnotatedSource
    places: np.ndarray
    size: int

    @classmethod
    def of(cls, source: AnnotatedSource, size: int) -> NegativeBlocks:
        """Look the negatives through; one that comes twice for a sample is drawn once."""
        places: list[tuple[int, int]] = []
        for row in range(len(source)):
            captions = [negative.caption for negative in source.negatives(row, with_images=False)]
            places += [(row, captions.index(caption)) for caption in dict.fromkeys(captions)]
        return cls(source, np.array(places, dtype=np.int64).reshape(-1, 2), size)

    def __len__(self) -> int:
        return -(-len(self.places) // self.size)

    def __getitem__(self, number: int) -> list[Item]:
        places = self.places[number * self.size : (number + 1) * self.size].tolist()
        return [self._item(row, negative) for row, negative in places]

    @property
    def items(self) -> int:
        """How many pictures are wanted."""
        return len(self.places)

    def _item(self, row: int, number: int) -> Item:
        key = self.source.keys[row]
        caption = self.source.negatives(row, with_images=False)[number].caption
        original = self.source.originals(row)[number]
        return {"key": negative_picture_key(key, caption), "caption": caption, "original": original, "of": key}


def annotate_pictures(
    data: str | Path,
    backend: str = "diffusion",
    families: Iterable[str] | None = None,
    filter_by: dict[str, Any] | None = None,
    workforce: Workforce | None = None,
    **settings: Any,
) -> PictureSummary:
    """Draw a picture for every hard negative caption, as shards in ``annotations/negative_images``.

    Args:
        data: anything that ``rebind.data.open_source`` opens, with the annotation ``negatives``.
        backend: ``diffusion`` for any text-to-image pipeline of diffusers, ``world`` for captions of the built-in
            world.
        families: negatives of these only; all when None.
        filter_by: keep pictures that a model finds right only: ``model``, perhaps ``margin`` and ``minimum``; see
            :class:`rebind.annotate.filtered_pictures.FilteredPictures`.
        workforce: who draws; one worker for each GPU, or one, when None and the backend is ``diffusion``.
        settings: of :class:`rebind.negatives.diffusion.DiffusionPictures`, whose ``model`` may also be a preset, or of
            :class:`rebind.world.pictures.WorldPictures`.

    Raises:
        UserError: when there are no negatives, a setting is wrong, or the pictures were made otherwise or cannot be
            written.
    """
    source = with_negatives(open_source(data), families)
    stage = _stage(backend, source, settings)
    if filter_by is not None:
        stage = FilteredPictures(stage, **filter_by)
    folder = source.annotations / NEGATIVE_IMAGES
    blocks = NegativeBlocks.of(source, stage.part_size)
    report = run_stage(stage, blocks, folder, workforce or _workforce(backend), extension="tar")
    return PictureSummary(folder, report["rows"], report["tally"])


def _stage(backend: str, source: AnnotatedSource, settings: dict[str, Any]) -> Stage:
    if backend == "world":
        from rebind.world.pictures import WorldPictures

        _require_known(backend, settings, WorldPictures)
        return WorldPictures(data=str(source.root), **settings)
    if backend != "diffusion":
        raise UserError(f"unknown backend {backend!r} of pictures; choose one of {', '.join(BACKENDS)}")
    from rebind.negatives.diffusion import PRESETS, DiffusionPictures

    _require_known(backend, settings, DiffusionPictures)
    if "model" not in settings:
        known = ", ".join(PRESETS)
        raise UserError(f"the backend diffusion needs a model: --model with a preset ({known}), a folder or a hub name")
    return DiffusionPictures.of(settings["model"], **{name: settings[name] for name in settings.keys() - {"model"}})


def _workforce(backend: str) -> Workforce:
    from rebind.annotate.embeddings import gpu_workforce

    return gpu_workforce() if backend == "diffusion" else Workforce()


def _require_known(backend: str, settings: dict[str, Any], stage: Any) -> None:
    known = {each.name for each in fields(stage) if each.init} - {"name", "part_size", "data"}
    if unknown := sorted(settings.keys() - known):
        raise UserError(
            f"unknown setting {unknown[0]!r} of backend {backend!r}; the known ones are: {', '.join(sorted(known))}"
        )
