"""What is known of a benchmark before its files are read: what it measures, what it wants and where to get that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from rebind.benchmarks.contract import Benchmark


@dataclass(frozen=True)
class BenchmarkKind:
    """A benchmark that can be built by name.

    Attributes:
        measures: in one sentence.
        files: what it reads: name of each file or folder → what must be there.
        build: takes those by name.
        source: where users get the files.
        layout: name of each file or folder → where it lies below a ``--data-root``.
        items: how many items the official files hold; None where that depends on the files.
    """

    measures: str
    files: dict[str, str]
    build: Callable[..., Benchmark]
    source: str = ""
    layout: dict[str, str] = field(default_factory=dict)
    items: int | None = None
