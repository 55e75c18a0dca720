"""Commands that measure models on benchmarks: one, two against each other, against what was published, and blends."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from math import inf, nan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rebind.cli.application import app, console, say
from rebind.cli.overrides import options
from rebind.cli.workforce import ANY_OPTION
from rebind.types import UserError

if TYPE_CHECKING:
    from rebind.benchmarks import Benchmark

DOWNLOAD = "first fetch what is missing below --data-root, as far as it is openly published"


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
    download: Annotated[bool, typer.Option("--download", help=DOWNLOAD)] = False,
) -> None:
    """Evaluate a model and write results.json, every number with its sample size and a 95 % interval.

    What the benchmarks read follows, each with a path: --data, --annotations, --images and so on, or --data-root ROOT
    for all that lies where `rebind eval --list` says. Where several benchmarks read a file of that name, say whose it
    is: --foils.annotations DIR. Embeddings are kept in ~/.cache/rebind; --cache FOLDER keeps them elsewhere, --cache
    none nowhere. --concept-attention 10 also scores sugarcrepe, foils and world by concepts and image tokens.
    --download prints every address and size before it fetches; --addresses FILE replaces its list of addresses.
    """
    from rebind.benchmarks.naming import BENCHMARKS, describe

    model, files = options(model, context.args)
    if show_list:
        for name in BENCHMARKS:
            say(describe(name))
        return
    if model is None or not benchmark:
        raise UserError("give a MODEL and --benchmark NAME; `rebind eval --list` lists the benchmarks")
    from rebind.benchmarks.concept_attention import add_concept_scores, concept_name, with_foils
    from rebind.evaluate import evaluate_base, evaluate_run, model_folder

    cache, sharpness = files.pop("cache", None), _sharpness(files.pop("concept_attention", None), model)
    out = None if out is None else _writable_folder(out)
    if base is not None and Path(base).resolve() == (out or Path(model)).resolve():
        raise UserError(f"the results of {model} would replace those of --base {base}; give --out another folder")
    if download:
        _download(benchmark, files, model, out)
    built = _build(benchmark, files)
    foils = with_foils(built) if sharpness is not None else []
    results = evaluate_run(model, built, out, label, cache)
    if sharpness is not None:
        add_concept_scores(results.parent, model_folder(model), foils, sharpness)
        if others := {each.name for each in built} - {each.name for each in foils}:
            say(f"Not scored by concepts, for they are no lists of one foil a caption: {', '.join(sorted(others))}.")
    measured = {*(each.name for each in built), *(concept_name(each.name) for each in foils)}
    _print_scores(results.parent, measured)
    notes = _print_notes(results.parent, measured)
    say(f"The results are in {results}.")
    if base is not None:
        from rebind.forgetting import forgetting, forgetting_table

        before = evaluate_base(base, built, results.parent, cache)
        _print_notes(before, {each.name for each in built}, "Of the base: ", said=notes)
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
    from rebind.benchmarks.comparison import compare_runs, comparison_table, incomparable, with_reasons
    from rebind.storage import write_json

    rows = compare_runs(first, second)
    console.print(comparison_table(rows, first.name, second.name))
    if left_out := incomparable(first, second):
        say(f"Left out: {with_reasons(left_out)}.")
    if out is not None:
        write_json(out, [row.as_dict() for row in rows])
        say(f"The differences are in {out}.")


@app.command(context_settings=ANY_OPTION)
def reproduce(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="of a published result; all are listed if none is given")] = None,
    out: Annotated[Path | None, typer.Option(help="folder for results.json; reproduced/NAME if not given")] = None,
    model: Annotated[str | None, typer.Option(help="a copy of the checkpoint; downloaded if not given")] = None,
    download: Annotated[bool, typer.Option("--download", help=DOWNLOAD)] = False,
) -> None:
    """Run the evaluation that should give a published number, and say by how much it differs.

    What the benchmark reads follows as for `rebind eval`, and so does --cache. The exit status is 1 when a number is
    out of tolerance.
    """
    from rebind.reference import reference
    from rebind.reproduce import checkpoint_of, reference_table, reproduction_table
    from rebind.reproduce import reproduce as repeat

    name, files = options(name, context.args)
    if name is None:
        console.print(reference_table())
        return
    out, benchmark = out or Path("reproduced") / name, reference(name).benchmark
    cache = files.pop("cache", None)
    if download:
        _download(benchmark, files, checkpoint_of(name, model), out)
    outcome = repeat(name, out, model, cache, files.get("data_root"), **_paths(benchmark, files)[benchmark])
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

    What the benchmarks read follows as for `rebind eval`, and so does --cache, for the two models themselves. The same
    command continues where it was stopped.
    """
    from rebind.blending import blend as make_blend
    from rebind.blending import blend_table, parse_alphas

    _, files = options(None, context.args)
    cache = files.pop("cache", None)
    built = _build(f"{benchmark},{report}" if report else benchmark, files)
    first = len(benchmark.split(","))
    outcome = make_blend(base, tuned, built[:first], out, parse_alphas(alpha), max_loss, built[first:], cache)
    console.print(blend_table(outcome))
    say(outcome.choice.why)
    say(outcome.caution)
    say(f"The model is in {outcome.model}; the curve is {out / 'curve.png'}.")


