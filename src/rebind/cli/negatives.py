"""Commands that make what is nearly right: hard negative captions, their pictures, look-alikes, foils."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from shlex import quote
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from rebind.cli.application import app, console, say
from rebind.cli.overrides import typed_options
from rebind.cli.workforce import ANY_OPTION, Address, Engine, Jobs
from rebind.types import UserError


class Origin(str, Enum):
    """Where foils come from."""

    rules = "rules"
    annotations = "annotations"


@app.command(context_settings=ANY_OPTION)
def negatives(
    context: typer.Context,
    data: Annotated[str | None, typer.Argument(help="captioned images: folder, captions file or shards")] = None,
    captions: Annotated[Path | None, typer.Option(help='instead of DATA: JSON lines {"key", "caption"}')] = None,
    out: Annotated[Path | None, typer.Option(help='with --captions: JSON lines {"key", "negatives"}')] = None,
    backend: Annotated[str, typer.Option(help="what writes them: rules, or llm for a language model")] = "rules",
    refine: Annotated[
        bool, typer.Option("--refine", help="keep only what cannot be told without the picture; prints blind scores")
    ] = False,
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

    data, settings = typed_options(data, context.args)
    crew = Workforce(engine, jobs, address)
    work: dict[str, Any] = {"backend": backend, "workforce": crew, "refine": refine, **settings}
    if captions is not None and out is not None and data is None:
        written = negate_file(captions, out, **work)
    elif data is not None and captions is None and out is None:
        written = annotate_negatives(data, **work)
    else:
        raise UserError("give either DATA, or --captions IN.jsonl together with --out OUT.jsonl")
    if written.refinement is None:
        _print_tally(written.tally)
    else:
        _print_refinement(written.refinement)
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

    _, settings = typed_options(None, context.args)
    drawn = annotate_pictures(
        data,
        backend,
        _split(families),
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

    _, settings = typed_options(None, context.args)
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
    families: Annotated[
        str | None, typer.Option(help="kinds of foils, separated by commas; all that blind readers cannot tell")
    ] = None,
    share: Annotated[float, typer.Option(help="of the samples that are held out for testing")] = 0.2,
    per_family: Annotated[int, typer.Option(help="foils of each family at most", min=1)] = 500,
    vetoes: Annotated[Path | None, typer.Option(help="foils to leave out, as the page writes them")] = None,
    judge: Annotated[list[str] | None, typer.Option(help="a text model as one more blind judge; repeat it")] = None,
    origin: Annotated[
        Origin, typer.Option("--from", help="written by rule of every caption, or the negatives beside or in DATA")
    ] = Origin.rules,
    seed: Annotated[int, typer.Option(help="other samples and foils with another one", min=0)] = 0,
) -> None:
    """Make a benchmark of your own captions: foils in SugarCrepe's format that only the picture tells apart."""
    from rebind.data import open_source
    from rebind.foils import FoilSettings, build_foils, earlier_vetoes, write_foils
    from rebind.negatives.judges import TextJudge

    wanted = _split(families)
    source = open_source(data)
    write = _writer(source, origin, wanted)
    vetoed = earlier_vetoes(out, vetoes)
    settings = FoilSettings(wanted, share, per_family, seed=seed, origin=origin.value)
    found = build_foils(source, write, settings, vetoed, [TextJudge(model) for model in judge or ()])
    benchmark = write_foils(found, source, out, vetoed)
    _print_foils(found, benchmark.report)
    say(f"The page to browse and veto them is {benchmark.page.resolve()}")
    say(f"rebind eval MODEL --benchmark foils --annotations {quote(str(out))} --images {quote(str(benchmark.images))}")
    held_out = quote(str(out / "held_out.txt"))
    say(f"Train without what was held out: rebind train RECIPE --data {quote(str(data))} --leave-out {held_out}")


def _split(names: str | None) -> tuple[str, ...] | None:
    return None if names is None else tuple(name.strip() for name in names.split(","))


