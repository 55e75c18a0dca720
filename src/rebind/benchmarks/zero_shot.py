"""Zero-shot classification with prompt ensembles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rebind.benchmarks.contract import Picture, mean_score, readable_rows
from rebind.benchmarks.files import image_file, read_json, read_json_lines, text_field
from rebind.metrics import class_embeddings, class_ranks, per_class_interval, per_class_weights, recall_at
from rebind.types import Score, UserError

CUTS = (1, 5)


@dataclass(frozen=True)
class ZeroShotBenchmark:
    """``top1``: share of images whose labelled class is strictly the most similar, a class being its prompts' mean.

    ``top5`` is the share of those whose class is among the first five, where there are more than five classes. Images
    weigh alike in both; in ``top1_per_class`` and ``top5_per_class``, given where classes differ in size, those classes
    do that have an image.

    Attributes:
        name: benchmark name of the scores.
        images: n pictures.
        labels: n class names.
        prompts: the prompts of each class, by class name; at least two classes.
        split: split name of the scores.
    """

    name: str
    images: Sequence[Picture]
    labels: Sequence[str]
    prompts: dict[str, list[str]]
    split: str = "zero_shot"

    @property
    def texts(self) -> list[str]:
        """All prompts, class by class."""
        return [prompt for prompts in self.prompts.values() for prompt in prompts]

    def score(self, images: np.ndarray, texts: np.ndarray) -> list[Score]:
        """Score (n, d) image and (P, d) prompt embeddings."""
        readable, coverage = readable_rows(self.name, self.split, images)
        sizes = [len(prompts) for prompts in self.prompts.values()]
        classes = class_embeddings(texts, np.repeat(np.arange(len(sizes)), sizes))
        number = {name: i for i, name in enumerate(self.prompts)}
        labels = np.array([number[label] for label in self.labels])[readable]
        ranks = class_ranks(images[readable], classes, labels)
        scores = []
        for k in [k for k in CUTS if k < len(sizes)]:
            row = mean_score(self.name, self.split, f"top{k}", recall_at(k, ranks), chance=k / len(sizes))
            scores.append(row)
            if np.ptp(np.unique(labels, return_counts=True)[1]):  # else it is the same number
                scores.append(_per_class(row, labels))
        return scores + coverage


def _per_class(row: Score, labels: np.ndarray) -> Score:
    """The same with classes weighing alike."""
    assert row.correct is not None
    low, high = per_class_interval(row.correct, labels)
    weighted = row.correct * per_class_weights(labels)
    value = min(1.0, float(weighted.mean()))  # rounding may add up to more
    return replace(row, metric=f"{row.metric}_per_class", value=value, low=low, high=high, correct=weighted)


def read_zero_shot(folder: Path, name: str = "zero_shot", split: str = "zero_shot") -> ZeroShotBenchmark:
    """Read a folder of ``classes.json`` (``[{"name", "prompts": […]}]``) and ``labels.jsonl`` (``{"image", "label"}``).

    Image paths are relative to the folder; labels are class names.

    Raises:
        UserError: naming file, row and field when something is missing or a label is no class.
    """
    prompts = read_classes(folder / "classes.json")
    path = folder / "labels.jsonl"
    images, labels = [], []
    for number, row in enumerate(read_json_lines(path), start=1):
        where = f"{path}, row {number}"
        images.append(image_file(folder, text_field(row, "image", where), where))
        labels.append(text_field(row, "label", where))
        if labels[-1] not in prompts:
            raise UserError(f'{where}: the label "{labels[-1]}" is not the name of a class in classes.json')
    if not images:
        raise UserError(f'{path} holds no rows; expected one {{"image", "label"}} per image')
    return ZeroShotBenchmark(name, images, labels, prompts, split)


def read_classes(path: Path) -> dict[str, list[str]]:
    """The prompts of each class, by its name, of a ``classes.json``: ``[{"name", "prompts": […]}, …]``.

    Raises:
        UserError: naming file, class and field.
    """
    rows = read_json(path)
    if not isinstance(rows, list) or len(rows) < 2:
        raise UserError(f'{path} must hold a JSON list of two classes or more: [{{"name", "prompts": […]}}, …]')
    classes: dict[str, list[str]] = {}
    for number, row in enumerate(rows, start=1):
        where = f"{path}, class {number}"
        name = text_field(row, "name", where)
        prompts = row.get("prompts")
        if not isinstance(prompts, list) or not prompts or not all(isinstance(each, str) and each for each in prompts):
            raise UserError(f'{where}: "prompts" must be a list of one text or more')
        if name in classes:
            raise UserError(f'{where}: the name "{name}" is given to two classes; names must differ')
        classes[name] = prompts
    return classes
