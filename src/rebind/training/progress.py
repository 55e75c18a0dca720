"""What training shows while it runs: a bar with loss parts, images per second and the time left."""

from __future__ import annotations

from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from transformers import TrainerCallback

_HIDDEN = {"step", "epoch", "learning_rate", "gradient_norm", "images_per_second", "logit_scale", "logit_bias"}


class ProgressBar(TrainerCallback):
    """A rich progress bar; on a screen that is no terminal it stays silent.

    Args:
        title: what is being trained.
    """

    def __init__(self, title: str) -> None:
        columns = (
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
            TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(), TextColumn("{task.fields[numbers]}"),
        )  # fmt: skip
        self._progress = Progress(*columns)
        self._task = self._progress.add_task(title, total=None, numbers="")

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start at the step that the run is at."""
        self._progress.update(self._task, total=state.max_steps, completed=state.global_step)
        self._progress.start()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Move on."""
        self._progress.update(self._task, completed=state.global_step)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Show the newest numbers."""
        if logs and "images_per_second" in logs:
            parts = [f"{name} {value:.3f}" for name, value in logs.items() if name not in _HIDDEN]
            self._progress.update(self._task, numbers=f"{' '.join(parts)} · {logs['images_per_second']:.0f} images/s")

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Leave the finished bar on the screen."""
        self.close()

    def close(self) -> None:
        """Give the terminal back; may be called again."""
        self._progress.stop()
