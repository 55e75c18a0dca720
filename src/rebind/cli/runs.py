"""Commands that make, measure and compare models."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from rebind.cli.application import app, console, say
from rebind.cli.overrides import overrides
from rebind.types import UserError


@app.command()
def quickstart(
    out: Annotated[Path, typer.Option(help="folder for the world, the runs and the report")] = Path("quickstart"),
    seeds: Annotated[int, typer.Option(help="how many seeds to train side by side", min=1)] = 3,
    jobs: Annotated[int | None, typer.Option(help="processes; one for each processor core if not given")] = None,
    steps: Annotated[int | None, typer.Option(help="tuning steps; the recipes' own if not given", min=1)] = None,
    pretrain_steps: Annotated[int | None, typer.Option(help="pre-training steps, likewise", min=1)] = None,
    scenes: Annotated[int, typer.Option(help="training scenes", min=256)] = 20_000,
    test_scenes: Annotated[int, typer.Option(help="test scenes", min=10)] = 1_000,
    objectives: Annotated[
        str | None, typer.Option(help="what to tune with, separated by commas: siglip,negclip,tripletclip,c2lip …")
    ] = None,
) -> None:
    """The whole story on the built-in world: pre-train, tune with every objective, evaluate, report."""
    from rebind.quickstart import QuickstartSettings, run_quickstart

    names = None if objectives is None else tuple(name.strip() for name in objectives.split(","))
    jobs = jobs or os.cpu_count() or 1
    settings = QuickstartSettings(out, seeds, jobs, steps, pretrain_steps, scenes, test_scenes, names)
    runs, page = run_quickstart(settings, console)
    _print_outcome(runs, page)


@app.command()
def world(
    out: Annotated[Path, typer.Option(help="folder to write; must not exist yet, or be empty")],
    train: Annotated[int, typer.Option(help="tuning scenes")] = 20_000,
    test: Annotated[int, typer.Option(help="test scenes")] = 1_000,
    pretrain: Annotated[int | None, typer.Option(help="pre-training scenes; as many as --train if not given")] = None,
    seed: Annotated[int, typer.Option(help="everything in the world follows from it")] = 0,
    picture_size: Annotated[int, typer.Option(help="pixels a side")] = 48,
    format: Annotated[str, typer.Option(help="of the training data: folder or shards")] = "folder",
    negatives: Annotated[str, typer.Option(help="families of hard negatives")] = "replace_att,replace_obj",
) -> None:
    """Write the built-in scenes: training data, foils, retrieval, zero-shot classes, retention."""
    from rebind.world import WorldSettings, write_world

    families = tuple(family for family in negatives.split(",") if family)
    write_world(out, WorldSettings(train, test, pretrain, seed, picture_size, format, families))  # type: ignore[arg-type]
    say(f"The world is in {out}.")


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def train(
    context: typer.Context,
    recipe: Annotated[str | None, typer.Argument(help="a .yaml file or the name of a built-in recipe")] = None,
    show_settings: Annotated[bool, typer.Option("--settings", help="list all settings and recipes, and stop")] = False,
) -> None:
    """Train from a recipe; every setting is also a flag: --model M --data D --objective c2lip --out O.

    `rebind train --settings` lists them. One of the objective is given as --objective-settings.concept_weight 4, a sum
    of objectives as --objective.c2lip 1 --objective.distillation 0.5. The same command continues a run that was stopped
    or killed; torchrun and accelerate launch start it on many processes.
    """
    from rebind.training import load_recipe

    if show_settings:
        _print_settings()
        return
    arguments = list(context.args)
    if recipe is not None and recipe.startswith("-"):  # click takes the first unknown flag for the argument
        arguments, recipe = [recipe, *arguments], None
    loaded = load_recipe(recipe, overrides(arguments))
    from rebind.distributed import leave_processes
    from rebind.training.run import train as run

    try:
        model = run(loaded)
    except KeyboardInterrupt:
        say("Stopped. The same command continues from the last checkpoint.")
        raise typer.Exit(130) from None
    leave_processes()
    if os.environ.get("RANK", "0") == "0":
        say(f"The model is in {model}; what happened on the way is in {loaded.out / 'summary.json'}.")


@app.command()
def report(
    runs: Annotated[list[Path], typer.Argument(help="folders with results.json")],
    out: Annotated[Path, typer.Option(help="the page")] = Path("report.html"),
    title: Annotated[str | None, typer.Option(help="of the page")] = None,
) -> None:
    """Lay runs side by side: one page that needs no network, and the table on the screen."""
    from rebind.reports import write_report

    _print_outcome(runs, write_report(runs, out, title))


@app.command()
def score(
    model: Annotated[str, typer.Argument(help="a run's folder, a model folder, a hub name or open_clip:NAME")],
    image: Annotated[Path, typer.Argument(help="a picture")],
    captions: Annotated[list[str], typer.Argument(help="what it may show")],
) -> None:
    """Rank captions by how well they fit a picture."""
    from rebind.data.broken import BrokenImageError
    from rebind.data.images import decode_image
    from rebind.evaluate import model_folder
    from rebind.models import PrecomputedEmbeddings, load_encoder
    from rebind.models.scoring import score_captions

    if not image.is_file():
        raise UserError(f"the picture {image} does not exist")
    try:
        picture = decode_image(image)
    except BrokenImageError as error:
        raise UserError(f"the picture {image} cannot be read: {error}") from None
    encoder = load_encoder(model_folder(model))
    if isinstance(encoder, PrecomputedEmbeddings):
        raise UserError(f"{model} is no model that could see a new picture; score it with `rebind eval`")
    table = Table("caption", "cosine", "probability")
    for row in score_captions(encoder, picture, captions):
        table.add_row(
            Text(row.caption), f"{row.cosine:.4f}", "–" if row.probability is None else f"{row.probability:.1%}"
        )
    console.print(table)


def _print_settings() -> None:
    from rebind.training import Recipe, recipe_names

    say(f"Built-in recipes: {', '.join(recipe_names())}\n")
    table = Table("setting", "default", "meaning")
    for name, setting in Recipe.model_fields.items():
        default = "(required)" if setting.is_required() else str(setting.get_default(call_default_factory=True))
        table.add_row(Text(f"--{name.replace('_', '-')}", no_wrap=True), default, setting.description or "")
    console.print(table)


def _print_outcome(runs: list[Path], page: Path) -> None:
    from rebind.reports import print_table, verdict

    print_table(runs, console)
    console.print(f"\n{verdict(runs)}\n", markup=False, highlight=False)
    say(f"The page is {page.resolve()}")
