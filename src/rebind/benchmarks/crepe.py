"""CREPE, productivity: captions of growing length against five hard negatives, on rectangles of Visual Genome."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from rebind.benchmarks.contract import Crop
from rebind.benchmarks.files import text_field
from rebind.benchmarks.foil_lists import Fields, ask, read_rows
from rebind.benchmarks.kinds import BenchmarkKind
from rebind.benchmarks.questions import Question, QuestionBenchmark
from rebind.benchmarks.visual_genome import crop_of, visual_genome_image
from rebind.types import UserError

NEGATIVES = ("atom", "swap", "negate")
COMPLEXITIES = range(4, 13)
FIELDS = Fields("caption", ("hard_negs",))
BOX = ("x", "y", "width", "height")


def read_crepe(annotations: Path, images: Path) -> QuestionBenchmark:
    """Read ``TYPE/prod_vg_hard_negs_TYPE_complexity_N.csv`` for the types atom, swap and negate, and N from 4 to 12.

    A split is a type and complexity, such as ``atom_4``; ``accuracy`` is the paper's recall at 1 among the caption and
    its negatives. The official code ranks with a sort that promises nothing for ties; here a tie is wrong. The
    systematicity files are not read: they are for models trained on CC12M, YFCC15M or LAION-400M alone.

    Args:
        annotations: the folder ``prod_hard_negatives``.
        images: folder of the Visual Genome images.

    Raises:
        UserError: naming file, line and field when something is missing.

    Source: CREPE (arXiv 2212.07796), https://github.com/RAIVNLab/CREPE.
    """
    questions: list[Question] = []
    for negatives in NEGATIVES:
        for complexity in COMPLEXITIES:
            path = annotations / negatives / f"prod_vg_hard_negs_{negatives}_complexity_{complexity}.csv"
            if not path.is_file():
                raise UserError(f"{path} is missing; it is in the folder prod_hard_negatives of CREPE's data")
            rows = [(where, {**row, "hard_negs": _foils(row, where)}) for where, row in read_rows(path)]
            questions += ask(rows, FIELDS, partial(_picture, images), f"{negatives}_{complexity}")
    return QuestionBenchmark("crepe", questions)


def _foils(row: Mapping[str, Any], where: str) -> list[str]:
    """The negatives, which the file holds as a Python list in one cell."""
    try:
        return list(ast.literal_eval(text_field(row, "hard_negs", where)))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise UserError(f'{where}: the field "hard_negs" must be a list of texts, as Python writes it') from None


def _picture(images: Path, where: str, row: Mapping[str, Any]) -> Crop:
    path = visual_genome_image(images, f"{text_field(row, 'image_id', where)}.jpg", where)
    return crop_of(path, row, BOX, where)


KINDS = {
    "crepe": BenchmarkKind(
        "finding the caption among hard negatives as captions grow longer (productivity)",
        {
            "annotations": "folder prod_hard_negatives of CREPE, with atom/, swap/ and negate/",
            "images": "folder of the Visual Genome images",
        },
        lambda annotations, images: read_crepe(annotations, images),
        "https://github.com/RAIVNLab/CREPE, and the images, https://homes.cs.washington.edu/~ranjay/visualgenome",
        {"annotations": "crepe/prod_hard_negatives", "images": "visual_genome/images"},
    )
}
