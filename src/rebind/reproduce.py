"""Repeat a published number: the same evaluation, and by how much it differs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table
from rich.text import Text

from rebind.benchmarks import build_benchmark, evaluate_model
from rebind.benchmarks.coverage import coverage_notes
from rebind.evaluate import model_folder
from rebind.reference import PublishedNumber, Reference, reference
from rebind.reports.runs import read_run
from rebind.reports.statistics import mean_of_splits
from rebind.types import Score, UserError

Key = tuple[str, str, str]
ROUNDING = 1e-9


@dataclass(frozen=True)
class Repeated:
    """One published number and what was measured.

    Attributes:
        number: what was published.
        scores: what it is the plain mean of, as measured.
        score: that mean.
        tolerance: how many points the two may differ.
    """

    number: PublishedNumber
    scores: tuple[Score, ...]
    score: Score
    tolerance: float

    @property
    def difference(self) -> float:
        """Measured minus published, in points."""
        return 100 * self.score.value - self.number.value

    @property
    def within(self) -> bool:
        """Whether the two agree within the tolerance."""
        return abs(self.difference) <= self.tolerance + ROUNDING


@dataclass(frozen=True)
class Reproduction:
    """What came of repeating the numbers of one reference.

    Attributes:
        reference: what was repeated.
        model: what was evaluated.
        rows: number by number.
        results: path of ``results.json``.
        reasons: what may explain a gap, a sentence each.
    """

    reference: Reference
    model: str
    rows: tuple[Repeated, ...]
    results: Path
    reasons: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        """Whether every number is within the tolerance: the command's exit status is 0 then, else 1."""
        return all(row.within for row in self.rows)

    @property
    def verdict(self) -> str:
        """One sentence."""
        worst = max(self.rows, key=lambda row: abs(row.difference))
        most = f"the greatest difference is {worst.difference:+.1f} points ({worst.number.name})"
        if self.agrees:
            return f"{self.reference.name} is reproduced within {self.reference.tolerance:g} points: {most}."
        outside = sum(not row.within for row in self.rows)
        return (
            f"{self.reference.name} is not reproduced: {outside} of {len(self.rows)} numbers differ by more than "
            f"{self.reference.tolerance:g} points; {most}."
        )


def checkpoint_of(name: str, model: str | None = None) -> str:
    """Folder or hub name of what is evaluated to repeat a published number: ``model``, else the reference's own.

    Raises:
        UserError: when the name is unknown, or no checkpoint is known.
    """
    published = reference(name)
    checkpoint = model or published.checkpoint
    if checkpoint is None:
        raise UserError(
            f"no checkpoint of {published.model} that rebind loads is known on the Hugging Face hub; "
            "give its folder with --model"
        )
    return checkpoint


def reproduce(
    name: str,
    out: Path,
    model: str | None = None,
    cache: str | Path | None = "none",
    data_root: str | Path | None = None,
    **files: str | Path,
) -> Reproduction:
    """Run the evaluation that should give a published number.

    Args:
        name: one of :func:`rebind.reference.references`.
        out: folder for ``results.json``.
        model: folder or hub name of the checkpoint; the reference's own if not given.
        cache: where embeddings are kept, as :func:`rebind.benchmarks.evaluate_model` has it.
        data_root: as for :func:`rebind.benchmarks.build_benchmark`.
        files: as for :func:`rebind.benchmarks.build_benchmark`: the benchmark's files by name.

    Raises:
        UserError: when the name is unknown, no checkpoint is known, or it cannot be loaded or evaluated.
    """
    published, checkpoint = reference(name), checkpoint_of(name, model)
    benchmark = build_benchmark(published.benchmark, data_root, **files)
    settings = {"label": published.model, "reproduces": name}
    results = evaluate_model(model_folder(checkpoint), [benchmark], out, settings, cache=cache)
    rows = repeated(published, read_run(out).scores)
    notes = json.loads(results.read_text(encoding="utf-8")).get("notes", [])
    reasons = (*explanations(published, rows, checkpoint), *notes)
    return Reproduction(published, checkpoint, rows, results, reasons)


def repeated(published: Reference, scores: Mapping[Key, Score]) -> tuple[Repeated, ...]:
    """Each published number beside the measured one.

    Raises:
        UserError: when the scores do not hold what a number is the mean of.
    """
    rows = []
    for number in published.numbers:
        keys = number.keys(published.benchmark, scores)
        if keys is None:
            why = " ".join(coverage_notes(list(scores.values()))) or "are all files of the benchmark there?"
            raise UserError(
                f"{published.name}, {number.name}: the results hold no "
                f"{' and '.join([*number.splits, *number.metrics])} of {published.benchmark}; {why}"
            )
        of_keys = tuple(scores[key] for key in keys)
        rows.append(Repeated(number, of_keys, mean_of_splits(of_keys), published.tolerance))
    return tuple(rows)


def explanations(published: Reference, rows: Sequence[Repeated], model: str) -> tuple[str, ...]:
    """What in the protocol may explain a difference: how it was published, and what was other this time."""
    said = [f"As published: {published.protocol}"]
    if model != published.checkpoint:
        said.append(f"Measured was {model}, published is {published.checkpoint or 'a checkpoint of the authors'}.")
    for row in rows:
        name = row.number.name
        if row.number.n not in (None, row.score.n):
            said.append(f"{name}: {row.score.n:,} items were scored, the benchmark has {row.number.n:,}.")
        pooled = sum(score.value * score.n for score in row.scores) / sum(score.n for score in row.scores)
        of_categories = len({score.split for score in row.scores}) > 1  # not of two directions of retrieval
        if of_categories and abs(pooled - row.score.value) >= 0.0005:
            said.append(f"{name}: weighing items alike, not categories, gives {100 * pooled:.1f}.")
        if row.score.ties:
            most = 100 * sum(score.ties / score.n for score in row.scores) / len(row.scores)
            ties = f"{row.score.ties} tie{'s' if row.score.ties > 1 else ''}"
            said.append(f"{name}: {ties}; another rule for them moves the number by up to {most:.1f}.")
        if not row.within and 100 * row.score.low <= row.number.value <= 100 * row.score.high:
            said.append(f"{name}: the published number lies within the 95 % interval, though not within the tolerance.")
    return tuple(said)


def reproduction_table(outcome: Reproduction) -> Table:
    """The numbers for the terminal, in per cent and points."""
    table = Table("per cent", box=None, pad_edge=False, header_style="bold")
    for title in ("published", "measured", "difference", "95 % interval", "n", ""):
        table.add_column(title, justify="right", no_wrap=True)
    for row in outcome.rows:
        score = row.score
        table.add_row(
            Text(row.number.name),
            f"{row.number.value:g}",
            f"{100 * score.value:.1f}",
            f"{row.difference:+.1f}",
            f"{100 * score.low:.1f}–{100 * score.high:.1f}",
            f"{score.n:,}",
            Text("within", style="green") if row.within else Text("outside", style="red"),
        )
    return table


def reference_table() -> Table:
    """All published numbers for the terminal."""
    from rebind.reference import references

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("name", no_wrap=True)
    for title in ("model", "numbers, per cent", "source"):
        table.add_column(title, overflow="fold")
    for each in references().values():
        numbers = ", ".join(f"{number.name} {number.value:g}" for number in each.numbers)
        table.add_row(*map(Text, (each.name, each.model, numbers, each.source)))
    return table
