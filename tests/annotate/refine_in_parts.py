"""Negatives of a folder's captions, refined in small parts: ``python refine_in_parts.py CAPTIONS FOLDER JOBS``."""

import json
import sys
from pathlib import Path

from rebind.annotate.balanced_negatives import write_refined
from rebind.engine import SequenceBlocks, Workforce
from rebind.negatives.rules import RuleNegatives, Substitutes

FAMILIES = ("replace_att", "replace_obj", "replace_num")


def refine_in_parts(captions, folder, workforce, families=FAMILIES, size=500):
    """Refine the captions of a file ``{"key", "caption"}``, ``size`` of them at a time; returns what was refined."""
    rows = [json.loads(line) for line in Path(captions).read_text().splitlines()]
    items = [{"key": row["key"], "captions": [row["caption"]]} for row in rows]
    substitutes = Path(captions).with_suffix(".substitutes.json")
    if not substitutes.is_file():
        Substitutes.mine(item["captions"] for item in items).write(substitutes)
    stage = RuleNegatives(families=families, substitutes=substitutes)
    return write_refined(stage, SequenceBlocks(items, size), Path(folder), workforce)


if __name__ == "__main__":
    refine_in_parts(sys.argv[1], sys.argv[2], Workforce("local", int(sys.argv[3])))
