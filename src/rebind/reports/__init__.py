"""Run folders in; a table, one sentence of verdict, a self-contained HTML page and the README's picture out."""

from rebind.reports.figures import effect_picture, write_effect_picture
from rebind.reports.page import write_report
from rebind.reports.table import markdown_table, print_table, summary_table
from rebind.reports.verdict import verdict

__all__ = [
    "effect_picture",
    "markdown_table",
    "print_table",
    "summary_table",
    "verdict",
    "write_effect_picture",
    "write_report",
]
