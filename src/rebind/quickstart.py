"""The whole story on the built-in world: pre-train, tune in several ways at equal steps, evaluate, report."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from rebind.annotate import annotate_concepts
from rebind.engine import Workforce
from rebind.reports import write_report
from rebind.training import Recipe, load_recipe
from rebind.training.metrics_file import read_metrics
from rebind.types import UserError
from rebind.world import WorldSettings, read_world_settings, write_world

FIRST_SEED = 11  # of the tuning; the recipes were chosen on smaller ones
WORLD_SEED = 3
PRETRAINING = "world-pretrain"
# What the pre-trained model is tuned with: recipes of the world by their short names, the longest first; and whether it
# is if nothing else is asked for. C2LIP's terms alone explain, they do not compete.
OBJECTIVES = {
    "c2lip": True,
    "tripletclip": True,
    "npc": False,
    "xac": False,
    "negclip": True,
    "clip": True,
    "siglip": True,
}


@dataclass(frozen=True)
class QuickstartSettings:
    """How large the quick start is.

    Attributes:
        out: folder for the world, the runs and the report.
        seeds: how many times the pre-trained model is tuned in every way.
        jobs: processes, one thread each.
        steps: of tuning, in place of the recipes'.
        pretrain_steps: of pre-training, likewise.
        scenes: for pre-training and for tuning, each.
        test_scenes: for the benchmark.
        objectives: what to tune with; if None, what ``OBJECTIVES`` says.
    """

    out: Path
    seeds: int = 3
    jobs: int = 2
    steps: int | None = None
    pretrain_steps: int | None = None
    scenes: int = 20_000
    test_scenes: int = 1_000
    objectives: tuple[str, ...] | None = None

    @property
    def arms(self) -> list[str]:
        """What to tune with, the longest first.

        Raises:
            UserError: when there is no such recipe.
        """
        for name in self.objectives or ():
            if name not in OBJECTIVES:
                raise UserError(f"the quick start knows no objective {name!r}; it knows {', '.join(OBJECTIVES)}")
        wanted = self.objectives or [name for name, by_default in OBJECTIVES.items() if by_default]
        return [name for name in OBJECTIVES if name in wanted]


def run_quickstart(settings: QuickstartSettings, console: Console) -> tuple[list[Path], Path]:
    """Run everything that has not been run yet; a quick start that was killed continues.

    Returns:
        The folders of the runs, and the report's page.

    Raises:
        UserError: when an objective is unknown, or ``out`` cannot be written to or holds the world of another quick
            start.
    """
    arms = settings.arms
    world = settings.out / "world"
    with console.status("writing the world and reading concepts from its captions"):
        _prepare(world, settings)
    recipes = _recipes(world, settings, arms)
    _run_all(recipes, world, settings.jobs, console)
    runs = [recipe.out for recipe in recipes]
    with console.status("writing the report"):
        page = write_report(runs, settings.out / "report.html")
    return runs, page


def _prepare(world: Path, settings: QuickstartSettings) -> None:
    wanted = WorldSettings(settings.scenes, settings.test_scenes, settings.scenes, WORLD_SEED, format="shards")
    if not world.is_dir():
        write_world(world, wanted)
    elif read_world_settings(world) != wanted:
        raise UserError(f"{world} is a world of other settings; choose another --out or remove it")
    annotate_concepts(world / "train", workforce=Workforce(jobs=settings.jobs))


def _recipes(world: Path, settings: QuickstartSettings, arms: list[str]) -> list[Recipe]:
    """One pre-trained model, as a checkpoint that people start from is one; the seeds are those of the tuning."""
    base = settings.out / "runs" / "base"
    changes: dict[str, Any] = {"data": world / "pretrain", "out": base}
    if settings.pretrain_steps:
        changes["steps"] = settings.pretrain_steps
    recipes = [load_recipe(PRETRAINING, changes)]
    for name in arms:
        for seed in range(FIRST_SEED, FIRST_SEED + settings.seeds):
            run = settings.out / "runs" / f"{name}-seed{seed}"
            changes = {"data": world / "train", "out": run, "seed": seed, "model": str(base / "model")}
            if settings.steps:
                changes["steps"] = settings.steps
            recipes.append(load_recipe(f"world-{name}", changes))
    return recipes


def _run_all(recipes: list[Recipe], world: Path, jobs: int, console: Console) -> None:
    """Train and evaluate, each run in a worker process as soon as the model that it starts from is there."""
    waiting = list(recipes)
    running: dict[Future[None], Recipe] = {}
    trained: set[str] = set()
    with _one_thread_each(), _pool(jobs) as pool, _progress(console) as progress:
        tasks = {
            recipe.out: progress.add_task(recipe.out.name, total=recipe.steps, visible=False) for recipe in recipes
        }
        total = progress.add_task("[bold]all runs", total=sum(recipe.steps or 0 for recipe in recipes))
        while waiting or running:
            for recipe in [each for each in waiting if _can_start(each, recipes, trained)]:
                waiting.remove(recipe)
                running[pool.submit(train_and_evaluate, recipe, world)] = recipe
            finished, _ = wait(running, timeout=1.0, return_when=FIRST_COMPLETED)
            for future in finished:
                future.result()
                trained.add(str(running.pop(future).out / "model"))
            done = {recipe.out: _steps_done(recipe) for recipe in recipes}
            for recipe in recipes:
                active = 0 < done[recipe.out] < (recipe.steps or 0)
                progress.update(tasks[recipe.out], completed=done[recipe.out], visible=active)
            progress.update(total, completed=sum(done.values()))


def _can_start(recipe: Recipe, recipes: list[Recipe], trained: set[str]) -> bool:
    made_here = {str(each.out / "model") for each in recipes}
    return recipe.model not in made_here or recipe.model in trained


def _steps_done(recipe: Recipe) -> int:
    rows = read_metrics(recipe.out / "metrics.jsonl")
    return int(rows[-1]["step"]) if rows else 0


def train_and_evaluate(recipe: Recipe, world: Path) -> None:
    """One run in a worker process; what is done already is not done again."""
    from rebind.benchmarks import build_benchmark
    from rebind.evaluate import evaluate_run
    from rebind.training.run import train

    train(recipe, show_progress=False)
    if not (recipe.out / "results.json").is_file():
        evaluate_run(str(recipe.out), [build_benchmark("world", data=world)], None, None)


def _pool(jobs: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"), initializer=_end_with_parent)


def _end_with_parent() -> None:
    """Stop this worker when the quick start is killed: one started again would train the same runs beside it."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Set the environment in which workers start: one thread, and memory that is kept for the next step.

    Small operations run slower on many threads than on one; giving memory back after each step costs a tenth of it.
    """
    wanted = {"OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 32)}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _progress(console: Console) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("steps"),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=console)
