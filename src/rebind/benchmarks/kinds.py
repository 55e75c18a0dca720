"""What is known of a benchmark before its files are read: what it measures, what it wants and where to get that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from inspect import Parameter, signature
from pathlib import Path

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
        words: those of ``files`` that ``build`` takes as texts, rather than as paths that must be there.
        fetch: fetches what is named in the words, given a function that prints a line and the ``files``; None where
            only what is missing of the ``layout`` can be downloaded.
        annotations: the annotation files, and folders that hold nothing else of that sort, given the ``files``; None
            where these are the ``files`` but for ``images``.
        check: given those of the ``files`` that are there, refuses what ``build`` would refuse however the others turn
            out: a package or a list of names that is missing. None where there is nothing of that sort.
    """

    measures: str
    files: dict[str, str]
    build: Callable[..., Benchmark]
    source: str = ""
    layout: dict[str, str] = field(default_factory=dict)
    items: int | None = None
    words: frozenset[str] = frozenset()
    fetch: Callable[..., None] | None = None
    annotations: Callable[..., Sequence[Path]] | None = None
    check: Callable[..., object] | None = None

    @property
    def optional(self) -> frozenset[str]:
        """Those of ``files`` that may be left out, since ``build`` has a default for them."""
        parameters = signature(self.build).parameters
        return frozenset(each for each in self.files if parameters[each].default is not Parameter.empty)
