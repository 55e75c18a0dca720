"""What the numbers say, in a sentence or a few, whichever way they fall."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rebind.reports.arms import (
    Arm,
    Measure,
    composition_measure,
    concept_arm,
    listed,
    name_of,
    read_arms,
    recognition_measures,
)
from rebind.reports.families import family_split
from rebind.reports.statistics import Estimate, difference
from rebind.reports.table import percent

BINDS_FROM = 0.9  # below nine in ten right, a model may bind better than another but does not simply "bind"
HARMLESS = 0.01  # a loss of recognition of up to one point passes as "within 1 point"


def verdict(runs: Sequence[Path]) -> str:
    """Computed from the scores: does C2LIP bind better than plain tuning, and at what price?

    Where arms were trained on hard negatives, a line each says who leads on swaps, on the families of foils that were
    seen in training, and on the others.

    Raises:
        UserError: when a run folder cannot be read.
    """
    return judge(read_arms(runs))


def judge(arms: Sequence[Arm]) -> str:
    """The verdict on arms read already."""
    return "\n".join([_binding(arms), *_contests(arms)])


def _binding(arms: Sequence[Arm]) -> str:
    measure = composition_measure(arms)
    subject = concept_arm(arms)
    score = measure.of(subject) if measure and subject else None
    if measure is None or subject is None or score is None:
        return _description(arms, measure)
    rivals = _rivals(arms, subject, measure)
    if not rivals:
        return (
            f"{subject.label} reaches {percent(score.value)} % on {measure.name} ({_interval(score)}); "
            "no run with whole captions only is here to compare it with."
        )
    names = listed([arm.label for arm, _ in rivals])
    against = [f"{percent(theirs.value)} % for {arm.label} ({_gap(score, theirs)})" for arm, theirs in rivals]
    head = _head(subject.label, names, score, [difference(score, theirs) for _, theirs in rivals])
    return (
        f"{head}: {percent(score.value)} % on {measure.name} against {listed(against)}; "
        f"{_price(arms, subject, rivals[0][0])}."
    )


def _rivals(arms: Sequence[Arm], subject: Arm, measure: Measure) -> list[tuple[Arm, Estimate]]:
    """Plainly tuned arms that hold the measure, SigLIP first; the base when there is none."""
    scored = [(arm, found) for arm in arms if arm is not subject and (found := measure.of(arm)) is not None]
    plain = [(arm, found) for arm, found in scored if arm.is_plain]
    return plain or [(arm, found) for arm, found in scored if arm.is_base]


def _head(label: str, rivals: str, score: Estimate, gaps: Sequence[Estimate]) -> str:
    if all(gap.low > 0 for gap in gaps):
        return f"{label} binds" + ("" if score.value >= BINDS_FROM else f" better than {rivals}, but not reliably")
    if all(gap.high < 0 for gap in gaps):
        return f"{label} binds worse than {rivals}"
    return f"{label} is not shown to bind better than {rivals}"


def _gap(ours: Estimate, theirs: Estimate) -> str:
    """A difference in points with its interval and where that comes from."""
    gap = difference(ours, theirs)
    if gap.over_seeds:
        source = f"95 % interval of the difference over {len(gap.by_seed)} seeds"
    elif ours.over_seeds and theirs.over_seeds:
        source = "95 % interval of the difference, seeds not paired,"
    else:
        source = "one seed, so the 95 % interval is the bootstrap over items only:"
    return f"{_signed(gap.value)} points, {source} {_signed(gap.low)} to {_signed(gap.high)}"


def _contests(arms: Sequence[Arm]) -> list[str]:
    """Who leads where, one line for each place; none when no arm was trained on hard negatives of known families."""
    split = family_split(arms)
    if split is None:
        return []
    subject = concept_arm(arms)
    variants = {arm.label for arm in arms if subject and arm is not subject and arm.objective == subject.objective}
    rivals = [arm for arm in arms if not arm.is_base and arm.label not in variants]
    lines = []
    for measure in [composition_measure(arms), *split.measures]:
        found = [(arm, score) for arm in rivals if measure and (score := split.of(measure, arm)) is not None]
        if measure and len(found) > 1:
            names = listed([name_of(key) for key in measure.keys])
            detail = f" ({names})" if measure in split.measures else ""
            lines.append(f"On {measure.name}{detail} {_ranking(found)}.")
    return lines


def _ranking(found: Sequence[tuple[Arm, Estimate]]) -> str:
    """The arms from the best to the worst, and over whom the first one's lead is more than chance."""
    (leader, best), *others = sorted(found, key=lambda pair: -pair[1].value)
    scores = ", ".join(f"{arm.label} {percent(score.value)} %" for arm, score in [(leader, best), *others])
    gaps = [(arm.label, difference(best, score)) for arm, score in others]
    behind = [label for label, gap in gaps if gap.low > 0]
    level = [label for label, gap in gaps if gap.low <= 0]
    if not behind:
        return f"no lead is shown: {scores}"
    if level:
        return f"{leader.label} leads {listed(behind)}, but is not shown to lead {listed(level)}: {scores}"
    second, gap = gaps[0]
    points = f"{_signed(gap.value)} points on {second}, 95 % interval {_signed(gap.low)} to {_signed(gap.high)}"
    return f"{leader.label} leads ({points}): {scores}"


