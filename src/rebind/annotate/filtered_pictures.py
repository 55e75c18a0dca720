"""Pictures of negatives that another model agrees with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rebind.engine import Item, Made, Stage
from rebind.types import UserError

_AT_ONCE = 64  # pictures judged


@dataclass(frozen=True)
class FilteredPictures:
    """A stage that makes pictures as another one does, and keeps those that an image-text model judges right.

    A picture stays when the model finds it nearer to its negative caption than to the ``original`` one, which the
    items must name; the others are counted by what is wrong with them.

    Attributes:
        stage: makes the pictures.
        model: folder or hub name of the model that judges.
        margin: by how much the cosine with the negative caption must exceed that with the original.
        minimum: least cosine with the negative caption; any will do if None.

    Raises:
        UserError: when margin or minimum are no cosines.
    """

    stage: Stage
    model: str
    margin: float = 0.0
    minimum: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.margin < 2:
            raise UserError(f"pictures: the margin is a difference of cosines, from 0 to 2, not {self.margin}")
        if self.minimum is not None and not -1 <= self.minimum <= 1:
            raise UserError(f"pictures: the minimum is a cosine, from -1 to 1, not {self.minimum}")

    @property
    def name(self) -> str:
        """That of the stage that makes the pictures."""
        return self.stage.name

    @property
    def part_size(self) -> int:
        """That of the stage that makes the pictures."""
        return self.stage.part_size

    @property
    def gpus(self) -> int:
        """How many GPUs a worker wants: one where there is any."""
        import torch

        return min(1, torch.cuda.device_count())

    @property
    def settings(self) -> dict[str, Any]:
        """All that the pictures depend on."""
        judge = {"model": self.model, "margin": self.margin, "minimum": self.minimum}
        return {**self.stage.settings, "filter": judge}

    def open(self) -> Callable[[list[Item]], Made]:
        """Load the model that judges, beside what makes the pictures.

        Raises:
            UserError: as the other stage; when the model cannot be loaded.
        """
        from rebind.data.images import decode_image
        from rebind.models import DualEncoder
        from rebind.models.picture_filter import PictureFilter
        from rebind.negatives.diffusion import worker_device

        make = self.stage.open()
        encoder = DualEncoder.from_pretrained(self.model).to(worker_device())
        judge = PictureFilter(encoder, self.margin, self.minimum)

        def filtered(items: list[Item]) -> Made:
            originals = {item["key"]: item["original"] for item in items}
            made = make(items)
            rows, tally = [], Counter(made.tally)
            for start in range(0, len(made.rows), _AT_ONCE):
                block = made.rows[start : start + _AT_ONCE]
                pictures = [decode_image(row["image"]) for row in block]
                captions = [row["caption"] for row in block]
                for row, verdict in zip(
                    block, judge(pictures, captions, [originals[row["key"]] for row in block]), strict=True
                ):
                    if verdict.fault:
                        tally["pictures"] -= 1
                        tally[f"left out: {verdict.fault}"] += 1
                    else:
                        rows.append(row)
            return Made(rows, dict(+tally))

        return filtered
