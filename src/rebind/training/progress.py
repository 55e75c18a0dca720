"""What training shows while it runs: a bar with images per second and the time left, and the loss with its parts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text
from transformers import TrainerCallback

_NO_LOSS_PARTS = {
    "loss", "step", "epoch", "seconds", "learning_rate", "gradient_norm", "images_per_second", "logit_scale",
    "logit_bias",
}  # fmt: skip


class ProgressBar(TrainerCallback):
    """Says what begins; then, on a terminal, draws a bar with a line of numbers below it.

    Args:
        title: what is being trained.
        subject: what a step is made on, with which model, where.
    """

    def __init__(self, title: str, subject: str) -> None:
        self._title, self._subject = title, subject
        self._console = Console(highlight=False)
        self._bar = _BarOverNumbers(
            TextColumn("{task.description}", markup=False),
            BarColumn(None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(compact=True),
            TextColumn("left"),
            console=self._console,
            expand=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task(title, total=None, speed="")

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start at the step that the run is at."""
        text = f"{self._title}: steps {state.global_step + 1:,} to {state.max_steps:,}, each on {self._subject}"
        self._console.print(text, soft_wrap=True, markup=False)
        self._bar.update(self._task, total=state.max_steps, completed=state.global_step)
        self._bar.start()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Move on."""
        self._bar.update(self._task, completed=state.global_step)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Show the newest numbers."""
        if not logs or "images_per_second" not in logs:
            return
        parts = [f"{name} {value:.4g}" for name, value in logs.items() if name not in _NO_LOSS_PARTS]
        self._bar.numbers = f"loss {logs['loss']:.4g}" + (f" = {' + '.join(parts)}" if len(parts) > 1 else "")
        self._bar.update(self._task, speed=f"{logs['images_per_second']:,.0f} images/s")

    def close(self) -> None:
        """Leave the bar as it is and give the terminal back; may be called again."""
        self._bar.stop()


class _BarOverNumbers(Progress):
    """A bar as wide as the screen and a line of text below it: on one line they would not fit 80 columns."""

    numbers = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        yield self.make_tasks_table(self.tasks)
        yield Text(self.numbers, style="dim", no_wrap=True, overflow="ellipsis")
