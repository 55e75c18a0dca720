"""The command line: parse, call, print. Everything heavy is imported inside the command that needs it."""

from __future__ import annotations

import os
import sys
import warnings
from typing import Any

from rebind.cli import concepts, data, evaluation, negatives, runs  # each registers its commands
from rebind.cli.application import app
from rebind.types import RebindWarning, UserError

__all__ = ["app", "concepts", "data", "evaluation", "main", "negatives", "runs"]


def main() -> None:
    """Run the command line; what a user can mend ends in one sentence and exit status 2."""
    warnings.showwarning = _show_warning
    try:
        app(standalone_mode=True)
    except UserError as error:
        if os.environ.get("REBIND_TRACEBACK"):
            raise
        print(f"rebind: {error}", file=sys.stderr)
        sys.exit(2)


def _show_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, file: Any = None, line: Any = None
) -> None:
    """A sentence of ours as one; what libraries warn their programmers of, with its place."""
    ours = issubclass(category, RebindWarning)
    print(f"rebind: {message}" if ours else f"{filename}:{lineno}: {category.__name__}: {message}", file=sys.stderr)
