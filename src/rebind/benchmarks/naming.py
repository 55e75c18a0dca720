"""Benchmarks by name, and the files that each of them reads."""

from __future__ import annotations

from pathlib import Path

from rebind.benchmarks.contract import Benchmark
from rebind.benchmarks.foils import FoilBenchmark, read_foils
from rebind.benchmarks.kinds import BenchmarkKind
from rebind.benchmarks.retrieval import read_retrieval
from rebind.benchmarks.world import read_world
from rebind.benchmarks.zero_shot import read_zero_shot
from rebind.types import UserError


def _foils(name: str, measures: str, source: str = "") -> BenchmarkKind:
    return BenchmarkKind(
        measures,
        {
            "annotations": "folder of CATEGORY.json files in the format of SugarCrepe",
            "images": "folder that their file names are relative to",
        },
        lambda annotations, images: FoilBenchmark(name, read_foils(annotations, images)),
        source,
    )


BENCHMARKS: dict[str, BenchmarkKind] = {
    "world": BenchmarkKind(
        "binding, retrieval, zero-shot and retention in the built-in world",
        {"data": "folder written by `rebind world`"},
        lambda data: read_world(data),
    ),
    "sugarcrepe": _foils(
        "sugarcrepe",
        "whether a caption beats a fluent foil: objects, attributes and relations replaced, swapped or added",
        "https://github.com/RAIVNLab/sugar-crepe (data/) and COCO's val2017 images",
    ),
    "foils": _foils("foils", "the same on foils of your own, as `rebind foils` writes them"),
    "retrieval": BenchmarkKind(
        "finding the caption of an image and the image of a caption among all",
        {"data": "source of captioned images"},
        lambda data: read_retrieval(data),
    ),
    "zero_shot": BenchmarkKind(
        "naming the class of an image",
        {"data": "folder with classes.json, labels.jsonl and the images"},
        lambda data: read_zero_shot(data),
    ),
}


def build_benchmark(name: str, **files: str | Path) -> Benchmark:
    """Build a benchmark of :data:`BENCHMARKS` from its files.

    Example:
        >>> build_benchmark("sugarcrepe", annotations="sugarcrepe/data", images="coco/val2017")  # doctest: +SKIP

    Raises:
        UserError: when the name is unknown, a file is not given, not there, or one too many, or its content is wrong.
    """
    if name not in BENCHMARKS:
        raise UserError(f'there is no benchmark "{name}"; choose one of {", ".join(sorted(BENCHMARKS))}')
    kind = BENCHMARKS[name]
    for each in files:
        if each not in kind.files:
            raise UserError(f'benchmark {name} does not read "{each}"; it reads {", ".join(kind.files)}')
    for each, meaning in kind.files.items():
        if each not in files:
            raise UserError(f'benchmark {name} needs "{each}": {meaning}')
        if not Path(files[each]).expanduser().exists():
            raise UserError(f'benchmark {name}: "{each}" is {files[each]}, which does not exist; expected a {meaning}')
    return kind.build(**{each: Path(path).expanduser() for each, path in files.items()})
