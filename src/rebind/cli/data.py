"""``rebind data``: look at captioned images, and pack them into shards."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from rebind.cli.application import app, console, say

data = typer.Typer(help="Look at captioned images before training on them, and pack them into shards.")
app.add_typer(data, name="data")


@data.command()
def inspect(
    source: Annotated[Path, typer.Argument(help="captioned images: folder, captions file, shards, source file")],
    out: Annotated[Path | None, typer.Option(help="write a page with some of the pictures, too")] = None,
    limit: Annotated[int | None, typer.Option(help="look at the first so many samples only", min=1)] = None,
    pictures: Annotated[int, typer.Option(help="how many the page shows", min=0)] = 24,
    decode: Annotated[int, typer.Option(help="how many pictures are decoded; -1 for all", min=-1)] = 500,
) -> None:
    """Count samples, sizes and captions, and what is broken or comes twice."""
    from rebind import inspection
    from rebind.storage import require_no_folder

    if out is not None:
        require_no_folder(out)
    found = inspection.inspect(source, pictures, limit, None if decode < 0 else decode)
    table = Table.grid(padding=(0, 2))
    for about, what in found.facts:
        table.add_row(Text(about, no_wrap=True), Text(what))
    console.print(table)
    if out is not None:
        inspection.write_inspection_page(found, out)
        say(f"The page is {out.resolve()}")


@data.command()
def pack(
    source: Annotated[Path, typer.Argument(help="captioned images: folder, captions file, shards, source file")],
    out: Annotated[Path, typer.Option(help="folder for the shards")],
    samples_per_shard: Annotated[int, typer.Option(help="samples in each shard", min=1)] = 10_000,
    max_side: Annotated[int | None, typer.Option(help="scale larger pictures down to so many pixels", min=1)] = None,
    without_annotations: Annotated[
        bool, typer.Option("--without-annotations", help="leave out concepts, negatives and rewrites")
    ] = False,
) -> None:
    """Write WebDataset shards with the annotations in; the same command goes on where it was stopped."""
    from rebind.data.packing import pack as pack_source

    report = pack_source(source, out, samples_per_shard, not without_annotations, max_side)
    say(f"{report['samples']:,} samples are in {out}.")
    for reason, count in report["broken"].items():
        say(f"{count:,} are broken and left out: {reason}")
    for reason, count in report["skipped"].items():
        say(f"{count:,} were left out by the source: {reason}")
