"""The table of published numbers and how to find a measured one's like in it."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from rebind.types import UserError

Key = tuple[str, str, str]


@dataclass(frozen=True)
class PublishedNumber:
    """One number as it stands in a paper or a result table.

    Attributes:
        name: what the source calls it.
        metrics: the metrics that it is the mean of.
        value: in per cent.
        splits: the splits that it is the mean of; empty when the benchmark has a single one.
        n: items behind it, where the source or the benchmark's own files say so.
    """

    name: str
    metrics: tuple[str, ...]
    value: float
    splits: tuple[str, ...] = ()
    n: int | None = None

    def keys(self, benchmark: str, among: Collection[Key]) -> tuple[Key, ...] | None:
        """The (benchmark, split, metric) it is the plain mean of; None unless all of them are among those given."""
        splits = self.splits or sorted({key[1] for key in among if key[0] == benchmark and key[2] in self.metrics})
        wanted = tuple((benchmark, split, metric) for split in splits for metric in self.metrics)
        whole = all(key in among for key in wanted) and len(splits) == (len(self.splits) or 1)
        return wanted if whole else None


@dataclass(frozen=True)
class Reference:
    """The numbers that one source gives for one model on one benchmark.

    Attributes:
        name: ``MODEL/BENCHMARK``.
        model: what people call it.
        checkpoint: its name on the Hugging Face hub; None where none that rebind loads is known.
        benchmark: name of rebind's benchmark.
        source: paper or table.
        protocol: how it was measured.
        tolerance: how many points a faithful repetition may differ.
        numbers: one or more.
    """

    name: str
    model: str
    checkpoint: str | None
    benchmark: str
    source: str
    protocol: str
    tolerance: float
    numbers: tuple[PublishedNumber, ...]


@cache
def references() -> dict[str, Reference]:
    """All published numbers by name, in the order of the table."""
    table = yaml.safe_load(files("rebind.reference").joinpath("published.yaml").read_text(encoding="utf-8"))
    return {name: _reference(name, row, table) for name, row in table["references"].items()}


def reference(name: str) -> Reference:
    """One of them.

    Raises:
        UserError: when there is none of that name; names those that are spelled alike.
    """
    known = references()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5) or list(known)[:3]
        raise UserError(
            f'there is no published number "{name}"; perhaps {" or ".join(near)}: `rebind reproduce` lists them'
        )
    return known[name]


def _reference(name: str, row: dict[str, Any], table: dict[str, Any]) -> Reference:
    model_name, _, benchmark = name.partition("/")
    model, source = table["models"][model_name], table["sources"][row["source"]]
    numbers = []
    for measure, value in row["numbers"].items():
        what = table["measures"][benchmark][measure]
        splits, metrics = tuple(what.get("splits", ())), tuple(what["metrics"])
        numbers.append(PublishedNumber(measure, metrics, value, splits, what.get("n")))
    return Reference(
        name=name,
        model=model["title"],
        checkpoint=model.get("checkpoint"),
        benchmark=benchmark,
        source=source["text"],
        protocol=" ".join(part for part in (source["protocol"], model.get("note")) if part),
        tolerance=source["tolerance"],
        numbers=tuple(numbers),
    )