def _build(names: str, files: dict[str, Any]) -> list[Benchmark]:
    """The benchmarks, each given those of the files that it reads."""
    from rebind.benchmarks import build_benchmark

    root, paths = files.get("data_root"), _paths(names, files)
    return [build_benchmark(name, root, **paths[name]) for name in _names(names)]


def _download(names: str, files: dict[str, Any], model: str, out: Path | None) -> None:
    """Fetch what the benchmarks lack of the files that are not given by themselves, once the model has been loaded."""
    from rebind.benchmarks.downloading import download, lacking
    from rebind.benchmarks.naming import check_benchmark, kind_of
    from rebind.evaluate import check_model

    given = files.pop("addresses", None), files.get("data_root")
    addresses, root = (None if each is None else Path(str(each)).expanduser() for each in given)
    kinds, paths = {name: kind_of(name) for name in _names(names)}, _paths(names, files)
    if root is None and any(kind.fetch is None for kind in kinds.values()):
        raise UserError("--download needs --data-root ROOT, the folder below which it lays the files")
    if root is not None:
        lacking(kinds, root, paths, addresses)
    for name in kinds:
        check_benchmark(name, root, **paths[name])
    check_model(model, out)
    download(kinds, root, paths, addresses, say)


def _names(names: str) -> list[str]:
    return [name.strip() for name in names.split(",")]


def _paths(names: str, files: dict[str, Any]) -> dict[str, dict[str, str]]:
    """For each benchmark those of the files that it reads: ``--BENCHMARK.FILE``, or ``--FILE`` where that is plain.

    It is where one benchmark reads a file of that name, or all that do have it at the same place below a root.
    """
    from rebind.benchmarks.naming import kind_of

    kinds = {name: kind_of(name) for name in _names(names)}
    found: dict[str, dict[str, str]] = {name: {} for name in kinds}
    for name, own in files.items():
        for file, path in own.items() if isinstance(own, dict) else ():
            if name not in kinds:
                raise UserError(f"{_flag(file, name)} is for {name}, which is not among {names}")
            if file not in kinds[name].files or isinstance(path, dict):
                read = ", ".join(_flag(each, name) for each in kinds[name].files)
                raise UserError(f"{_flag(file, name)} is not read by {name}; it reads {read}, or --data-root")
            found[name][file] = path
    for file, path in files.items():
        if file == "data_root" or isinstance(path, dict):
            continue
        readers = [name for name, kind in kinds.items() if file in kind.files]
        if not readers:
            read = ", ".join(_flag(each) for each in sorted({each for kind in kinds.values() for each in kind.files}))
            raise UserError(f"{_flag(file)} is read by none of {names}; they read {read}, or --data-root")
        lacking = [name for name in readers if file not in found[name]]
        if not lacking:
            flags = " and ".join(_flag(file, name) for name in readers)
            raise UserError(f"{_flag(file)} is given beside {flags}, which leaves nothing for it; leave one out")
        if len({kinds[name].layout.get(file, name) for name in lacking}) != 1:
            flags = " and ".join(f"{_flag(file, name)} PATH" for name in readers)
            raise UserError(f"{_flag(file)} does not say for which of {', '.join(readers)} it is; write {flags}")
        for name in lacking:
            found[name][file] = path
    return found


def _flag(file: str, benchmark: str = "") -> str:
    """How a file is given on the command line."""
    return f"--{benchmark}{'.' if benchmark else ''}{file.replace('_', '-')}"


def _sharpness(given: str | None, model: str) -> float | None:
    """The number that --concept-attention gives, for a model that it may be given for."""
    from rebind.benchmarks.concept_attention import require_image_tokens

    if given is None:
        return None
    try:
        value = float(given)
    except (TypeError, ValueError):
        value = nan
    if not 0 < value < inf:
        raise UserError(f"--concept-attention {given} must be a number above 0: the sharpness of the attention, as 10")
    require_image_tokens(model)
    return value


def _writable_folder(out: Path) -> Path:
    """The folder that --out says, written to for a trial: better now than after hours of embedding."""
    from tempfile import TemporaryFile

    from rebind.storage import disk_errors

    folder = out.parent if out.name == "results.json" and not out.is_dir() else out
    if folder.suffix == ".json" and not folder.is_dir():
        raise UserError(f"--out {out} must be a folder, into which results.json is written; leave out the .json")
    made = [each for each in (folder, *folder.parents) if not each.exists()]
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=folder).close()
    with suppress(OSError):  # another command has begun to write there
        for each in made:
            each.rmdir()
    return folder


def _print_scores(folder: Path, names: set[str]) -> None:
    """What was measured just now, and what others have published of the same."""
    from rebind.benchmarks.results import read_results
    from rebind.benchmarks.score_table import score_table
    from rebind.reports.arms import read_arms
    from rebind.reports.published import print_published

    measured = [score for score in read_results(folder)[1].scores if score.benchmark in names]
    console.print(score_table(measured))
    print_published(read_arms([folder]), console, names)


def _print_notes(folder: Path, names: set[str], whose: str = "", said: Sequence[str] = ()) -> list[str]:
    """What the user should know of the results, but for what is said of other benchmarks or was said already."""
    from rebind.benchmarks.results import read_results

    evaluation = read_results(folder)[1]
    others = tuple(f"{name}: " for name in evaluation.sources.keys() - names)
    notes = [note for note in evaluation.notes if not note.startswith(others) and note not in said]
    for note in notes:
        say(f"{whose}{note}")
    return notes
