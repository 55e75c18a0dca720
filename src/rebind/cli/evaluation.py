"""Commands that measure models on benchmarks: one, two against each other, against what was published, and blends."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rebind.cli.application import app, console, say
from rebind.cli.overrides import options
from rebind.cli.workforce import ANY_OPTION
from rebind.types import UserError

if TYPE_CHECKING:
    from rebind.benchmarks import Benchmark


@app.command(context_settings=ANY_OPTION)
def eval(
    context: typer.Context,
    model: Annotated[str | None, typer.Argument(help="a run's folder, a model folder or a hub name")] = None,
    benchmark: Annotated[str, typer.Option(help="one or more names, separated by commas")] = "",
    base: Annotated[
        str | None, typer.Option(help="the model that it was tuned from, or its results: show what changed")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="folder for results.json; a run's own folder if not given")] = None,
    label: Annotated[str | None, typer.Option(help="what reports call this model")] = None,
    show_list: Annotated[bool, typer.Option("--list", help="list the benchmarks and what they read, and stop")] = False,
) -> None:
    """Evaluate a model and write results.json, every number with its sample size and a 95 % interval.

    What the benchmarks read follows, each with a path: --data, --annotations, --images and so on, or --data-root ROOT
    for all that lies where `rebind eval --list` says. Embeddings are kept in ~/.cache/rebind; --cache FOLDER keeps
    them elsewhere, --cache none nowhere. --concept-attention 10 also scores foils by concepts and image tokens.
    """
    from rebind.benchmarks.naming import BENCHMARKS, describe

    model, files = options(model, context.args)
    if show_list:
        for name in BENCHMARKS:
            say(describe(name))
        return
    if model is None or not benchmark:
        raise UserError("give a MODEL and --benchmark NAME; `rebind eval --list` lists the benchmarks")
    from rebind.benchmarks.concept_attention import add_concept_scores
    from rebind.evaluate import evaluate_run, model_folder

    cache, sharpness = files.pop("cache", None), files.pop("concept_attention", None)
    built = _build(benchmark, files)
    results = evaluate_run(model, built, out, label, cache)
    if sharpness is not None:
        add_concept_scores(results.parent, model_folder(model), built, float(sharpness))
    _print_notes(results)
    say(f"The results are in {results}.")
    if base is not None:
        from rebind.forgetting import forgetting, forgetting_table

        before = Path(base)
        if not (before / "results.json").is_file():
            before = evaluate_run(base, built, results.parent / "base", "base", cache).parent
        outcome = forgetting(before, results.parent, [each.name for each in built])
        console.print(forgetting_table(outcome))
        say(outcome.verdict)


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(help="folder with the results of one model")],
    second: Annotated[Path, typer.Argument(help="folder with those of another")],
    out: Annotated[Path | None, typer.Option(help="write the differences as JSON, too")] = None,
) -> None:
    """Test item by item which differences between two evaluated models are real."""
    from rebind.benchmarks.comparison import compare_runs, comparison_table
    from rebind.storage import write_json

    rows = compare_runs(first, second)
    console.print(comparison_table(rows, first.name, second.name))
    if out is not None:
        write_json(out, [row.as_dict() for row in rows])
        say(f"The differences are in {out}.")


@app.command(context_settings=ANY_OPTION)
def reproduce(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="of a published result; all are listed if none is given")] = None,
    out: Annotated[Path | None, typer.Option(help="folder for results.json; reproduced/NAME if not given")] = None,
    model: Annotated[str | None, typer.Option(help="a copy of the checkpoint; downloaded if not given")] = None,
) -> None:
    """Run the evaluation that should give a published number, and say by how much it differs.

    What the benchmark reads follows as for `rebind eval`. The exit status is 1 when a number is out of tolerance.
    """
    from rebind.reproduce import reference_table, reproduction_table
    from rebind.reproduce import reproduce as repeat

    name, files = options(name, context.args)
    if name is None:
        console.print(reference_table())
        return
    outcome = repeat(name, out or Path("reproduced") / name, model, **files)
    console.print(reproduction_table(outcome))
    for reason in outcome.reasons:
        say(reason)
    say(outcome.verdict)
    if not outcome.agrees:
        raise typer.Exit(1)


@app.command(context_settings=ANY_OPTION)
def blend(
    context: typer.Context,
    base: Annotated[str, typer.Argument(help="the model before tuning: a folder or a hub name")],
    tuned: Annotated[str, typer.Argument(help="the model after it: a run's folder, a model folder or a hub name")],
    benchmark: Annotated[str, typer.Option(help="what alpha is chosen on: composition and recognition")],
    out: Annotated[Path, typer.Option(help="folder for the curve and the chosen checkpoint")],
    alpha: Annotated[
        str, typer.Option(help="shares of the tuned weights: start:end:step, or a list with commas")
    ] = "0:1:0.1",
    max_loss: Annotated[float, typer.Option(help="how many points of recognition may be lost", min=0)] = 1.0,
    report: Annotated[str, typer.Option(help="further benchmarks, which have no say in the choice")] = "",
) -> None:
    """Mix the weights of a model before and after tuning, and keep what binds best without forgetting much (WiSE-FT).

    What the benchmarks read follows as for `rebind eval`. The same command continues where it was stopped.
    """
    from rebind.blending import blend as make_blend
    from rebind.blending import blend_table, parse_alphas

    _, files = options(None, context.args)
    built = _build(f"{benchmark},{report}" if report else benchmark, files)
    first = len(benchmark.split(","))
    outcome = make_blend(base, tuned, built[:first], out, parse_alphas(alpha), max_loss, built[first:])
    console.print(blend_table(outcome))
    say(outcome.choice.why)
    say(outcome.caution)
    say(f"The model is in {outcome.model}; the curve is {out / 'curve.png'}.")


def _build(names: str, files: dict[str, Any]) -> list[Benchmark]:
    """The benchmarks, each given those of the files that it reads."""
    from rebind.benchmarks import BENCHMARKS, build_benchmark

    paths = {file: str(path) for file, path in files.items()}
    root = paths.pop("data_root", None)
    wanted = [name.strip() for name in names.split(",")]
    read = {file for name in wanted if name in BENCHMARKS for file in BENCHMARKS[name].files}
    if unread := sorted(paths.keys() - read):
        given = ", ".join(f"--{file}" for file in sorted(read))
        raise UserError(f"--{unread[0]} is read by none of {names}; they read {given or 'nothing'}, or --data-root")
    kinds = {name: BENCHMARKS[name].files if name in BENCHMARKS else {} for name in wanted}
    return [
        build_benchmark(name, root, **{file: path for file, path in paths.items() if file in kinds[name]})
        for name in wanted
    ]


def _print_notes(results: Path) -> None:
    import json

    for note in json.loads(results.read_text(encoding="utf-8")).get("notes", []):
        say(note)
