"""The command line: parse, call, print. Everything heavy is imported inside the command that needs it."""

from __future__ import annotations

import os
import sys

from rebind.cli import concepts, data, evaluation, negatives, runs  # each registers its commands
from rebind.cli.application import app
from rebind.types import UserError

__all__ = ["app", "concepts", "data", "evaluation", "main", "negatives", "runs"]


def main() -> None:
    """Run the command line; what a user can mend ends in one sentence and exit status 2."""
    try:
        app(standalone_mode=True)
    except UserError as error:
        if os.environ.get("REBIND_TRACEBACK"):
            raise
        print(f"rebind: {error}", file=sys.stderr)
        sys.exit(2)
