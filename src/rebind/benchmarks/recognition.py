"""Recognition: ImageNet and its kin, and any folder of class folders."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from rebind.benchmarks.class_names import PLAIN_TEMPLATE, check_imagenet_names, class_prompts, label_order
from rebind.benchmarks.files import image_file
from rebind.benchmarks.kinds import BenchmarkKind
from rebind.benchmarks.zero_shot import ZeroShotBenchmark
from rebind.types import UserError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
CLASSES_1K, CLASSES_200 = 1000, 200


def read_class_folders(
    images: Path,
    classes: Path | None = None,
    templates: Path | None = None,
    *,
    name: str = "image_folder",
    count: int | None = None,
) -> ZeroShotBenchmark:
    """Read a folder with a folder of images for each class; the classes are those that have one.

    Args:
        images: the folder. Files beside the class folders are left alone.
        classes: names of the classes, see :func:`rebind.benchmarks.class_names.class_prompts`; without, the folders'.
        templates: of the prompts; without, ``a photo of a {}.``
        name: benchmark name of the scores.
        count: how many classes there must be, for a member of the ImageNet family: names and templates that are not
            given are then looked for in open_clip_torch.

    Raises:
        UserError: naming the folder that is missing or empty, the count that is wrong, or what is wrong with names.
    """
    try:
        folders = [each for each in images.iterdir() if each.is_dir() and not each.name.startswith(".")]
        found = {folder.name: sorted(filter(_is_image, folder.iterdir())) for folder in folders}
    except OSError as error:
        raise UserError(f"cannot read {error.filename or images}: {error.strerror}") from error
    for label, pictures in found.items():
        if not pictures:
            raise UserError(f"{images / label} holds no images; every folder in {images} is taken for a class")
    return classification(name, found, images, (classes, templates), count)


def read_imagenet(
    images: Path, classes: Path | None = None, templates: Path | None = None, labels: Path | None = None
) -> ZeroShotBenchmark:
    """Read ImageNet-1k's validation set, 50,000 images: sorted into synset folders, or all in one as it is shipped.

    Args:
        images: the folder ``val``.
        classes: names of the synsets, see :func:`rebind.benchmarks.class_names.class_prompts`.
        templates: of the prompts, one a line.
        labels: used when images are not in synset folders: ``LOC_val_solution.csv`` (ILSVRC as Kaggle has it), or
            the folder ``data`` of the official development kit.

    Raises:
        UserError: naming what is missing or wrong.

    Source: Russakovsky et al., arXiv 1409.0575; names and templates as in CLIP, arXiv 2103.00020.
    """
    if not any(map(_is_image, images.iterdir() if images.is_dir() else ())):
        return read_class_folders(images, classes, templates, name="imagenet", count=CLASSES_1K)
    if labels is None:
        raise UserError(
            f"the images of {images} are not in synset folders; give their classes as `labels`: LOC_val_solution.csv "
            "or the folder data of the development kit"
        )
    found: dict[str, list[Path]] = {}
    for file, synset in _read_kit(labels) if labels.is_dir() else _read_solution(labels):
        found.setdefault(synset, []).append(image_file(images, file, str(labels)))
    return classification("imagenet", found, labels, (classes, templates), CLASSES_1K)


def classification(
    name: str, found: dict[str, list[Any]], origin: Path, named: tuple[Path | None, Path | None], count: int | None
) -> ZeroShotBenchmark:
    """Make a benchmark of the pictures of each class.

    Args:
        name: benchmark name of the scores.
        found: label → pictures.
        origin: what it was read from, for sentences.
        named: files of class names and of templates; see :func:`rebind.benchmarks.class_names.class_prompts`.
        count: how many classes there must be, for a member of the ImageNet family.

    Raises:
        UserError: when there are not as many classes, or what is wrong with names.
    """
    labels = sorted(found, key=label_order)
    if len(labels) < 2 or (count and len(labels) != count):
        raise UserError(f"{origin} has {len(labels)} classes, where {name} has {count or 'two or more'}")
    prompts = class_prompts(labels, *named, imagenet=count is not None)
    images = [picture for label in labels for picture in found[label]]
    owners = [label for label in labels for _ in found[label]]
    return ZeroShotBenchmark(name, images, owners, prompts)


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES


def _read_solution(file: Path) -> Iterable[tuple[str, str]]:
    """File name and synset of each row of ``LOC_val_solution.csv``: ``ILSVRC2012_val_00048981,n03995372 85 1 …``."""
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines))
        return [(f"{row['ImageId']}.JPEG", row["PredictionString"].split()[0]) for row in rows]
    except (OSError, ValueError, KeyError, IndexError, AttributeError, csv.Error) as error:
        raise UserError(f"{file} is no LOC_val_solution.csv with the columns ImageId and PredictionString") from error


def _read_kit(folder: Path) -> Iterable[tuple[str, str]]:
    """File name and synset of each validation image, from the folder ``data`` of the development kit."""
    from scipy.io import loadmat

    truth, meta = folder / "ILSVRC2012_validation_ground_truth.txt", folder / "meta.mat"
    try:
        rows = loadmat(meta, squeeze_me=True)["synsets"]
        synsets = dict(zip(rows["ILSVRC2012_ID"].tolist(), rows["WNID"].tolist(), strict=True))
        numbers = truth.read_text(encoding="utf-8").split()
        return [
            (f"ILSVRC2012_val_{i:08d}.JPEG", str(synsets[int(number)])) for i, number in enumerate(numbers, start=1)
        ]
    except Exception as error:  # scipy raises nearly anything on another file
        raise UserError(
            f"{folder} is not the folder data of ILSVRC2012's development kit: {truth.name} or {meta.name} is missing "
            "or not as it is there"
        ) from error


_CLASSES = "file of class names (else open_clip_torch is looked into)"
_TEMPLATES = "file of prompt templates (else open_clip_torch is looked into)"


def _imagenet(name: str, measures: str, folder: str, source: str, count: int, items: int) -> BenchmarkKind:
    return BenchmarkKind(
        measures,
        {"images": f"folder {folder} of class folders", "classes": _CLASSES, "templates": _TEMPLATES},
        partial(read_class_folders, name=name, count=count),
        source,
        {"images": f"{name}/{folder}", "classes": "imagenet/classes.json", "templates": "imagenet/templates.txt"},
        items,
        check=check_imagenet_names,
    )


# `classes`, `templates` and `labels` may be left out: `build` has a default for them.
KINDS: dict[str, BenchmarkKind] = {
    "imagenet": BenchmarkKind(
        "naming what a photo shows, among 1,000 classes (ImageNet-1k's validation set)",
        {
            "images": "folder val of ImageNet-1k, of synset folders or of all images",
            "classes": _CLASSES,
            "templates": _TEMPLATES,
            "labels": "LOC_val_solution.csv or the folder data of the development kit, if there are no synset folders",
        },
        read_imagenet,
        "image-net.org, or the competition imagenet-object-localization-challenge on Kaggle",
        {
            "images": "imagenet/val",
            "classes": "imagenet/classes.json",
            "templates": "imagenet/templates.txt",
            "labels": "imagenet/LOC_val_solution.csv",
        },
        50_000,
        check=check_imagenet_names,
    ),
    "imagenet_v2": _imagenet(
        "imagenet_v2",
        "the same on photos collected anew (ImageNet-V2, matched frequency)",
        "imagenetv2-matched-frequency-format-val",
        "huggingface.co/datasets/vaishaal/ImageNetV2",
        CLASSES_1K,
        10_000,
    ),
    "imagenet_a": _imagenet(
        "imagenet_a",
        "the same on photos of 200 of the classes that mislead a ResNet-50",
        "imagenet-a",
        "github.com/hendrycks/natural-adv-examples",
        CLASSES_200,
        7_500,
    ),
    "imagenet_r": _imagenet(
        "imagenet_r",
        "the same on paintings, toys, sketches … of 200 of the classes",
        "imagenet-r",
        "github.com/hendrycks/imagenet-r",
        CLASSES_200,
        30_000,
    ),
    "imagenet_sketch": _imagenet(
        "imagenet_sketch",
        "the same on black-and-white sketches",
        "sketch",
        "github.com/HaohanWang/ImageNet-Sketch",
        CLASSES_1K,
        50_889,
    ),
    "image_folder": BenchmarkKind(
        "naming the class of an image, for your own folders of images, one a class",
        {
            "images": "folder of class folders",
            "classes": "file of class names (else the folders' names)",
            "templates": f"file of prompt templates (else: {PLAIN_TEMPLATE})",
        },
        read_class_folders,
    ),
}
