"""ARO on Visual Genome: which of two things does what to the other, and which of two has which attribute."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from rebind.benchmarks.contract import Crop
from rebind.benchmarks.files import text_field
from rebind.benchmarks.foil_lists import Fields, Row, ask, read_rows
from rebind.benchmarks.kinds import BenchmarkKind
from rebind.benchmarks.questions import QuestionBenchmark
from rebind.benchmarks.visual_genome import crop_of, visual_genome_image
from rebind.types import UserError

FIELDS = Fields("true_caption", ("false_caption",), "image_path", "category")
BOX = ("bbox_x", "bbox_y", "bbox_w", "bbox_h")
SOURCE = "https://github.com/mertyg/vision-language-models-are-bows (it links the .json files and the images)"
RARE = "rare pairs"  # of attributes; too few items for a number of their own
LEAST_OF_A_PAIR = 25

#: Relations that hold both ways, or nearly: the official average leaves them out.
SYMMETRIC = frozenset(
    """adjusting|attached to|between|bigger than|biting|boarding|brushing|chewing|cleaning|climbing|close to|coming from
    |coming out of|contain|crossing|dragging|draped over|drinking|drinking from|driving|driving down|driving on
    |eating from|eating in|enclosing|exiting|facing|filled with|floating in|floating on|flying|flying above|flying in
    |flying over|flying through|full of|going down|going into|going through|grazing in|growing in|growing on|guiding
    |hanging from|hanging in|hanging off|hanging over|higher than|holding onto|hugging|in between|jumping off|jumping on
    |jumping over|kept in|larger than|leading|leaning over|leaving|licking|longer than|looking in|looking into
    |looking out|looking over|looking through|lying next to|lying on top of|making|mixed with|mounted on|moving
    |on the back of|on the edge of|on the front of|on the other side of|opening|painted on|parked at|parked beside
    |parked by|parked in|parked in front of|parked near|parked next to|perched on|petting|piled on|playing|playing in
    |playing on|playing with|pouring|reaching for|reading|reflected on|riding on|running in|running on|running through
    |seen through|sitting behind|sitting beside|sitting by|sitting in front of|sitting near|sitting next to
    |sitting under|skiing down|skiing on|sleeping in|sleeping on|smiling at|sniffing|splashing|sprinkled on|stacked on
    |standing against|standing around|standing behind|standing beside|standing in front of|standing near
    |standing next to|staring at|stuck in|surrounding|swimming in|swinging|talking to|topped with|touching
    |traveling down|traveling on|tying|typing on|underneath|wading in|waiting for|walking across|walking by
    |walking down|walking next to|walking through|working in|working on|worn on|wrapped around|wrapped in|by|of|near
    |next to|with|beside|on the side of|around""".replace("\n    |", "|").split("|")
)


def read_vg_relation(annotations: Path, images: Path) -> QuestionBenchmark:
    """Read ``visual_genome_relation.json``: caption and foil of a rectangle, with subject and object swapped.

    A split is a relation; the paper's number is the ``macro`` row, from which symmetric relations are kept out. A tie
    is wrong, since the official code lists the foil first and takes the first of equals.

    Args:
        annotations: the file.
        images: folder of the Visual Genome images.

    Raises:
        UserError: naming file, item and field when something is missing.

    Source: ARO (arXiv 2210.01936), https://github.com/mertyg/vision-language-models-are-bows.
    """
    rows = [
        (where, {**row, "category": text_field(row, "relation_name", where)}) for where, row in read_rows(annotations)
    ]
    return QuestionBenchmark("aro_vg_relation", ask(rows, FIELDS, partial(_crop, images)), SYMMETRIC)


def read_vg_attribution(annotations: Path, images: Path) -> QuestionBenchmark:
    """Read ``visual_genome_attribution.json``: caption and foil of a rectangle, with the two attributes swapped.

    A split is a pair of attributes; the paper's number is the ``macro`` row, from which pairs with fewer than 25 items
    are kept out. Ties, arguments, errors and source as for :func:`read_vg_relation`.
    """
    rows: list[Row] = []
    for where, row in read_rows(annotations):
        pair = row.get("attributes")
        if not isinstance(pair, list) or len(pair) != 2:
            raise UserError(f'{where}: the field "attributes" must be a list of two texts')
        rows.append((where, {**row, "category": f"{pair[0]}_{pair[1]}"}))
    sizes = Counter(row["category"] for _, row in rows)
    questions = [
        question if sizes[question.split] >= LEAST_OF_A_PAIR else replace(question, split=RARE)
        for question in ask(rows, FIELDS, partial(_crop, images))
    ]
    return QuestionBenchmark("aro_vg_attribution", questions, frozenset([RARE]))


def _crop(images: Path, where: str, row: Mapping[str, Any]) -> Crop:
    path = visual_genome_image(images, text_field(row, FIELDS.image, where), where)
    return crop_of(path, row, BOX, where)


_IMAGES = "folder of the Visual Genome images, or of those that come with ARO"
KINDS = {
    "aro_vg_relation": BenchmarkKind(
        "which of two things does what to the other, in a rectangle of an image",
        {"annotations": "file visual_genome_relation.json of ARO", "images": _IMAGES},
        lambda annotations, images: read_vg_relation(annotations, images),
        SOURCE,
        {"annotations": "aro/visual_genome_relation.json", "images": "visual_genome/images"},
        23937,
    ),
    "aro_vg_attribution": BenchmarkKind(
        "which of two things has which attribute, in a rectangle of an image",
        {"annotations": "file visual_genome_attribution.json of ARO", "images": _IMAGES},
        lambda annotations, images: read_vg_attribution(annotations, images),
        SOURCE,
        {"annotations": "aro/visual_genome_attribution.json", "images": "visual_genome/images"},
        28748,
    ),
}
