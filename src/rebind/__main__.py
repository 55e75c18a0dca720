"""``python -m rebind``."""

from rebind.cli import main

main()
