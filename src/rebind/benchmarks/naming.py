"""Benchmarks by name, and the files that each of them reads."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path

from rebind.benchmarks import (
    aro,
    aro_order,
    colorswap,
    crepe,
    eqben,
    foil_lists,
    labelled_datasets,
    mmvp_vlm,
    recognition,
    retrieval_sets,
    spec,
    sugarcrepe_pp,
    svo_probes,
    valse,
    vl_checklist,
    whatsup,
    winoground,
)
from rebind.benchmarks.contract import Benchmark
from rebind.benchmarks.coverage import item_counts
from rebind.benchmarks.downloading.addresses import missing, read_sources
from rebind.benchmarks.foils import SUGARCREPE, FoilBenchmark, read_foils
from rebind.benchmarks.kinds import BenchmarkKind
from rebind.benchmarks.retrieval import read_retrieval
from rebind.benchmarks.world import read_world, test_folder
from rebind.benchmarks.zero_shot import read_zero_shot
from rebind.types import Score, UserError

_FOIL_FILES = {
    "annotations": "folder of CATEGORY.json files in the format of SugarCrepe",
    "images": "folder that their file names are relative to",
}

BENCHMARKS: dict[str, BenchmarkKind] = {
    "world": BenchmarkKind(
        "binding, retrieval, zero-shot and retention in the built-in world",
        {"data": "folder written by `rebind world`"},
        lambda data: read_world(data),
        layout={"data": "world"},
        annotations=lambda data: [test_folder(data)],
    ),
    "sugarcrepe": BenchmarkKind(
        "whether a caption beats a fluent foil: objects, attributes and relations replaced, swapped or added",
        _FOIL_FILES,
        lambda annotations, images: FoilBenchmark("sugarcrepe", read_foils(annotations, images, SUGARCREPE)),
        "https://github.com/RAIVNLab/sugar-crepe (data/), and COCO's val2017 images, https://cocodataset.org",
        {"annotations": "sugarcrepe", "images": "coco/val2017"},
        7511,
    ),
    **sugarcrepe_pp.KINDS,
    **winoground.KINDS,
    **aro.KINDS,
    **aro_order.KINDS,
    **whatsup.KINDS,
    **valse.KINDS,
    **colorswap.KINDS,
    **svo_probes.KINDS,
    **mmvp_vlm.KINDS,
    **eqben.KINDS,
    **crepe.KINDS,
    **vl_checklist.KINDS,
    **spec.KINDS,
    **retrieval_sets.KINDS,
    **recognition.KINDS,
    **labelled_datasets.KINDS,
    "foils": BenchmarkKind(
        "whether a caption beats a foil of your own, as `rebind foils` writes them",
        _FOIL_FILES,
        lambda annotations, images: FoilBenchmark("foils", read_foils(annotations, images)),
    ),
    **foil_lists.KINDS,
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


def build_benchmark(name: str, data_root: str | Path | None = None, **files: str | Path) -> Benchmark:
    """Build a benchmark of :data:`BENCHMARKS` from its files.

    Args:
        name: one of :data:`BENCHMARKS`.
        data_root: folder in which files that are not given lie at the places of the benchmark's ``layout``.
        files: the files and folders that the benchmark reads, by name; may be left out where ``build`` has a default.

    Example:
        >>> build_benchmark("sugarcrepe", annotations="sugarcrepe/data", images="coco/val2017")  # doctest: +SKIP
        >>> build_benchmark("winoground", data_root="benchmarks")  # doctest: +SKIP

    Raises:
        UserError: when the name is unknown, a file is not given, not there, or one too many, or its content is wrong.
    """
    kind = kind_of(name)
    found, words = _read_by(name, data_root, files)
    _require(name, kind.files, found, words, data_root, files)
    benchmark = kind.build(**found, **words)
    # Beside the fields, by which items are told apart: the same items may have been read from other files.
    read = kind.annotations(**found) if kind.annotations else [found[each] for each in found if each != "images"]
    object.__setattr__(benchmark, "files", tuple(read))
    return benchmark


def check_benchmark(name: str, data_root: str | Path | None = None, **files: str | Path) -> None:
    """Find out that a benchmark cannot be built whatever is downloaded: before it is.

    Args:
        name: as for :func:`build_benchmark`.
        data_root: below which files may be missing still.
        files: as for :func:`build_benchmark`; must be there.

    Raises:
        UserError: when a file is not given and will not be below the root, or a package that is needed is missing.
    """
    kind = kind_of(name)
    found, words = _read_by(name, data_root, files)
    later = set() if data_root is None else kind.layout.keys() - files.keys()
    _require(name, [each for each in kind.files if each not in later], found, words, data_root, files)
    if kind.check is not None:
        kind.check(**{each: path for each, path in found.items() if path.exists()})


def _read_by(
    name: str, data_root: str | Path | None, files: Mapping[str, str | Path]
) -> tuple[dict[str, Path], dict[str, str]]:
    """Those of the files of a benchmark that are given or lie below the root, by name; and the words."""
    kind = kind_of(name)
    for each in files:
        if each not in kind.files:
            raise UserError(f'benchmark {name} does not read "{each}"; it reads {", ".join(kind.files)}')
    placed = {}
    if data_root is not None:
        places = {each: Path(data_root).expanduser() / place for each, place in kind.layout.items()}
        placed = {each: path for each, path in places.items() if each not in kind.optional or path.exists()}
    words = {each: str(files[each]) for each in kind.words & files.keys()}
    found = {each: Path(str(path)).expanduser() for each, path in {**placed, **files}.items() if each not in words}
    return found, words


def _require(
    name: str,
    wanted: Iterable[str],
    found: Mapping[str, Path],
    words: Mapping[str, str],
    data_root: str | Path | None,
    files: Collection[str],
) -> None:
    """Refuse files of a benchmark that are not given or not there."""
    kind = kind_of(name)
    for each in wanted:
        if each not in {**found, **words} and each not in kind.optional:
            raise UserError(f'benchmark {name} needs "{each}": {kind.files[each]}{_origin(kind, data_root, files)}')
        if each in found and not found[each].exists():
            raise UserError(
                f'benchmark {name}: "{each}" is {found[each]}, which does not exist; expected a {kind.files[each]}'
                f"{_origin(kind, data_root, files)}"
            )


def count_notes(scores: Iterable[Score]) -> list[str]:
    """One sentence for each benchmark that was read with more or fewer items than its official files hold."""
    counts = {name: count for name, count in item_counts(scores).items() if name in BENCHMARKS}
    official = {name: BENCHMARKS[name].items or count for name, count in counts.items()}
    return [
        f"{name}: {count:,} items, the official files have {official[name]:,}"
        for name, count in counts.items()
        if count != official[name]
    ]


def kind_of(name: str) -> BenchmarkKind:
    """The benchmark of that name.

    Raises:
        UserError: when there is none; names that are near are said.
    """
    if name not in BENCHMARKS:
        near = get_close_matches(name, BENCHMARKS, n=3)
        guess = f"did you mean {' or '.join(near)}? " if near else ""
        raise UserError(f'there is no benchmark "{name}"; {guess}`rebind eval --list` lists them all')
    return BENCHMARKS[name]


def _origin(kind: BenchmarkKind, data_root: str | Path | None, given: Collection[str]) -> str:
    """Where what is missing is found, for the end of a sentence."""
    root = None if data_root is None else Path(data_root).expanduser()
    offer = missing(kind, read_sources(), root, given).offer
    add = f"; or add {'' if root else '--data-root ROOT '}--download ({offer})" if offer else ""
    return f"; get it from {kind.source}{add}" if kind.source else ""


def describe(name: str) -> str:
    """What a benchmark measures, reads and where that is found, in a few lines for people.

    Raises:
        KeyError: when the name is not one of :data:`BENCHMARKS`.
    """
    kind = BENCHMARKS[name]
    count = f"{kind.items:,}" if kind.items else ""
    lines = [f"{name}: {kind.measures}" + (f" ({count} items)" if count not in kind.measures else "")]
    for file, meaning in kind.files.items():
        place = f" [ROOT/{kind.layout[file]}]" if file in kind.layout else ""
        lines.append(f"  --{file.replace('_', '-')}: {meaning}{place}")
    if kind.source:
        lines.append(f"  from: {kind.source}")
    if offer := missing(kind, read_sources()).offer:
        lines.append(f"  --download: {offer}")
    return "\n".join(lines)
