"""SugarCrepe++: two true captions of different wording against one foil, with the image and without it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rebind.benchmarks.contract import Picture
from rebind.benchmarks.files import image_file, text_field
from rebind.benchmarks.foil_lists import read_rows
from rebind.benchmarks.kinds import BenchmarkKind
from rebind.benchmarks.questions import Contest, Question, QuestionBenchmark
from rebind.types import UserError

CATEGORIES = ("swap_obj", "swap_att", "replace_obj", "replace_att", "replace_rel")
SOURCE = "https://github.com/Sri-Harsha/scpp (data/), CC BY 4.0"


def read_sugarcrepe_pp(annotations: Path, images: Path) -> QuestionBenchmark:
    """Read the five official files, ``[{"filename", "caption", "caption2", "negative_caption"}, …]`` each.

    The four accuracies of the paper (a tie is wrong in each): ``image_text``, both captions are closer to the image
    than the foil; ``first_caption`` and ``second_caption``, that caption is; ``text_only``, the captions are closer
    to each other than either to the foil.

    Args:
        annotations: folder of the five files.
        images: folder of COCO's val2017 images.

    Raises:
        UserError: naming file, item and field when something is missing.

    Source: SugarCrepe++ (arXiv 2406.11171), and its released ``VLMs/test_Variants_CLIP.py``.
    """
    return QuestionBenchmark("sugarcrepe++", _read(annotations, lambda *texts: _with_image(images, *texts)))


def read_sugarcrepe_pp_text(annotations: Path) -> QuestionBenchmark:
    """The ``text_only`` accuracy alone, for which no image is needed; arguments and errors as above."""
    return QuestionBenchmark("sugarcrepe++_text", _read(annotations, lambda *texts: [_without_image(*texts)]))


def _read(annotations: Path, questions: Callable[[str, str, dict[str, str]], list[Question]]) -> list[Question]:
    found = []
    for category in CATEGORIES:
        path = annotations / f"{category}.json"
        if not path.is_file():
            raise UserError(f"{path} is missing; the five files of SugarCrepe++ are at {SOURCE}")
        for where, row in read_rows(path):
            names = ("filename", "caption", "caption2", "negative_caption")
            found += questions(category, where, {name: text_field(row, name, where) for name in names})
    return found


def _with_image(images: Path, category: str, where: str, row: dict[str, str]) -> list[Question]:
    image: Picture = image_file(images, row["filename"], where)
    first, second = (
        Contest((image, row[caption]), (image, row["negative_caption"])) for caption in ("caption", "caption2")
    )
    cluster = row["filename"]
    return [
        Question(category, (first, second), 1 / 3, "image_text", cluster),
        Question(category, (first,), 1 / 2, "first_caption", cluster),
        Question(category, (second,), 1 / 2, "second_caption", cluster),
        _without_image(category, where, row),
    ]


def _without_image(category: str, _where: str, row: dict[str, str]) -> Question:
    first, second, foil = row["caption"], row["caption2"], row["negative_caption"]
    contests = tuple(Contest((first, second), (caption, foil)) for caption in (first, second))
    return Question(category, contests, 1 / 3, "text_only", row["filename"])


KINDS = {
    "sugarcrepe++": BenchmarkKind(
        "whether two true captions of different wording both beat a foil, with the image and by the texts alone",
        {"annotations": "folder of SugarCrepe++'s five .json files", "images": "folder of COCO's val2017 images"},
        lambda annotations, images: read_sugarcrepe_pp(annotations, images),
        f"{SOURCE}, and COCO's val2017 images, https://cocodataset.org",
        {"annotations": "sugarcrepe_pp", "images": "coco/val2017"},
        4757,
    ),
    "sugarcrepe++_text": BenchmarkKind(
        "whether two true captions of different wording are closer to each other than to a foil; without images",
        {"annotations": "folder of SugarCrepe++'s five .json files"},
        lambda annotations: read_sugarcrepe_pp_text(annotations),
        SOURCE,
        {"annotations": "sugarcrepe_pp"},
        4757,
    ),
}
