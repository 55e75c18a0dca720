"""VALSE: captions against foils for eleven linguistic phenomena."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from rebind.benchmarks.files import image_file, text_field
from rebind.benchmarks.foil_lists import Fields, ask, read_rows
from rebind.benchmarks.kinds import BenchmarkKind
from rebind.benchmarks.questions import Question, QuestionBenchmark
from rebind.types import UserError

FIELDS = Fields("caption", ("foil",), "image_file")
LEAST_VOTES = 2  # of three annotators, who took the caption and not the foil for true

#: File -> folder of its images; those of COCO say themselves which folder they are from.
IMAGES = {
    "existence": "visual7w/images",
    "plurals": "coco/val2017",
    "counting-hard": "visual7w/images",
    "counting-small-quant": "visual7w/images",
    "counting-adversarial": "visual7w/images",
    "relations": "coco/val2017",
    "action-replacement": "swig/images_512",
    "actant-swap": "swig/images_512",
    "coreference-standard": "coco/train2014",
    "coreference-hard": "visual_dialog/VisualDialog_val2018",
    "foil-it": "coco/val2014",
}
COCO_FOLDERS = {f"COCO_{part}_": f"coco/{part}" for part in ("val2014", "train2014", "val2017", "train2017")}


def read_valse(annotations: Path, images: Path) -> QuestionBenchmark:
    """Read the eleven official files, of which only the items count that two of three annotators agreed with.

    A split is a file; the score is the paper's pairwise accuracy ``acc_r``, in which a tie is wrong. The other three
    measures of the paper ask whether one caption fits, which similarities alone do not say.

    Args:
        annotations: folder of the files, ``{ID: {"image_file", "caption", "foil", "mturk": {"caption": votes}}}``.
        images: the folder that holds ``coco/``, ``visual7w/``, ``swig/`` and ``visual_dialog/``, as in the docs.

    Raises:
        UserError: naming file, item and field when something is missing.

    Source: VALSE (arXiv 2112.07566), https://github.com/Heidelberg-NLP/VALSE.
    """
    questions: list[Question] = []
    for name, folder in IMAGES.items():
        path = annotations / f"{name}.json"
        if not path.is_file():
            raise UserError(f"{path} is missing; VALSE's eleven files are in the folder data of its repository")
        valid = [(where, row) for where, row in read_rows(path) if _votes(row, where) >= LEAST_VOTES]
        questions += ask(valid, FIELDS, partial(_image, images, folder), name)
    return QuestionBenchmark("valse", questions)


def _votes(row: Mapping[str, Any], where: str) -> int:
    votes = row.get("mturk")
    count = votes.get("caption") if isinstance(votes, Mapping) else None
    if not isinstance(count, int):
        raise UserError(f'{where}: the field "mturk" must hold the number of votes for the caption, "caption"')
    return count


def _image(images: Path, folder: str, where: str, row: Mapping[str, Any]) -> Path:
    name = text_field(row, FIELDS.image, where)
    folder = next((each for start, each in COCO_FOLDERS.items() if name.startswith(start)), folder)
    return image_file(images / folder, name, where)


KINDS = {
    "valse": BenchmarkKind(
        "existence, plurality, counting, relations, actions and coreference, by caption against foil",
        {
            "annotations": "folder of VALSE's eleven .json files",
            "images": "folder that holds coco/, visual7w/, swig/ and visual_dialog/",
        },
        lambda annotations, images: read_valse(annotations, images),
        "https://github.com/Heidelberg-NLP/VALSE (data/), and the images of COCO, Visual7W, SWiG and VisDial",
        {"annotations": "valse", "images": "."},
    )
}
