"""The page about a source: one small HTML file that needs nothing but itself."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from rebind.inspection.inspection import NAMED, Inspection
from rebind.storage import write_text


def write_inspection_page(inspection: Inspection, out: Path) -> Path:
    """Write what was found as HTML, with the pictures in it, and return the file's path.

    Raises:
        UserError: when ``out`` cannot be written.
    """
    environment = Environment(
        loader=PackageLoader("rebind", "inspection"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    tallest = max((count for *_, count in inspection.texts.histogram), default=1)
    reasons = [
        ("Left out by the source", inspection.skipped),
        ("Without image or caption", inspection.broken),
        ("Do not decode", inspection.undecodable),
    ]
    page = environment.get_template("page.html.j2").render(
        inspection=inspection, tallest=tallest, reasons=reasons, named=NAMED
    )
    write_text(Path(out), page)
    return Path(out)
