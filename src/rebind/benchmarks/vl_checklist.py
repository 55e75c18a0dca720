"""VL-CheckList: objects, attributes and relations replaced, on images of Visual Genome, SWiG and HAKE."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rebind.benchmarks.files import read_json
from rebind.benchmarks.foil_lists import Fields, Row, ask, pictures_in
from rebind.benchmarks.kinds import BenchmarkKind
from rebind.benchmarks.questions import Question, QuestionBenchmark
from rebind.types import UserError

KINDS_OF_FOILS = ("Attribute", "Object", "Relation")
IMAGES = {"hake": "hake", "swig": "swig", "vaw": "vg", "vg": "vg"}  # how a file's path begins -> folder of its images


def read_vl_checklist(annotations: Path, images: Path) -> QuestionBenchmark:
    """Read all files of the official folder ``data``, ``[[IMAGE, {"POS": [caption], "NEG": [foil]}], …]`` each.

    A split is a file, such as ``Relation/vg/spatial``; the score is the official accuracy by contrast (``itc``), in
    which a tie is wrong. The official code takes the first 1,000 items of a file unless told otherwise; here all count.

    Args:
        annotations: the folder, with ``Attribute/``, ``Object/`` and ``Relation/``.
        images: the folder that holds ``vg/``, ``swig/`` and ``hake/`` as the official instructions lay them out.

    Raises:
        UserError: naming file and item when something is missing.

    Source: VL-CheckList (arXiv 2207.00221), https://github.com/om-ai-lab/VL-CheckList.
    """
    files = sorted(path for kind in KINDS_OF_FOILS for path in (annotations / kind).rglob("*.json"))
    if not files:
        raise UserError(
            f"{annotations} holds no .json file in {', '.join(KINDS_OF_FOILS)}; expected that of VL-CheckList"
        )
    questions: list[Question] = []
    for path in files:
        split = path.relative_to(annotations).with_suffix("").as_posix()
        pictures = pictures_in(images / _folder(path, split), "image")
        questions += ask(_rows(path), Fields("POS", ("NEG",)), pictures, split)
    return QuestionBenchmark("vl_checklist", questions)


def _folder(path: Path, split: str) -> str:
    for part in split.split("/")[1:]:
        for start, folder in IMAGES.items():
            if part.startswith(start):
                return folder
    raise UserError(f"{path}: its name does not say where its images are from; expected one of {', '.join(IMAGES)}")


def _rows(path: Path) -> Iterator[Row]:
    items = read_json(path)
    if not isinstance(items, list) or not items:
        raise UserError(f'{path} must hold a JSON list of items, [image, {{"POS": [caption], "NEG": [foil]}}] each')
    for number, item in enumerate(items):
        where = f"{path}, item {number}"
        if not isinstance(item, list) or len(item) != 2 or not isinstance(item[1], dict):
            raise UserError(f'{where}: expected [image, {{"POS": [caption], "NEG": [foil]}}]')
        yield where, {"image": item[0], **{name: _first(item[1], name, where) for name in ("POS", "NEG")}}


def _first(texts: dict[str, Any], name: str, where: str) -> Any:
    value = texts.get(name)
    if not isinstance(value, list) or not value:
        raise UserError(f'{where}: "{name}" must be a list of one text or more')
    return value[0]  # the only one that the official code looks at


KINDS = {
    "vl_checklist": BenchmarkKind(
        "objects, attributes and relations replaced, by caption against foil",
        {
            "annotations": "folder data of VL-CheckList, with Attribute/, Object/ and Relation/",
            "images": "folder that holds vg/, swig/ and hake/",
        },
        lambda annotations, images: read_vl_checklist(annotations, images),
        "https://github.com/om-ai-lab/VL-CheckList (data/, and DATASETS.md for the images)",
        {"annotations": "vl_checklist/data", "images": "vl_checklist/images"},
    )
}
