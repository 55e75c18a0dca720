"""Read run folders: ``results.json`` always, whatever else lies beside it when it does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from rebind.types import Score, UserError

OBJECTIVE_NAMES = {name.lower(): name for name in ("CLIP", "SigLIP", "C2LIP", "NegCLIP", "TripletCLIP")}

Share = Annotated[FiniteFloat, Field(ge=0, le=1)]
RecordType = TypeVar("RecordType", bound="_Record")


class _Record(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _ScoreRow(_Record):
    benchmark: str
    split: str
    metric: str
    value: Share
    n: int = Field(ge=0)
    ties: int = Field(ge=0, default=0)
    low: Share
    high: Share
    chance: Share | None = None
    blind: Share | None = None


class _Source(_Record):
    environment: dict[str, Any] = {}


class Results(_Record):
    """The whole of one ``results.json``."""

    model: str
    objective: str
    seed: int
    settings: dict[str, Any] = {}
    environment: dict[str, Any] = {}
    benchmarks: dict[str, _Source] = {}
    scores: list[_ScoreRow]
    notes: list[str] = []

    @property
    def environments(self) -> list[dict[str, Any]]:
        """Of the newest evaluation, and what was otherwise when a benchmark was measured, its name in brackets."""
        older = [
            {
                name: f"{value} ({benchmark})"
                for name, value in source.environment.items()
                if value != self.environment.get(name)
            }
            for benchmark, source in self.benchmarks.items()
        ]
        return [self.environment, *older]


class Concept(_Record):
    """One concept of an example: where the model looks for it, and how alike each of the L image tokens is to it."""

    text: str
    attention: list[FiniteFloat]
    cosines: list[FiniteFloat] = []


class Example(_Record):
    """One scene with the scores that a model gives to its caption and to the foil; ``grid`` is (h, w), h · w = L."""

    image: str
    pictures: str = "upright"  # or "as stored": how the model was shown it
    category: str
    caption: str
    foil: str
    caption_score: FiniteFloat
    foil_score: FiniteFloat
    grid: tuple[int, int] | None = None
    attention_scale: float | None = None
    concepts: list[Concept] = []

    @model_validator(mode="after")
    def _attention_covers_the_grid(self) -> Example:
        for concept in self.concepts:
            if self.grid is None or len(concept.attention) != self.grid[0] * self.grid[1]:
                tokens = f"the {len(concept.attention)} tokens of concept {concept.text!r}"
                raise ValueError(f"grid {self.grid} (rows, columns) must hold {tokens}")
        return self

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """What makes this the same scene in another run."""
        return (Path(self.image).name, self.category, self.caption, self.foil)


class _Examples(_Record):
    rows: list[Example]


class Run(_Record):
    """One run folder, read. Optional files that are missing leave empty values behind."""

    folder: Path
    results: Results
    summary: dict[str, Any] = {}
    examples: list[Example] = []
    metrics: list[dict[str, Any]] = []
    missing: list[str] = []

    @property
    def label(self) -> str:
        """Name of the arm: ``settings.label`` when given, else the objective's usual spelling."""
        objective = self.results.objective
        return str(self.results.settings.get("label") or OBJECTIVE_NAMES.get(objective.lower(), objective or "base"))

    @cached_property
    def scores(self) -> dict[tuple[str, str, str], Score]:
        """Scores by (benchmark, split, metric), in file order."""
        return {(row.benchmark, row.split, row.metric): Score(**row.model_dump()) for row in self.results.scores}

    def picture(self, example: Example) -> Path:
        """Where the picture of ``example`` lies; paths in the file are relative to the run folder or absolute."""
        return self.folder / example.image


def read_runs(folders: Sequence[Path]) -> list[Run]:
    """Read every run folder, in the order given.

    Raises:
        UserError: when none is given, one has no or an unreadable ``results.json``, or two score the same thing twice.
    """
    if not folders:
        raise UserError("no run folder was given; pass at least one folder that holds a results.json")
    runs = [read_run(Path(folder)) for folder in folders]
    seen: dict[tuple[Any, ...], Run] = {}
    for run in runs:
        for key in run.scores:
            other = seen.setdefault((run.label, run.results.seed, *key), run)
            if other is not run:
                raise UserError(
                    f"{other.folder} and {run.folder} both hold {' / '.join(key)} of {run.label!r} with seed "
                    f"{run.results.seed}; give each run its own seed, or each arm its own settings.label"
                )
    return runs


def read_run(folder: Path) -> Run:
    """Read one run folder; only ``results.json`` must be there.

    Raises:
        UserError: naming the file and the field (or line) that cannot be read.
    """
    path = folder / "results.json"
    if not path.is_file():
        raise UserError(f"{folder} holds no results.json; pass a folder that a training or evaluation run has written")
    results = _checked(Results, _json(path), path)
    optional = {name: folder / name for name in ("summary.json", "metrics.jsonl", "examples.json")}
    found = {name: file for name, file in optional.items() if file.is_file()}
    summary = _json(found["summary.json"]) if "summary.json" in found else {}
    if not isinstance(summary, dict):
        raise UserError(f"{found['summary.json']} must hold one JSON object, not {type(summary).__name__}")
    examples: list[Example] = []
    if "examples.json" in found:
        examples = _checked(_Examples, {"rows": _json(found["examples.json"])}, found["examples.json"]).rows
    return Run(
        folder=folder,
        results=results,
        summary=summary,
        examples=examples,
        metrics=_json_lines(found["metrics.jsonl"]) if "metrics.jsonl" in found else [],
        missing=[name for name in optional if name not in found],
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as UTF-8 text: {error}") from error


def _json(path: Path) -> Any:
    try:
        return json.loads(_text(path))
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise UserError(f"{path} is not valid JSON at {place}: {error.msg}") from error


def _json_lines(path: Path) -> list[dict[str, Any]]:
    """Rows of a JSONL file; a torn last line, as a killed run leaves it, is dropped."""
    lines = _text(path).splitlines()
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line) if line.strip() else {}
        except json.JSONDecodeError as error:
            if number == len(lines):
                break
            raise UserError(f"{path}, line {number}, is not valid JSON: {error.msg}") from error
        if not isinstance(row, dict):
            raise UserError(f"{path}, line {number}, must be one JSON object, not {type(row).__name__}")
        rows.append(row)
    return rows


def _checked(record: type[RecordType], value: Any, path: Path) -> RecordType:
    try:
        return record.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"] if part != "rows") or "(the whole file)"
        wish = first["msg"].removeprefix("Value error, ")
        raise UserError(f"{path}, field {field}: {wish}; found {str(first['input'])[:60]!r}") from error
