"""The world on disk: two sources of captioned images and a test folder, as ``rebind world`` writes them.

::

    OUT/world.json             what was written, with which settings
    OUT/pretrain, OUT/train    captioned images: a folder with captions.jsonl, or WebDataset shards
    OUT/train/annotations      hard negatives: negatives.jsonl, and negative_images in the format of the part
    OUT/test/scenes            captioned images with unique captions, for foils and retrieval
    OUT/test/held_out          scenes with a shape-colour conjunction that no other part shows
    OUT/test/foils/*.json      SugarCrepe's format; file names relative to OUT/test
    OUT/test/zero_shot         single objects of the tuning vocabulary: images, labels.jsonl, classes.json
    OUT/test/retention         single objects whose shape or colour only pre-training shows: the same files
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from PIL import Image

from rebind.data.writing import CaptionedBytes, write_folder_source, write_shards
from rebind.storage import atomic_path, write_json, write_text
from rebind.types import UserError
from rebind.world.foils import FAMILIES, make_foils, make_negatives
from rebind.world.render import PICTURE_SIZE, render
from rebind.world.scenes import (
    GRID,
    JITTER,
    MOST_OBJECTS,
    PRETRAINING,
    SHARE_WITHOUT_COLOUR,
    SIZES,
    TEST,
    TUNING,
    Scenes,
    describe_all,
    held_out_conjunctions,
    leave_unsaid,
    sample_scenes,
)
from rebind.world.vocabulary import ALL_COLOURS, ALL_SHAPES, COLOURS, SHAPES, noun_phrase

Format = Literal["folder", "shards"]
SAMPLES_PER_SHARD = 5_000
NEGATIVES = ("replace_att", "replace_obj")  # families that the benchmark's swaps do not share
_CHUNK = 1_000  # scenes rendered at once


@dataclass(frozen=True)
class WorldSettings:
    """How large a world, and which.

    Attributes:
        train: tuning scenes (two or three objects).
        test: test scenes; foils, retrieval and zero-shot have about as many items.
        pretrain: pre-training scenes (one to three objects, all shapes and colours); as many as ``train`` if None.
        seed: everything in the world follows from it.
        picture_size: pixels a side, a multiple of 3.
        format: of the two training sources, ``folder`` or ``shards``.
        negatives: families of foils; each gives every tuning scene that it fits a hard negative with a picture.
    """

    train: int = 20_000
    test: int = 1_000
    pretrain: int | None = None
    seed: int = 0
    picture_size: int = PICTURE_SIZE
    format: Format = "folder"
    negatives: tuple[str, ...] = NEGATIVES

    def __post_init__(self) -> None:
        for name in ("train", "test", "pretrain"):
            count = getattr(self, name)
            if count is not None and count < 1:
                raise UserError(f"world: {name} must be at least 1, not {count}")
        if self.seed < 0:
            raise UserError(f"world: seed must be at least 0, not {self.seed}")
        if self.picture_size < 24 or self.picture_size % GRID:
            raise UserError(f"world: picture_size must be a multiple of {GRID} from 24 on, not {self.picture_size}")
        if self.format not in get_args(Format):
            raise UserError(f"world: format must be folder or shards, not {self.format!r}")
        if unknown := [family for family in self.negatives if family not in FAMILIES]:
            raise UserError(f"world: negatives must be among {', '.join(FAMILIES)}, not {unknown[0]!r}")
        if len(set(self.negatives)) < len(self.negatives):
            raise UserError(f"world: negatives must differ from each other, not {', '.join(self.negatives)}")


def write_world(out: Path, settings: WorldSettings) -> None:
    """Write the whole world into ``out``; the folder appears when it is complete.

    Raises:
        UserError: when ``out`` holds something, or the disk is full.
    """
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise UserError(f"{out} exists already; choose another folder or remove it")
    seed, held_out = settings.seed, held_out_conjunctions(settings.seed)
    with atomic_path(out, folder=True) as folder:
        for name, part, count, number in (
            ("pretrain", PRETRAINING, settings.pretrain or settings.train, 2),
            ("train", TUNING, settings.train, 3),
        ):
            scenes = sample_scenes(part, count, held_out, (seed, number))
            scenes = leave_unsaid(scenes, SHARE_WITHOUT_COLOUR, (seed, number, 1))
            _write_source(folder / name, _samples(scenes, settings.picture_size), settings.format)
        _write_negatives(folder / "train" / "annotations", scenes, settings, held_out)
        _write_foils(folder / "test", settings, held_out)
        _write_single_objects(folder / "test", settings, held_out)
        write_json(folder / "world.json", {**asdict(settings), "held_out": _names(held_out)})


def read_world_settings(folder: Path) -> WorldSettings:
    """The settings that a world was written with.

    Raises:
        UserError: when ``folder`` is no world.
    """
    try:
        written = json.loads((folder / "world.json").read_text(encoding="utf-8"))
        written["negatives"] = tuple(written.get("negatives", ()))  # older worlds have none
        return WorldSettings(**{name: written[name] for name in WorldSettings.__dataclass_fields__})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise UserError(f"{folder} is not a world; write one with `rebind world --out DIR`") from None


def _write_source(out: Path, samples: Iterable[CaptionedBytes], format: Format) -> None:
    if format == "shards":
        write_shards(out, samples, SAMPLES_PER_SHARD)
    else:
        write_folder_source(out, samples)


def _samples(scenes: Scenes, size: int, keys: Sequence[str] | None = None) -> Iterator[CaptionedBytes]:
    captions = describe_all(scenes)
    for start in range(0, len(scenes), _CHUNK):
        pictures = render(scenes[slice(start, start + _CHUNK)], size)
        for number, picture in enumerate(pictures, start):
            yield _key(number) if keys is None else keys[number], png(picture), captions[number]


def _key(number: int) -> str:
    return f"{number:06d}"


def png(picture: np.ndarray) -> bytes:
    """A (H, W, 3) uint8 picture as PNG."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "png", compress_level=1)
    return file.getvalue()


