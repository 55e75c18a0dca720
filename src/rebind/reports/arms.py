"""Runs gathered into arms (one method, several seeds), and the measures that are read off an arm."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rebind.reports.runs import Example, Run, read_runs
from rebind.reports.statistics import Estimate, estimate, mean_of_splits
from rebind.types import COVERAGE, Score

ScoreKey = tuple[str, str, str]

COMPOSITION, RETRIEVAL, CLASSIFICATION = "composition", "retrieval", "classification"

PLAIN_OBJECTIVES = ("clip", "siglip")  # trained on whole captions only
# Okabe and Ito's colours for colour-blind readers; the page lightens them for dark mode. Shapes say the same again.
COLOURS = ("#6b7280", "#0072b2", "#8a4fbf", "#d04a02", "#00805e", "#b8860b", "#b03a78", "#3b7f95")
DARK_COLOURS = ("#a3aab5", "#5cb3ec", "#bb93e6", "#ff8a4c", "#3cc9a0", "#e0b64a", "#ea86b9", "#7fbdd0")
MARKERS = ("s", "o", "D", "*", "^", "v", "P", "X")
GLYPHS = "■●◆★▲▼✚✖"
BASE, SIGLIP, CLIP, C2LIP, NEGCLIP, TRIPLETCLIP = range(6)

CATEGORY_NAMES = {
    "swap_att": "swap attribute",
    "swap_obj": "swap object",
    "replace_att": "replace attribute",
    "replace_obj": "replace object",
    "replace_rel": "replace relation",
    "add_obj": "add object",
    "add_att": "add attribute",
    "held_out": "held-out pairings",
    "macro": "categories, mean",
    "micro": "all foils, mean",
    "zero_shot": "zero-shot",
    "retention": "retention",
}
METRIC_NAMES = {
    "image_to_text_recall": "image → text",
    "text_to_image_recall": "text → image",
    "mean_recall": "both ways",
}


@dataclass(frozen=True)
class Measure:
    """What is read off an arm: one score, or the plain mean of several."""

    name: str
    keys: tuple[ScoreKey, ...]

    def of(self, arm: Arm) -> Estimate | None:
        """The arm's estimate over its seeds; None when no run of it holds every score that is needed."""
        by_seed = {
            seed: mean_of_splits([scores[key] for key in self.keys])
            for seed, scores in arm.scores.items()
            if all(key in scores for key in self.keys)
        }
        return estimate(by_seed) if by_seed else None


@dataclass(frozen=True)
class Arm:
    """All runs of one label. ``slot`` chooses its colour and its marker, everywhere."""

    label: str
    runs: tuple[Run, ...]
    slot: int

    @property
    def scores(self) -> dict[int, dict[ScoreKey, Score]]:
        """Scores by seed; folders of one seed are laid together."""
        merged: dict[int, dict[ScoreKey, Score]] = {}
        for run in self.runs:
            merged.setdefault(run.results.seed, {}).update(run.scores)
        return dict(sorted(merged.items()))

    @property
    def objective(self) -> str:
        """The objective's name in lower case."""
        return self.runs[0].results.objective.lower()

    @property
    def is_base(self) -> bool:
        """Whether this is the model that the others started from."""
        return self.slot == BASE

    @property
    def is_plain(self) -> bool:
        """Whether it was tuned on whole captions only."""
        return not self.is_base and self.objective in PLAIN_OBJECTIVES

    @property
    def paint(self) -> int:
        """Index of its colour, marker and glyph."""
        return self.slot % len(COLOURS)

    @property
    def glyph(self) -> str:
        """Its marker as a letter."""
        return GLYPHS[self.paint]

    def example(self, identity: tuple[str, str, str, str]) -> tuple[Run, Example] | None:
        """The same scene as this arm's first run that holds it scored it."""
        return next(((run, ex) for run in self.runs for ex in run.examples if ex.identity == identity), None)


def read_arms(folders: Sequence[Path]) -> list[Arm]:
    """Read run folders and gather them: base, plain tuning, C2LIP, then everything else in the order given.

    Raises:
        UserError: see :func:`rebind.reports.runs.read_runs`.
    """
    by_label: dict[str, list[Run]] = {}
    for run in read_runs(folders):
        by_label.setdefault(run.label, []).append(run)
    slots = _slots({label: runs[0].results.objective.lower() for label, runs in by_label.items()})
    arms = [
        Arm(label, tuple(sorted(runs, key=lambda run: run.results.seed)), slots[label])
        for label, runs in by_label.items()
    ]
    return sorted(arms, key=lambda arm: arm.slot)


