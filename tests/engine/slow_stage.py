"""A stage that takes its time, and the command that runs it: ``python -m slow_stage FOLDER ENGINE JOBS``."""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

from rebind.engine import Made, SequenceBlocks, Workforce, run_stage
from rebind.types import UserError


@dataclass(frozen=True)
class SlowStage:
    """Spells keys backwards, ``pause`` seconds a part."""

    pause: float = 0.0
    stumbles_at: str = ""
    greeting: str = "hello"
    name: str = "spelling"
    part_size: int = 5

    @property
    def settings(self):
        return {"backend": "slow", "greeting": self.greeting}

    def open(self):
        return self.work

    def work(self, items):
        time.sleep(self.pause)
        keys = [item["key"] for item in items]
        if self.stumbles_at in keys:
            raise UserError(f"the key {self.stumbles_at} cannot be spelt")
        return Made([{"key": key, "spelling": key[::-1]} for key in keys], {"keys": len(keys), "odd": len(keys) % 2})


def blocks(count=112):
    return SequenceBlocks([{"key": f"key-{number}-ü"} for number in range(count)], 5)


if __name__ == "__main__":
    folder, engine, jobs = sys.argv[1:]
    run_stage(SlowStage(pause=0.02), blocks(), Path(folder), Workforce(engine, int(jobs)))
