"""What'sUp: where things are; on photographs of its own, on COCO and on GQA."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from rebind.benchmarks.files import image_file, read_json, text_field
from rebind.benchmarks.foil_lists import Fields, Row, ask, pictures_in, read_rows, texts_field
from rebind.benchmarks.kinds import BenchmarkKind
from rebind.benchmarks.questions import Contest, Question, QuestionBenchmark, choose_text
from rebind.benchmarks.visual_genome import visual_genome_image
from rebind.types import UserError

#: Folder of images -> its file, and the prepositions that make a pair; both pairs make a set.
CONTROLLED = {
    "controlled_images": ("controlled_images_dataset.json", (("left", "right"), ("on", "under"))),
    "controlled_clevr": ("controlled_clevr_dataset.json", (("left", "right"), ("in-front", "behind"))),
}
SOURCE = "https://github.com/amitakamath/whatsup_vlms (it links the data)"
Key = tuple[str, str, str]  # the two things and the preposition between them


def read_whatsup(folder: Path) -> QuestionBenchmark:
    """Read the controlled images A and B: one of four captions fits each photograph of two things.

    ``accuracy`` is by photograph; ``pair_accuracy`` by two photographs of the same things in opposite places, and
    ``set_accuracy`` by four, all of which must be right. A tie is right, since the official code lists the caption
    first and takes the first of equals.

    Args:
        folder: holds ``controlled_images_dataset.json``, ``controlled_clevr_dataset.json`` and the folders
            ``controlled_images`` and ``controlled_clevr``.

    Raises:
        UserError: naming file, item and field when something is missing.

    Source: What'sUp (arXiv 2310.19785), https://github.com/amitakamath/whatsup_vlms.
    """
    questions: list[Question] = []
    for split, (name, pairs) in CONTROLLED.items():
        each = list(_controlled(_file(folder, name), folder / split, split))
        questions += [question for _, question in each]
        asked = dict(each)
        for first, second in dict.fromkeys(key[:2] for key in asked):
            sides = [[asked.get((first, second, side)) for side in pair] for pair in pairs]
            questions += [_all("pair_accuracy", pair) for pair in sides if None not in pair]
            if not any(None in pair for pair in sides):
                questions.append(_all("set_accuracy", sides[0] + sides[1]))
    return QuestionBenchmark("whatsup", questions)


def read_whatsup_pairs(name: str, annotations: Path, images: Path) -> QuestionBenchmark:
    """Read the questions on COCO or GQA, ``[[IMAGE ID, caption, foil], …]``, with one thing or two.

    A tie is right, for the reason given at :func:`read_whatsup`.

    Args:
        name: ``whatsup_coco`` or ``whatsup_gqa``.
        annotations: folder of ``coco_qa_one_obj.json`` and ``…two_obj.json``, or of ``vg_qa_one_obj.json`` and so on.
        images: folder of COCO's val2017 images or of the Visual Genome images.

    Raises:
        UserError: naming file and item when something is missing.
    """
    coco = name == "whatsup_coco"
    questions = []
    for split in ("one_obj", "two_obj"):
        path = _file(annotations, f"{'coco' if coco else 'vg'}_qa_{split}.json")
        rows = list(_triples(path, width=12 if coco else 0))
        pictures = pictures_in(images, "image") if coco else partial(_visual_genome, images)
        questions += ask(rows, Fields("caption", ("foil",)), pictures, split, first_wins=True)
    return QuestionBenchmark(name, questions)


def _visual_genome(images: Path, where: str, row: Mapping[str, Any]) -> Path:
    return visual_genome_image(images, row["image"], where)


def _controlled(path: Path, images: Path, split: str) -> Iterator[tuple[Key, Question]]:
    for where, row in read_rows(path):
        name = Path(text_field(row, "image_path", where)).name
        parts = Path(name).stem.split("_")  # beer-bottle_on_armchair, mug_left_of_plate
        if len(parts) < 3:
            raise UserError(f'{where}: the image "{name}" must be named after two things and where they are')
        captions = texts_field(row, "caption_options", where)
        question = choose_text(split, image_file(images, name, where), captions, first_wins=True)
        yield (parts[0], parts[-1], parts[1]), question


def _all(metric: str, questions: list[Any]) -> Question:
    """A question answered rightly when all of these are."""
    contests: tuple[Contest, ...] = sum((question.contests for question in questions), ())
    chance = 1.0
    for question in questions:
        chance *= question.chance
    return Question(questions[0].split, contests, chance, metric)


def _triples(path: Path, width: int) -> Iterator[Row]:
    rows = read_json(path)
    if not isinstance(rows, list) or not rows:
        raise UserError(f"{path} must hold a JSON list of items, [image id, caption, foil] each")
    for number, row in enumerate(rows):
        where = f"{path}, item {number}"
        if not isinstance(row, list) or len(row) != 3 or not isinstance(row[0], int | str):
            raise UserError(f"{where}: expected [image id, caption, foil]")
        yield where, {"image": f"{str(row[0]).zfill(width)}.jpg", "caption": row[1], "foil": row[2]}


def _file(folder: Path, name: str) -> Path:
    if not (folder / name).is_file():
        raise UserError(f"{folder / name} is missing; get it from {SOURCE}")
    return folder / name


KINDS = {
    "whatsup": BenchmarkKind(
        "where one thing is with respect to another, by four captions that differ in the preposition",
        {"data": "folder of What'sUp's controlled_*.json files and of its controlled_images/ and controlled_clevr/"},
        lambda data: read_whatsup(data),
        SOURCE,
        {"data": "whatsup"},
    ),
    "whatsup_coco": BenchmarkKind(
        "where things are in COCO's photographs, by caption against foil",
        {"annotations": "folder of What'sUp's coco_qa_*.json files", "images": "folder of COCO's val2017 images"},
        lambda annotations, images: read_whatsup_pairs("whatsup_coco", annotations, images),
        SOURCE,
        {"annotations": "whatsup", "images": "coco/val2017"},
    ),
    "whatsup_gqa": BenchmarkKind(
        "where things are in GQA's photographs, by caption against foil",
        {"annotations": "folder of What'sUp's vg_qa_*.json files", "images": "folder of the Visual Genome images"},
        lambda annotations, images: read_whatsup_pairs("whatsup_gqa", annotations, images),
        SOURCE,
        {"annotations": "whatsup", "images": "visual_genome/images"},
    ),
}
