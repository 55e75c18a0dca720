"""The data engine: stages over blocks of items, part by part, resumable, on one machine or many."""

from rebind.engine.engines import ENGINES
from rebind.engine.parts import CANDIDATES, REPORT, PartBlocks, Parts, join_parts
from rebind.engine.running import Workforce, run_stage
from rebind.engine.stage import Blocks, Item, Made, SequenceBlocks, Stage

__all__ = [
    "CANDIDATES",
    "ENGINES",
    "REPORT",
    "Blocks",
    "Item",
    "Made",
    "PartBlocks",
    "Parts",
    "SequenceBlocks",
    "Stage",
    "Workforce",
    "join_parts",
    "run_stage",
]