def _interval(score: Estimate) -> str:
    source = f"over {len(score.by_seed)} seeds" if score.over_seeds else "bootstrap over items, one seed"
    return f"95 % interval {percent(score.low)} to {percent(score.high)}, {source}, n = {score.n:,}"


def _signed(value: float) -> str:
    return f"{100 * value:+.1f}".replace("-", "−")


def _price(arms: Sequence[Arm], subject: Arm, rival: Arm) -> str:
    """What happened to retrieval, zero-shot and retention, against ``rival``."""
    gaps = {}
    for measure in recognition_measures(arms):
        ours, theirs = measure.of(subject), measure.of(rival)
        if ours is not None and theirs is not None:
            gaps[measure.name] = difference(ours, theirs)
    if not gaps:
        return "whether recognition suffered was not measured"
    worse = [name for name, gap in gaps.items() if gap.value < -HARMLESS]
    better = [name for name, gap in gaps.items() if gap.value > HARMLESS]
    level = [name for name in gaps if name not in worse + better]
    kept = []
    if level:
        lowest = min(gaps[name].low for name in level)
        # a small mean loss with a wide interval is no proof that nothing was lost
        doubt = f" (95 % intervals reach down to {_signed(lowest)})" if lowest < -HARMLESS else ""
        kept.append(f"{listed(level)} within 1 point of {rival.label}{doubt}")
    kept += [_change(name, gaps[name], "higher") for name in better]
    lost = [_change(name, gaps[name], "lower") for name in worse]
    return ", but ".join(", ".join(part) for part in (kept, lost) if part)


def _change(name: str, gap: Estimate, direction: str) -> str:
    points = percent(abs(gap.value))
    return f"{name} {points} points {direction} (95 % interval {_signed(gap.low)} to {_signed(gap.high)})"


def _description(arms: Sequence[Arm], composition: Measure | None) -> str:
    """What can be said when there is no C2LIP run or no foil benchmark: the numbers, without a judgement."""
    measures = [composition] if composition else recognition_measures(arms)[:1]
    said = [
        f"{arm.label} reaches {percent(found.value)} % on {measure.name} ({_interval(found)})"
        for measure in measures
        for arm in arms
        if (found := measure.of(arm)) is not None
    ]
    reason = "no C2LIP run is among these" if composition else "no whole benchmark of composition was scored here"
    if not said:
        return f"There is nothing to judge: {reason}, and no retrieval, zero-shot or retention score is either."
    return f"{reason[0].upper()}{reason[1:]}, so there is nothing to judge: {'; '.join(said)}."
