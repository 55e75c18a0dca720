"""The application that the commands register with, and how they speak."""

from __future__ import annotations

import typer
from rich.console import Console

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Teach CLIP and SigLIP models which attribute belongs to which object, measure it, and prove that nothing "
    "else got worse.",
)
console = Console()


def say(text: str) -> None:
    """Print a line as it is; the terminal may break it, so that paths can still be copied."""
    console.print(text, soft_wrap=True, markup=False, highlight=False)
