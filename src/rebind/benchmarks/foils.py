"""Caption against foil, for any files in the format of SugarCrepe."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rebind.benchmarks.contract import Picture, macro_score, mean_score, readable_rows
from rebind.benchmarks.files import image_file, read_json, text_field
from rebind.metrics import Outcomes, foil_outcomes
from rebind.types import Score, UserError

SUGARCREPE = ("swap_att", "swap_obj", "replace_att", "replace_obj", "replace_rel", "add_obj", "add_att")
CHANCE = 0.5


@dataclass(frozen=True)
class FoilItem:
    """One image, its caption, and a foil: a caption that is wrong about the image in the way of its category."""

    category: str
    image: Path
    caption: str
    foil: str


def read_foils(folder: Path, images: Path, official: Collection[str] = ()) -> list[FoilItem]:
    """Read every ``CATEGORY.json`` of a folder: ``{"0": {"filename", "caption", "negative_caption"}, …}``.

    Args:
        folder: holds one file per category, named after it.
        images: the folder that file names are relative to.
        official: the categories that must be there, and no others; any if empty.

    Returns:
        items, category by category, the seven of SugarCrepe first and in its order.

    Raises:
        UserError: naming file, item and field when something is missing, when there is no file at all, or the
            categories are not the official ones.
    """
    files = {path.stem: path for path in sorted(folder.glob("*.json"))}
    if not files:
        raise UserError(f"{folder} holds no .json file; expected one per foil category, such as swap_att.json")
    if official and (apart := sorted(files.keys() ^ set(official))):
        said = [f"{each}.json is {'unknown' if each in files else 'missing'}" for each in apart]
        raise UserError(
            f"{folder} must hold {', '.join(official)}, one .json file each, and no other: {', '.join(said)}; the "
            "benchmark `foils` takes any categories"
        )
    items = []
    for category in sorted(files, key=lambda each: (*SUGARCREPE, each).index(each)):
        rows = read_json(files[category])
        if not isinstance(rows, dict) or not rows:
            raise UserError(f'{files[category]} must hold one JSON object of items: {{"0": {{"filename", …}}, …}}')
        for key, row in rows.items():
            where = f'{files[category]}, item "{key}"'
            image = image_file(images, text_field(row, "filename", where), where)
            caption, foil = (text_field(row, field, where) for field in ("caption", "negative_caption"))
            items.append(FoilItem(category, image, caption, foil))
    return items


@dataclass(frozen=True)
class FoilBenchmark:
    """Accuracy per category, their ``macro`` average (categories weigh alike) and ``micro`` average (items do).

    Attributes:
        name: benchmark name of the scores.
        items: n ≥ 1 items; those of a category follow each other.
        apart: categories that are scored but kept out of the averages.
    """

    name: str
    items: Sequence[FoilItem]
    apart: frozenset[str] = frozenset()

    @property
    def images(self) -> list[Picture]:
        """The image of each item (n)."""
        return [item.image for item in self.items]

    @property
    def texts(self) -> list[str]:
        """The n captions, then the n foils."""
        return [item.caption for item in self.items] + [item.foil for item in self.items]

    def score(self, images: np.ndarray, texts: np.ndarray) -> list[Score]:
        """Score (n, d) image and (2n, d) text embeddings; items that share an image are resampled together."""
        return self.score_outcomes(foil_outcomes(images, *np.split(texts, 2)), images)

    def score_outcomes(self, outcomes: Outcomes, images: np.ndarray) -> list[Score]:
        """Average outcomes that were judged already; (n, …) ``images`` is NaN where there is no image."""
        categories = np.array([item.category for item in self.items])
        files = np.array([str(item.image) for item in self.items])
        scores, averaged = [], []
        for category in dict.fromkeys(categories.tolist()):
            rows = np.flatnonzero(categories == category)
            readable, coverage = readable_rows(self.name, category, images[rows])
            rows = rows[readable]
            scores += [mean_score(self.name, category, "accuracy", outcomes[rows], files[rows], CHANCE), *coverage]
            if category not in self.apart:
                averaged.append(rows)
        if not averaged:
            return scores
        rows = np.concatenate(averaged)
        micro = mean_score(self.name, "micro", "accuracy", outcomes[rows], files[rows], CHANCE)
        return [*scores, macro_score(micro, categories[rows]), micro]
