"""Commands that make what is nearly right: hard negative captions, their pictures, look-alikes, foils."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from rebind.cli.application import app, console, say
from rebind.cli.overrides import options
from rebind.cli.workforce import ANY_OPTION, Address, Engine, Jobs
from rebind.types import UserError


@app.command(context_settings=ANY_OPTION)
def negatives(
    context: typer.Context,
    data: Annotated[str | None, typer.Argument(help="captioned images: folder, captions file or shards")] = None,
    captions: Annotated[Path | None, typer.Option(help='instead of DATA: JSON lines {"key", "caption"}')] = None,
    out: Annotated[Path | None, typer.Option(help='with --captions: JSON lines {"key", "negatives"}')] = None,
    backend: Annotated[str, typer.Option(help="what writes them: rules, or llm for a language model")] = "rules",
    engine: Engine = "local",
    jobs: Jobs = None,
    address: Address = None,
) -> None:
    """Write hard negative captions beside the captions: swap, replace, add, negate.

    More options follow DATA, each with a value: --families swap_att,replace_obj, --all-captions true; for rules --count
    3 --seed 1 --substitutes FILE; for llm --model NAME --base-url http://localhost:8000/v1 --temperature 0.7
    --concurrency 16 --cache FOLDER, the key being in REBIND_LLM_API_KEY. The same command continues a run that was
    stopped or killed.
    """
    from rebind.annotate.negatives import annotate_negatives, negate_file
    from rebind.engine import Workforce

    data, settings = options(data, context.args)
    work: dict[str, Any] = {"backend": backend, "workforce": Workforce(engine, jobs, address), **settings}
    if captions is not None and out is not None and data is None:
        written = negate_file(captions, out, **work)
    elif data is not None and captions is None and out is None:
        written = annotate_negatives(data, **work)
    else:
        raise UserError("give either DATA, or --captions IN.jsonl together with --out OUT.jsonl")
    _print_tally(written.tally)
    say(f"The negatives are in {written.place}.")


@app.command(context_settings=ANY_OPTION)
def pictures(
    context: typer.Context,
    data: Annotated[str, typer.Argument(help="captioned images with negatives: folder, captions file or shards")],
    backend: Annotated[str, typer.Option(help="what draws: diffusion, or world for the built-in scenes")] = "diffusion",
    families: Annotated[str | None, typer.Option(help="families of negatives, separated by commas; all")] = None,
    filter_by: Annotated[
        str | None, typer.Option(help="keep a picture if this CLIP or SigLIP model finds it nearer to its caption")
    ] = None,
    engine: Engine = "local",
    jobs: Jobs = None,
    address: Address = None,
) -> None:
    """Draw a picture for every hard negative caption, beside the captions.

    More options follow DATA, each with a value: for diffusion --model sdxl-turbo (or a folder or hub name of any
    text-to-image pipeline of diffusers) --steps 4 --guidance 0 --size 512 --seed 1 --batch-size 8 --dtype bfloat16; for
    world --size 48. The same command continues a run that was stopped or killed.
    """
    from rebind.annotate.pictures import annotate_pictures
    from rebind.engine import Workforce

    _, settings = options(None, context.args)
    drawn = annotate_pictures(
        data,
        backend,
        None if families is None else families.split(","),
        None if filter_by is None else {"model": filter_by},
        None if (engine, jobs, address) == ("local", None, None) else Workforce(engine, jobs, address),
        **settings,
    )
    _print_tally(drawn.tally)
    say(f"{drawn.pictures:,} pictures are in {drawn.place}.")


@app.command(context_settings=ANY_OPTION)
def neighbours(
    context: typer.Context,
    data: Annotated[str, typer.Argument(help="captioned images: folder, captions file or shards")],
    model: Annotated[str, typer.Option(help="a run's folder, a model folder or a hub name")],
    count: Annotated[int, typer.Option(help="neighbours of each sample", min=1)] = 8,
    by: Annotated[str, typer.Option(help="what to compare: image or text")] = "image",
    engine: Engine = "local",
    jobs: Jobs = None,
    address: Address = None,
) -> None:
    """Find look-alike samples and write them beside the captions, for hard batches.

    More options follow DATA, each with a value: --method auto, exact or faiss, --recall 0.95 (of faiss),
    --duplicates-above 0.98, --seed 0. The same command continues a run that was stopped or killed.
    """
    from rebind.annotate import annotate_neighbours
    from rebind.engine import Workforce
    from rebind.evaluate import model_folder

    _, settings = options(None, context.args)
    workforce = None if (engine, jobs, address) == ("local", None, None) else Workforce(engine, jobs, address)
    written = annotate_neighbours(data, model_folder(model), by, workforce, count=count, **settings)
    say(f"The neighbours of {written.samples} samples are in {written.file}.")
    if "recall" in written.made_by:
        say(f"They were found by an index, with a recall of {written.made_by['recall']:.3f} on a sample.")
    if written.broken:
        examples = "; ".join(f"{sample['key']}: {sample['reason']}" for sample in written.named[:3])
        say(f"{written.broken} samples are broken and have none ({examples}).")


@app.command()
def foils(
    data: Annotated[Path, typer.Argument(help="captioned images: folder, captions file or shards")],
    out: Annotated[Path, typer.Option(help="folder for the benchmark")],
    families: Annotated[str | None, typer.Option(help="kinds of foils, separated by commas; all")] = None,
    share: Annotated[float, typer.Option(help="of the samples that are held out for testing")] = 0.2,
    per_family: Annotated[int, typer.Option(help="foils of each family at most", min=1)] = 500,
    vetoes: Annotated[Path | None, typer.Option(help="foils to leave out, as the page writes them")] = None,
    judge: Annotated[list[str] | None, typer.Option(help="a text model as one more blind judge; repeat it")] = None,
    seed: Annotated[int, typer.Option(help="other samples and foils with another one", min=0)] = 0,
) -> None:
    """Make a benchmark of your own captions: foils in SugarCrepe's format that only the picture tells apart.

    The negatives of DATA are taken where `rebind negatives` wrote any, else they are made by rule.
    """
    from rebind.data import open_source
    from rebind.data.annotation_files import has_annotation
    from rebind.foils import (
        FoilSettings,
        annotated_negatives,
        build_foils,
        earlier_vetoes,
        rule_negatives,
        write_foils,
    )
    from rebind.negatives.judges import TextJudge

    wanted = None if families is None else tuple(families.split(","))
    source = open_source(data)
    written = has_annotation(source, "negatives")
    write = annotated_negatives(source) if written else rule_negatives(source, wanted)
    vetoed = earlier_vetoes(out, vetoes)
    settings = FoilSettings(wanted, share, per_family, seed=seed)
    found = build_foils(source, write, settings, vetoed, [TextJudge(model) for model in judge or ()])
    benchmark = write_foils(found, source, out, vetoed)
    table = Table("family", "foils", "of samples", "blind before", "blind after", box=box.SIMPLE)
    for family, refinement in found.refinements.items():
        counts = found.tally[family]
        scores = [refinement.before.get("classifier"), refinement.after.get("classifier_retrained")]
        blind = [_per_cent(score) if score else "–" for score in scores]
        table.add_row(family, f"{counts['kept']:,}", f"{counts['samples']:,}", *blind)
    console.print(table)
    say(f"The page to browse and veto them is {benchmark.page.resolve()}")
    say(f"rebind eval MODEL --benchmark foils --annotations {out} --images {benchmark.images}")
    say(f"Train without what was held out: rebind train RECIPE --data {data} --leave-out {out / 'held_out.txt'}")


def _per_cent(score: Any) -> str:
    return f"{score.accuracy:.1%} [{score.low:.1%}, {score.high:.1%}]"


def _print_tally(tally: dict[str, int]) -> None:
    table = Table.grid(padding=(0, 2))
    for name, count in tally.items():
        table.add_row(Text(name.replace("_", " ") if ":" not in name else name), Text(f"{count:,}", justify="right"))
    console.print(table)
