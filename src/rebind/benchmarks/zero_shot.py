"""Zero-shot classification with prompt ensembles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rebind.benchmarks.contract import Picture, mean_score, readable_rows
from rebind.benchmarks.files import image_file, read_json, read_json_lines, text_field
from rebind.metrics import class_embeddings, top1_outcomes
from rebind.types import Score, UserError


@dataclass(frozen=True)
class ZeroShotBenchmark:
    """Share of images whose labelled class is strictly the most similar, a class being the mean of its prompts.

    Attributes:
        name: benchmark name of the scores.
        images: n image files.
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
        labels = np.array([number[label] for label in self.labels])
        outcomes = top1_outcomes(images[readable], classes, labels[readable])
        return [mean_score(self.name, self.split, "top1", outcomes), *coverage]


def read_zero_shot(folder: Path, name: str = "zero_shot", split: str = "zero_shot") -> ZeroShotBenchmark:
    """Read a folder of ``classes.json`` (``[{"name", "prompts": […]}]``) and ``labels.jsonl`` (``{"image", "label"}``).

    Image paths are relative to the folder; labels are class names.

    Raises:
        UserError: naming file, row and field when something is missing or a label is no class.
    """
    prompts = _read_classes(folder / "classes.json")
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


def _read_classes(path: Path) -> dict[str, list[str]]:
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