def _slots(objectives: dict[str, str]) -> dict[str, int]:
    """A slot for each label: the kept places by name, then by objective; everyone else takes the next free one."""
    kept = {"base": BASE, "": BASE, "siglip": SIGLIP, "clip": CLIP, "c2lip": C2LIP}
    kept |= {"negclip": NEGCLIP, "tripletclip": TRIPLETCLIP}
    names = {label: "base" if label.lower().startswith("base") else label.lower() for label in objectives}
    slots: dict[str, int] = {}
    for spelling in (names, objectives):
        for label, name in spelling.items():
            if label not in slots and name in kept and kept[name] not in slots.values():
                slots[label] = kept[name]
    others = [label for label in objectives if label not in slots]
    free = (slot for slot in itertools.count(C2LIP + 1) if slot not in slots.values())
    return slots | dict(zip(others, free, strict=False))


def concept_arm(arms: Iterable[Arm]) -> Arm | None:
    """The C2LIP arm, by its colour slot."""
    return next((arm for arm in arms if arm.slot == C2LIP), None)


def score_keys(arms: Iterable[Arm]) -> list[ScoreKey]:
    """Every (benchmark, split, metric) that any run holds, in order of first appearance.

    Those in which classes weigh alike stand beside their twins in ``results.json``; here they would say the same twice.
    """
    keys = dict.fromkeys(key for arm in arms for scores in arm.scores.values() for key in scores)
    return [key for key in keys if not key[2].endswith("_per_class")]


def composition_measure(arms: Sequence[Arm]) -> Measure | None:
    """What speaks for composition: the swap categories of a benchmark of foils, or its macro mean, or another's.

    The mean of the swaps of the first benchmark that has them; else the macro mean of the first that has one, plain
    accuracy before others, such as text, image and group score, whose mean it then is; None without any.
    """
    keys = [key for key in score_keys(arms) if subject_of(key) == COMPOSITION]
    foils = [key for key in keys if key[2] == "accuracy"]
    for among, wanted, name in (
        (foils, ("swap_att", "swap_obj"), "swaps"),
        (foils, ("macro",), "foils (mean over categories)"),
        (keys, ("macro",), ""),
    ):
        found = [key for key in among if key[1] in wanted]
        if chosen := tuple(key for key in found if key[0] == found[0][0]):
            over = "categories and metrics" if len(chosen) > 1 else "categories"
            return Measure(name or f"{chosen[0][0]} (mean over {over})", chosen)
    return None


def recognition_measures(arms: Sequence[Arm]) -> list[Measure]:
    """Retrieval R@1 (mean of both directions), zero-shot and retention top-1, those that the runs hold."""
    keys = score_keys(arms)
    wanted = {
        "retrieval": [key for key in keys if key[2].endswith("_recall@1")],
        "zero-shot": [key for key in keys if "zero_shot" in key[:2] and key[2] == "top1"],
        "retention": [key for key in keys if "retention" in key[:2] and key[2] == "top1"],
    }
    # several benchmarks may hold retrieval: the first one speaks
    return [Measure(name, tuple(k for k in found if k[:2] == found[0][:2])) for name, found in wanted.items() if found]


def name_of(key: ScoreKey) -> str:
    """What a reader calls this score, e.g. ``swap attribute`` or ``image → text R@5``."""
    benchmark, split, metric = key
    kind, _, k = metric.partition("@")
    if kind in METRIC_NAMES:
        return f"{METRIC_NAMES[kind]} R@{k}"
    name = CATEGORY_NAMES.get(split) or CATEGORY_NAMES.get(benchmark) or split.replace("_", " ")
    said = metric.replace("top", "top-").replace("_per_class", ", classes alike").replace("_", " ")
    return name if metric == "accuracy" else f"{name} {said}"


def listed(names: Sequence[str]) -> str:
    """``a, b and c``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def subject_of(key: ScoreKey) -> str:
    """What a score is of: retrieval, classification, coverage, or, as any other metric, composition."""
    if "recall@" in key[2]:
        return RETRIEVAL
    if key[2].startswith("top"):
        return CLASSIFICATION
    return COVERAGE if key[2] == COVERAGE else COMPOSITION


def is_foil_score(key: ScoreKey) -> bool:
    """Whether this is the share of captions preferred to their one foil, where guessing gives one half."""
    return key[2] == "accuracy" and key[0] in ("world", "sugarcrepe")
