"""MODEL OUT: draw pictures of twelve captions in parts of one; to be killed on the way."""

import sys
from pathlib import Path

from rebind.engine import SequenceBlocks, Workforce, run_stage
from rebind.negatives.diffusion import DiffusionPictures

ITEMS = [{"key": f"k{number:02}", "caption": f"an umbrella and {number} dogs"} for number in range(12)]

if __name__ == "__main__":
    model, out = sys.argv[1:]
    stage = DiffusionPictures(model, steps=20, size=64, part_size=1)
    run_stage(stage, SequenceBlocks(ITEMS, 1), Path(out), Workforce(jobs=1), "tar")
