"""``rebind concepts``: cut captions into concepts, and measure how well that goes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from rebind.cli.application import app, console, say
from rebind.cli.overrides import typed_options
from rebind.cli.workforce import ANY_OPTION, Address, Engine, Jobs
from rebind.types import UserError


class ExtractUnlessNamed(TyperGroup):
    """``rebind concepts photos`` is ``rebind concepts extract photos``."""

    def parse_args(self, ctx, args):  # type: ignore[no-untyped-def]
        """Put the command that was left out before the arguments."""
        known = {*self.commands, "--help"}
        return super().parse_args(ctx, args if args and args[0] in known else ["extract", *args])


concepts = typer.Typer(
    cls=ExtractUnlessNamed,
    help="Cut captions into concepts and write them beside the captions. `rebind concepts DATA` is short for "
    "`rebind concepts extract DATA`, whose --help has the options.",
)
app.add_typer(concepts, name="concepts")


@concepts.command(context_settings=ANY_OPTION)
def extract(
    context: typer.Context,
    data: Annotated[str | None, typer.Argument(help="captioned images: folder, captions file or shards")] = None,
    captions: Annotated[Path | None, typer.Option(help='instead of DATA: JSON lines {"key", "caption"}')] = None,
    out: Annotated[Path | None, typer.Option(help='with --captions: JSON lines {"key", "concepts"}')] = None,
    backend: Annotated[str, typer.Option(help="what finds the noun phrases: textblob, spacy or llm")] = "textblob",
    engine: Engine = "local",
    jobs: Jobs = None,
    address: Address = None,
) -> None:
    """Cut captions into concepts and write them beside the captions.

    More options follow DATA, each with a value: --keep-determiners true, --keep-numbers false, --relations true,
    --stop-concepts pictures,places,vague,FILE, --max-per-image 8, --min-frequency 5; for spacy --pipeline NAME; for
    llm --base-url URL --model NAME. The same command continues a run that was stopped or killed.
    """
    from rebind.annotate import annotate_concepts, extract_file
    from rebind.engine import Workforce

    data, settings = typed_options(data, context.args)
    work: dict[str, Any] = {"backend": backend, "workforce": Workforce(engine, jobs, address), **settings}
    if captions is not None and out is not None and data is None:
        found = extract_file(captions, out, **work)
    elif data is not None and captions is None and out is None:
        found = annotate_concepts(data, **work)
    else:
        raise UserError("give either DATA, or --captions IN.jsonl together with --out OUT.jsonl")
    console.print(found.report.as_table(10))
    say(f"The concepts are in {found.place}.")


@concepts.command(context_settings=ANY_OPTION)
def evaluate(
    context: typer.Context,
    gold: Annotated[Path, typer.Argument(help='JSON lines {"caption", "concepts"}, labelled by hand')],
    captions: Annotated[
        Path | None,
        typer.Option(help="of labels without any: JSON lines {key, caption}, or COCO's captions file"),
    ] = None,
    backend: Annotated[str, typer.Option(help="what finds the noun phrases: textblob, spacy or llm")] = "textblob",
) -> None:
    """Compare the concepts that a backend finds with those that a person labelled: precision, recall, F1.

    More options follow GOLD, as of `rebind concepts extract`.
    """
    from rebind.concepts import build_extractor
    from rebind.concepts.evaluation import evaluate_concepts
    from rebind.concepts.gold import read_gold

    _, settings = typed_options(None, context.args)
    labels = read_gold(gold, captions)
    console.print(evaluate_concepts(labels, build_extractor(backend, **settings).read_many).as_table())
