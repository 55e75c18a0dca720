"""MMVP-VLM: pairs of images that CLIP finds alike, in nine visual patterns."""

from __future__ import annotations

from pathlib import Path

from rebind.benchmarks.files import image_file, text_field
from rebind.benchmarks.foil_lists import read_rows
from rebind.benchmarks.kinds import BenchmarkKind
from rebind.benchmarks.questions import Contest, Question, QuestionBenchmark
from rebind.types import UserError

PROMPT = "a photo of {}"


def read_mmvp_vlm(annotations: Path, images: Path) -> QuestionBenchmark:
    """Read ``Questions.csv``, two lines a pair: ``Question ID``, ``Type`` and ``Statement``.

    A pair is right when each statement prefers its own image of the two (chance 1/4). Of equal similarities the
    second image is taken, as the official code does. A split is a ``Type``.

    Args:
        annotations: the file.
        images: the folder ``MLLM_VLM Images``, with ``TYPE/QUESTION_ID.jpg``.

    Raises:
        UserError: naming file, line and field when something is missing.

    Source: MMVP (arXiv 2401.06209), https://github.com/tsb0601/MMVP, ``scripts/evaluate_vlm.py``.
    """
    rows = read_rows(annotations)
    if len(rows) % 2:
        raise UserError(f"{annotations} holds {len(rows)} lines; expected two a pair, so that the number is even")
    questions = []
    for (where, first), (other_where, second) in zip(rows[::2], rows[1::2], strict=True):
        split = text_field(first, "Type", where)
        pair = ((first, where), (second, other_where))
        texts = [PROMPT.format(text_field(row, "Statement", place)) for row, place in pair]
        one, two = (
            image_file(images / split, f"{text_field(row, 'Question ID', place)}.jpg", place) for row, place in pair
        )
        contests = (
            Contest((one, texts[0]), (two, texts[0])),
            Contest((two, texts[1]), (one, texts[1]), tie_is_right=True),
        )
        questions.append(Question(split, contests, 1 / 4, "pair_accuracy"))
    return QuestionBenchmark("mmvp_vlm", questions)


KINDS = {
    "mmvp_vlm": BenchmarkKind(
        "telling pairs of images apart that CLIP finds alike, in nine visual patterns",
        {"annotations": "file Questions.csv of MMVP_VLM", "images": "folder MLLM_VLM Images of MMVP_VLM"},
        lambda annotations, images: read_mmvp_vlm(annotations, images),
        "https://huggingface.co/datasets/MMVP/MMVP_VLM",
        {"annotations": "mmvp_vlm/Questions.csv", "images": "mmvp_vlm/MLLM_VLM Images"},
        135,
    )
}