def _write_negatives(annotations: Path, scenes: Scenes, settings: WorldSettings, held_out: np.ndarray) -> None:
    """``negatives.jsonl`` and the pictures that it names, in the annotation folder of the scenes' part."""
    negatives: list[list[dict[str, str]]] = [[] for _ in range(len(scenes))]
    samples: list[Iterator[CaptionedBytes]] = []
    for family in settings.negatives:
        seed = (settings.seed, 8, list(FAMILIES).index(family))
        rows, edited = make_negatives(scenes, family, seed, held_out)
        keys = [f"{_key(row)}-{family}" for row in rows]
        for row, key, caption in zip(rows.tolist(), keys, describe_all(edited), strict=True):
            negatives[row].append({"caption": caption, "family": family, "image": key})
        samples.append(_samples(edited, settings.picture_size, keys))
    if any(negatives):  # the only scene of a tiny world may fit none
        _write_source(annotations / "negative_images", chain.from_iterable(samples), settings.format)
        rows_of_file = [{"key": _key(row), "negatives": each} for row, each in enumerate(negatives)]
        write_text(annotations / "negatives.jsonl", "".join(f"{json.dumps(row)}\n" for row in rows_of_file))


def _write_foils(test: Path, settings: WorldSettings, held_out: np.ndarray) -> None:
    """``scenes``, ``held_out`` and the foils about them."""
    places = [("scenes", False, 4, list(FAMILIES)), ("held_out", True, 5, ["swap_att"])]
    for name, with_held_out, number, categories in places:
        scenes = sample_scenes(TEST, 2 * settings.test, held_out, (settings.seed, number), with_held_out)
        captions = describe_all(scenes)
        scenes = scenes[np.sort(np.unique(captions, return_index=True)[1])[: settings.test]]  # retrieval needs it
        write_folder_source(test / name, _samples(scenes, settings.picture_size))
        files = [f"{name}/images/{_key(row)}.png" for row in range(len(scenes))]
        about = np.argmax(held_out[scenes.shape, scenes.colour] & scenes.present, axis=1) if with_held_out else None
        for category in categories:
            foils = make_foils(scenes, category, files, settings.seed, about, None if with_held_out else held_out)
            if foils:  # a handful of scenes may hold none that a category fits
                write_json(test / "foils" / f"{name if with_held_out else category}.json", foils)


def _write_single_objects(test: Path, settings: WorldSettings, held_out: np.ndarray) -> None:
    """``zero_shot`` and ``retention``: one object a picture, every class as often as any other."""
    familiar = np.zeros_like(held_out)
    familiar[: len(SHAPES), : len(COLOURS)] = True
    for name, chosen, number in (("zero_shot", familiar & ~held_out, 6), ("retention", ~familiar, 7)):
        shape, colour = np.nonzero(chosen)
        rng = np.random.default_rng([settings.seed, number])
        rows = np.resize(rng.permutation(len(shape)), settings.test)
        scenes = _single(shape[rows], colour[rows], rng)
        names = _names(chosen)
        folder = test / name
        (folder / "images").mkdir(parents=True)
        labels = []
        for index, (key, image, _) in enumerate(_samples(scenes, settings.picture_size)):
            (folder / "images" / f"{key}.png").write_bytes(image)
            labels.append(json.dumps({"image": f"images/{key}.png", "label": names[rows[index]]}) + "\n")
        (folder / "labels.jsonl").write_text("".join(labels), encoding="utf-8")
        classes = [{"name": each, "prompts": [noun_phrase(*each.split())]} for each in names]
        write_json(folder / "classes.json", classes)


def _single(shape: np.ndarray, colour: np.ndarray, rng: np.random.Generator) -> Scenes:
    """One object a scene."""
    count = len(shape)
    places = (count, MOST_OBJECTS)
    absent = np.full((count, MOST_OBJECTS - 1), -1)
    return Scenes(
        shape=np.column_stack([shape, absent]),
        colour=np.column_stack([colour, np.zeros_like(absent)]),
        cell=rng.integers(GRID * GRID, size=places),
        look=rng.integers(SIZES * JITTER**2, size=places),
        said=np.ones(places, dtype=bool),
        relation=np.full(count, -1),
        ground=rng.integers(1 << 16, size=count),
    )


def _class_name(shape: int, colour: int) -> str:
    return f"{list(ALL_COLOURS)[colour]} {ALL_SHAPES[shape]}"


def _names(conjunctions: np.ndarray) -> list[str]:
    return [_class_name(shape, colour) for shape, colour in np.argwhere(conjunctions)]
