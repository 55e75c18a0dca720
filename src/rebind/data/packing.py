"""Any source as WebDataset shards, with the annotations in: written shard by shard, and continued after a crash."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from rebind.data.annotation_files import NEGATIVE_IMAGES, has_annotation, is_begun, write_annotation
from rebind.data.annotations import AnnotatedSource, with_concepts, with_negatives, with_rewrites
from rebind.data.broken import NAMED, kind_of
from rebind.data.members import Made, make_members
from rebind.data.negative_records import as_record
from rebind.data.opening import open_source
from rebind.data.source import Source
from rebind.data.streaming import is_stream, open_stream, samples_at
from rebind.data.writing import open_shard, shard_name
from rebind.storage import atomic_path, only_writer, write_json
from rebind.types import BrokenSample, Sample, UserError

REPORT = "pack.json"
_AT_ONCE = 256  # samples whose pictures are in memory together
_PACKED_FROM = "packed_from"  # a setting of neighbours
_PICTURE_BROKEN = "picture of a negative"

Stored = Iterable[Sample | BrokenSample]


def pack(
    path: str | Path,
    out: str | Path,
    samples_per_shard: int = 10_000,
    with_annotations: bool = True,
    max_side: int | None = None,
    on_shard: Callable[[int], None] = lambda samples: None,
) -> dict[str, Any]:
    """Write a source as WebDataset shards, ``out/shard-00000.tar`` and so on, and a report, ``out/pack.json``.

    A sample has the members ``stem.jpg|png|webp`` with the picture as it is, ``stem.txt`` with the original caption,
    and ``stem.json`` with ``key`` and ``captions`` and, where they are known, ``concepts`` and ``negatives``, whose
    pictures are ``stem.negative-0.jpg`` and so on. The stem is the key, or where the key cannot name a file, ``+`` and
    the number of the sample. Every picture is decoded once: samples whose picture is broken are left out, and counted.

    The bytes depend on the samples and the options alone. When the same command is given again, it goes on after the
    shards that are written, and writes anew those that have changed since: their texts, which negatives have a picture,
    and how these were drawn. Those of samples that are gone are removed. The annotation ``neighbours`` goes
    into ``out/annotations``, without the samples that are left out.

    Args:
        path: as for :func:`rebind.data.streaming.stream_samples`.
        out: a new folder, or one that this function has written to.
        samples_per_shard: samples of the source for each shard; broken ones count, too.
        with_annotations: take in the concepts, negatives, their pictures and the rewrites (as captions) that lie
            beside the source. A stream has only what it brings itself.
        max_side: pictures with a longer side are scaled down to so many pixels, and saved as JPEG of quality 95.
        on_shard: called after each shard with the number of samples in all that are written.

    Returns:
        The report: ``samples`` written, ``broken`` (reason -> count), ``examples`` of these, ``skipped``, ``shards``
        and the options.

    Raises:
        UserError: when the source cannot be opened, or ``out`` holds something else, was packed from another source or
            with other options, or cannot be written to.
    """
    for name, value in (("samples_per_shard", samples_per_shard), ("max_side", max_side)):
        if value is not None and value < 1:
            raise UserError(f"{name} must be at least 1, not {value}")
    path, out = Path(path), Path(out)
    source, neighbours = (None, None) if is_stream(path) else _open(path, with_annotations)
    settings = {
        "source": str(path.resolve()),
        "source_samples": None if source is None else len(source),
        "samples_per_shard": samples_per_shard,
        "with_annotations": with_annotations,
        "max_side": max_side,
    }
    with only_writer(out):
        progress = _Progress.open(out, settings, on_shard)
        make = partial(make_members, with_annotations=with_annotations, max_side=max_side)
        if source is None:
            _pack_stream(path, progress, make)
        else:
            _pack_source(source, neighbours, progress, make)
        return progress.finish(source)


@dataclass
class _Progress:
    """The report as it grows: what each shard was made of, and what was counted."""

    out: Path
    settings: dict[str, Any]
    on_shard: Callable[[int], None]
    shards: list[dict[str, Any]] = field(default_factory=list)
    finished: bool = False

    @classmethod
    def open(cls, out: Path, settings: dict[str, Any], on_shard: Callable[[int], None]) -> _Progress:
        """Claim a folder for a source and options."""
        file = out / REPORT
        left = [path for name in (REPORT, "shard-*.tar") for path in out.glob(f".{name}.*.partial")]  # of the killed
        report = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        if not report.keys() >= settings.keys() and set(out.iterdir()) - set(left):
            raise UserError(f"{out} holds files that were not packed here; choose another folder or empty it")
        begun = any(out.glob("shard-*.tar"))  # what failed before its first shard has claimed nothing
        for name in sorted(settings.keys() - {"source_samples"}) if begun else ():
            if report.get(name) != settings[name]:
                raise UserError(
                    f"{out} was packed with {name}: {report.get(name)}, and now it is {settings[name]}; choose another "
                    "folder"
                )
        for path in left:
            path.unlink()
        if begun:
            return cls(out, settings, on_shard, report["shards"], report["finished"])
        progress = cls(out, settings, on_shard)
        progress.save()
        return progress

    @property
    def size(self) -> int:
        """Samples of the source for each shard."""
        return self.settings["samples_per_shard"]

    @property
    def samples(self) -> int:
        """How many samples are written."""
        return sum(shard["samples"] for shard in self.shards)

    def is_current(self, number: int, made_of: str | None) -> bool:
        """Whether a shard is there, made of these texts (of any if None)."""
        there = number < len(self.shards) and (self.out / shard_name(number)).is_file()
        return there and made_of in (None, self.shards[number]["made_of"])

    def write(self, number: int, samples: Stored, made_of: str | None, make: Callable[..., Made]) -> None:
        """Write a shard, then that it is there."""
        broken: Counter[str] = Counter()
        examples: list[dict[str, str]] = []
        written = 0
        with atomic_path(self.out / shard_name(number)) as temporary, open_shard(temporary) as add:
            for made in _in_threads(make, enumerate(samples, start=number * self.size)):
                for each in made.broken:
                    broken[_PICTURE_BROKEN if made.members else kind_of(each.reason)] += 1
                    examples.append({"key": each.key, "reason": each.reason})
                for name, content in made.members:
                    add(name, content)
                written += bool(made.members)
        record = {"made_of": made_of, "samples": written, "broken": dict(broken), "examples": examples[:NAMED]}
        self.shards[number : number + 1] = [record]
        self.save()
        self.on_shard(self.samples)

    def save(self) -> None:
        """Write what is there so far, as a report that is not finished."""
        write_json(self.out / REPORT, {**self.settings, "finished": False, "shards": self.shards})

    def cut(self, count: int) -> None:
        """Remove the shards beyond ``count``, whose samples are gone from the source, and first that they are there."""
        numbered = ((shard, shard.stem.removeprefix("shard-")) for shard in self.out.glob("shard-*.tar"))
        surplus = [shard for shard, number in numbered if number.isdecimal() and int(number) >= count]
        del self.shards[count:]
        if surplus:
            self.save()
        for shard in surplus:
            shard.unlink()

    def finish(self, source: Source | None) -> dict[str, Any]:
        """Sum up; what the source itself lacks is added to what is broken."""
        incomplete = source.broken if source is not None else ()
        broken = Counter(kind_of(one.reason) for one in incomplete)
        for shard in self.shards:
            broken += Counter(shard["broken"])
        named = [{"key": one.key, "reason": one.reason} for one in incomplete[:NAMED]]
        report = {
            **self.settings,
            "finished": True,
            "samples": self.samples,
            "broken": dict(broken.most_common()),
            "examples": (named + [one for shard in self.shards for one in shard["examples"]])[:NAMED],
            "skipped": dict(source.skipped) if source is not None else {},
            "shards": self.shards,
        }
        write_json(self.out / REPORT, report)
        return report


def _open(path: Path, with_annotations: bool) -> tuple[Source, np.ndarray | None]:
    """The source with all annotations that lie beside it, and the rows of neighbours if these do."""
    source, neighbours = open_source(path), None
    if with_annotations:
        if has_annotation(source, "neighbours"):
            from rebind.data.neighbours import read_neighbours  # brings torch, which packing does without

            neighbours = read_neighbours(source)
        if has_annotation(source, "rewrites"):
            source = with_rewrites(source)
        if has_annotation(source, "concepts"):
            source = with_concepts(source)
        if has_annotation(source, "negatives"):
            source = with_negatives(source, with_images=is_begun(source.annotations / NEGATIVE_IMAGES))
    return source, neighbours


def _pack_source(source: Source, neighbours: np.ndarray | None, progress: _Progress, make: Callable[..., Made]) -> None:
    progress.cut(-(-len(source) // progress.size))
    for number, first in enumerate(range(0, len(source), progress.size)):
        rows = range(first, min(first + progress.size, len(source)))
        made_of = _fingerprint(source, rows)
        if not progress.is_current(number, made_of):
            progress.write(number, samples_at(source, rows), made_of, make)
    if neighbours is not None and progress.samples:
        _write_neighbours(source, neighbours, progress.out)
    else:
        _remove_neighbours(progress.out)


def _write_neighbours(source: Source, neighbours: np.ndarray, out: Path) -> None:
    """Beside the shards, not in them: they are read all at once or not at all, and name the keys of other samples."""
    packed = open_source(out)
    keys, kept = list(source.keys), frozenset(packed.keys)
    lines = (
        (key, [keys[other] for other in others if other >= 0 and keys[other] in kept])
        for key, others in zip(keys, neighbours.tolist(), strict=True)
        if key in kept
    )
    write_annotation(packed, "neighbours", lines, {_PACKED_FROM: str(source.path.resolve())})


def _remove_neighbours(out: Path) -> None:
    """Those that an earlier run has written, not those that were found of the shards themselves."""
    settings, lines = (out / "annotations" / f"neighbours.{suffix}" for suffix in ("settings.json", "jsonl"))
    if settings.is_file() and _PACKED_FROM in json.loads(settings.read_text(encoding="utf-8")):
        lines.unlink(missing_ok=True)
        settings.unlink()


def _pack_stream(path: Path, progress: _Progress, make: Callable[..., Made]) -> None:
    number = 0
    while progress.is_current(number, None):
        number += 1
    if progress.finished and number == len(progress.shards):
        return
    rest = open_stream(path, number * progress.size)
    for first in rest:
        progress.write(number, chain([first], islice(rest, progress.size - 1)), None, make)
        number += 1
    progress.cut(number)


def _fingerprint(source: Source, rows: Iterable[int]) -> str:
    """Differs when a text of the samples does, or which of their negatives have a picture, or how these were drawn.

    Pictures are not read for it.
    """
    digest = blake2b(digest_size=16)
    joined = source if isinstance(source, AnnotatedSource) else None
    drawn_with = source.annotations / NEGATIVE_IMAGES / "settings.json"
    if joined is not None and drawn_with.is_file():
        digest.update(drawn_with.read_bytes())
    for row in rows:
        negatives = [as_record(each) for each in source.negatives(row, with_images=False)]
        pictured = [] if joined is None else joined.pictured(row)
        texts = [source.keys[row], source.captions(row), source.concepts(row), negatives, pictured]
        digest.update(json.dumps(texts).encode())
    return digest.hexdigest()


def _in_threads(make: Callable[..., Made], samples: Iterable[tuple[int, Sample | BrokenSample]]) -> Iterator[Made]:
    """Decoding leaves Python's lock free, so threads are enough to keep all cores busy."""
    samples = iter(samples)
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        while block := list(islice(samples, _AT_ONCE)):
            yield from threads.map(lambda each: make(*each), block)