def _writer(source: Any, origin: Origin, families: tuple[str, ...] | None) -> Any:
    """Whoever writes the negatives that foils are chosen from; says who it is."""
    from rebind.data.annotation_files import has_annotation
    from rebind.foils import annotated_negatives, rule_negatives

    if origin is Origin.annotations:
        say("The foils are chosen from the annotated negatives.")
        return annotated_negatives(source)
    there = source.has_negatives or has_annotation(source, "negatives")
    say("The foils are written by rule." + " The annotated negatives are left alone (--from annotations)." * there)
    return rule_negatives(source, families)


def _print_foils(found: Any, report: dict[str, Any]) -> None:
    """Of each family how many foils were written and how well they can be told blindly, and what was left out."""
    from rebind.foils.page import JUDGES

    def plain(judge: str) -> str:
        return JUDGES.get(judge, (judge,))[0]

    table = Table("family", "foils", "of samples", "blind before", "blind after", box=box.SIMPLE)
    for family, refinement in found.refinements.items():
        scores = [refinement.before.get("classifier"), refinement.after.get("classifier_retrained")]
        blind = [_per_cent(score) if score else "–" for score in scores]
        written, samples = report["foils"].get(family, 0), found.tally[family]["samples"]
        table.add_row(family, f"{written:,}", f"{samples:,}", *blind)
    console.print(table)
    if found.exposed:
        worst = (
            (family, judges[0], found.refinements[family].after[judges[0]]) for family, judges in found.exposed.items()
        )
        told = ", ".join(f"{family} ({plain(judge)} {_per_cent(score)})" for family, judge, score in worst)
        verdict = "Left out; name them in --families to keep them" if found.dropped else "Of little use"
        say(f"{verdict}: {told}. Blind readers tell these foils after refinement, too.")
    if gone := [family for family in found.refinements if family not in {*report["foils"], *found.dropped}]:
        say(f"Nothing is left of {', '.join(gone)}: every choice of foils would give itself away, or has no picture.")
    if few := [family for family in report["foils"] if report["families"][family].get("too_few")]:
        counted = ", ".join(f"{family} (n = {report['foils'][family]:,})" for family in few)
        say(f"Too few pairs to know whether these can be told blindly: {counted}.")
    if broken := report["broken_images"]:
        first = f"{broken[0]['key']}: {broken[0]['reason']}"
        say(f"{len(broken):,} pictures cannot be read ({first}): {report['without_picture']:,} foils were left out.")
    if found.unmatched:
        named = "; ".join(f"{veto.filename}: {veto.foil}" for veto in found.unmatched[:3])
        say(f"{len(found.unmatched):,} of {report['vetoes']:,} vetoes match no foil that could be made ({named}).")


def _per_cent(score: Any) -> str:
    return f"{score.accuracy:.1%} [{score.low:.1%}, {score.high:.1%}]"


def _print_tally(tally: dict[str, int]) -> None:
    table = Table.grid(padding=(0, 2))
    for name, count in tally.items():
        table.add_row(Text(name.replace("_", " ") if ":" not in name else name), Text(f"{count:,}", justify="right"))
    console.print(table)


def _print_refinement(refinement: dict[str, Any]) -> None:
    """Of each family what there was and what remains, and how well both can be told without the picture."""

    def cells(pairs: int, score: Any) -> tuple[str, str]:
        if score is None:
            return "too few to judge" if pairs else "–", ""
        return f"{100 * score.accuracy:.1f} [{100 * score.low:.1f}, {100 * score.high:.1f}]", f"{score.n:,}"

    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)  # fits into 80 columns
    for title in ("family", "candidates", "kept", "blind before, %", "n", "blind after, %", "n"):
        table.add_column(title, justify="left" if title == "family" else "right", no_wrap=True)
    for family, made in refinement.items():
        before, after = cells(made.samples, made.before), cells(made.kept, made.after)
        table.add_row(family, f"{made.candidates:,}", f"{made.kept:,}", *before, *after)
    console.print(table)
    say(
        "Blind: how often a classifier of word n-grams, trained on the pairs of other samples, tells a caption from "
        "its negative; chance is 50. One pair a sample; 95 % intervals are bootstraps over samples."
    )
