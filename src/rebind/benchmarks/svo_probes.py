"""SVO-Probes: a sentence and two images, of which one differs in subject, verb or object."""

from __future__ import annotations

from pathlib import Path

from rebind.benchmarks.files import image_file, text_field
from rebind.benchmarks.foil_lists import read_rows
from rebind.benchmarks.kinds import BenchmarkKind
from rebind.benchmarks.questions import QuestionBenchmark, choose_image
from rebind.types import UserError

SPLITS = ("subj_neg", "verb_neg", "obj_neg")


def read_svo_probes(annotations: Path, images: Path) -> QuestionBenchmark:
    """Read ``svo_probes.csv``; only items count that differ in one of subject, verb and object, which is the split.

    The paper's accuracy wants yes or no for each image, which similarities alone do not say; scored is whether the
    sentence prefers the right image of the two. A tie is wrong.

    Args:
        annotations: the file.
        images: folder of the images, downloaded from the addresses in the file, each named ``IMAGE_ID.jpg``.

    Raises:
        UserError: naming file, line and field when something is missing.

    Source: SVO-Probes (arXiv 2106.09141), https://github.com/google-deepmind/svo_probes.
    """
    questions = []
    for where, row in read_rows(annotations):
        flags = [text_field(row, split, where) for split in SPLITS]
        if not set(flags) <= {"True", "False"}:
            raise UserError(f"{where}: the fields {', '.join(SPLITS)} must be True or False")
        if flags.count("True") == 1:
            names = [f"{text_field(row, field, where)}.jpg" for field in ("pos_image_id", "neg_image_id")]
            pictures = [image_file(images, name, where) for name in names]
            split = SPLITS[flags.index("True")]
            questions.append(choose_image(split, text_field(row, "sentence", where), pictures))
    if not questions:
        raise UserError(f"{annotations} holds no item that differs in one of {', '.join(SPLITS)}")
    return QuestionBenchmark("svo_probes", questions)


KINDS = {
    "svo_probes": BenchmarkKind(
        "whether a sentence prefers its image to one with another subject, verb or object",
        {"annotations": "file svo_probes.csv", "images": "folder of its images, each named IMAGE_ID.jpg"},
        lambda annotations, images: read_svo_probes(annotations, images),
        "https://github.com/google-deepmind/svo_probes (the images by the addresses in the file)",
        {"annotations": "svo_probes/svo_probes.csv", "images": "svo_probes/images"},
    )
}
