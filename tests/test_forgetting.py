"""Before and after tuning, on scores whose items are known."""

import io

import numpy as np
import pytest
from rich.console import Console

from rebind.benchmarks.contract import mean_score
from rebind.benchmarks.results import EvaluatedModel, Evaluation, write_results
from rebind.forgetting import forgetting, forgetting_table, group_of, points
from rebind.metrics import Outcomes
from rebind.types import Score, UserError

ROWS = [
    ("foils", "swap_att", "accuracy"),
    ("foils", "macro", "accuracy"),
    ("pairs", "all", "group"),
    ("photos", "test", "image_to_text_recall@1"),
    ("photos", "test", "text_to_image_recall@1"),
    ("photos", "test", "text_to_image_recall@5"),
    ("things", "val", "top1"),
]


def answers(share, n=400, moved=0):
    """n answers, the first ``share`` of them right; ``moved`` of the others made right as well."""
    correct = np.arange(n) < share * n
    correct[n - moved :] = True
    return correct


def write(folder, outcomes, digest="same", extra=(), of=()):
    """``digest`` of all benchmarks, or of those ``of`` alone."""
    scores = [
        mean_score(*row, Outcomes(correct=correct, tied=np.zeros(len(correct), dtype=bool)))
        for row, correct in zip(ROWS, outcomes, strict=True)
    ]
    sources = {row[0]: {"items": digest if not of or row[0] in of else "same"} for row in ROWS}
    write_results(folder, EvaluatedModel(folder.name), Evaluation([*scores, *extra], (), sources))
    return folder


@pytest.fixture
def base(tmp_path):
    return write(tmp_path / "base", [answers(share) for share in (0.5, 0.6, 0.2, 0.8, 0.6, 0.9, 0.7)])


@pytest.fixture
def tuned(tmp_path):
    gained = [answers(0.5, moved=40), answers(0.6, moved=60), answers(0.2, moved=20)]
    return write(tmp_path / "tuned", [*gained, *(answers(share) for share in (0.79, 0.58, 0.95, 0.66))])


def test_groups_are_means_of_the_headlines_task_by_task(base, tuned):
    outcome = forgetting(base, tuned)
    # foils speaks through macro, photos through recall@1 both ways
    assert outcome.composition.base == pytest.approx((0.6 + 0.2) / 2)
    assert outcome.composition.difference == pytest.approx((0.15 + 0.05) / 2)
    assert outcome.recognition.base == pytest.approx(((0.8 + 0.6) / 2 + 0.7) / 2)
    assert outcome.recognition.difference == pytest.approx(((-0.01 - 0.02) / 2 - 0.04) / 2)
    assert [task.difference for task in outcome.tasks] == pytest.approx([-0.015, -0.04])
    assert [task.title for task in outcome.tasks] == ["photos · both ways R@1", "things · val top-1"]
    assert [change.group for change in outcome.changes] == ["composition"] * 3 + ["recognition"] * 4
    assert outcome.verdict.startswith("Binding +10.0 points (95 % +")
    assert ", recognition −2.7 points (95 % −" in outcome.verdict


def test_every_score_is_of_one_group_and_coverage_of_none():
    assert [group_of(row) for row in ROWS] == ["composition"] * 3 + ["recognition"] * 4
    assert group_of(("things", "val", "coverage")) == "coverage"


def test_intervals_are_paired_where_items_are_there_and_wider_where_not(base, tuned):
    paired = forgetting(base, tuned)
    (base / "items.safetensors").unlink()
    apart = forgetting(base, tuned)
    assert all(change.paired for change in paired.changes)
    assert not any(change.paired for change in apart.changes)
    for one, other in zip(paired.changes, apart.changes, strict=True):
        assert one.difference == pytest.approx(other.difference)
        assert one.high - one.low < other.high - other.low
        assert one.low <= one.difference <= one.high
    # 60 of 400 items went from wrong to right: p(1 − p)/n of the paired differences
    macro = paired.changes[1]
    half = 1.96 * np.sqrt(0.15 * 0.85 / 400)
    assert (macro.low, macro.high) == pytest.approx((0.15 - half, 0.15 + half), abs=0.006)


def test_the_interval_of_a_mean_combines_tasks_as_independent(base, tuned):
    outcome = forgetting(base, tuned, ["things", "photos"])
    assert outcome.composition is None
    first, second, _, things = outcome.changes
    photos = (first.difference - first.low + second.difference - second.low) / 2
    below = np.hypot(photos, things.difference - things.low) / 2
    assert outcome.recognition.difference - outcome.recognition.low == pytest.approx(below)
    assert "no benchmark speaks of composition for both models" in outcome.verdict


def test_a_model_against_itself_changes_nothing(base):
    outcome = forgetting(base, base)
    assert {(change.difference, change.low, change.high) for change in outcome.changes} == {(0, 0, 0)}
    assert "±0.0 points (95 % ±0.0 to ±0.0, not told from chance)" in outcome.verdict


def test_a_loss_that_the_mean_hides_is_named(base, tmp_path):
    shares = (0.5, 0.6, 0.2, 0.9, 0.8, 0.9, 0.6)
    outcome = forgetting(base, write(tmp_path / "narrow", [answers(share) for share in shares]))
    assert outcome.recognition.difference > 0
    assert outcome.worst.benchmark == "things"
    assert "; it loses most in things · val top-1: −10.0 points (95 % −" in outcome.verdict


def test_other_items_or_other_benchmarks_are_refused(base, tuned, tmp_path):
    other = write(tmp_path / "other", [answers(0.5)] * len(ROWS), digest="other")
    with pytest.raises(UserError, match=r"share no score: foils \(scored on other items\), pairs \(scored on other"):
        forgetting(base, other)
    with pytest.raises(UserError, match="share no score; evaluate both models on the same benchmarks and files"):
        forgetting(base, tuned, ["coco"])


def test_what_cannot_be_compared_is_named_and_the_rest_compared(base, tmp_path):
    other = write(tmp_path / "other", [answers(0.5)] * len(ROWS), digest="other", of=("foils", "photos"))
    outcome = forgetting(base, other)
    assert {change.benchmark for change in outcome.changes} == {"pairs", "things"}
    assert all(change.paired for change in outcome.changes)
    assert outcome.verdict.endswith(" Left out: foils (scored on other items), photos (scored on other items).")
    assert forgetting(base, other, ["pairs", "things"]).left_out == {}
    assert "no benchmark speaks of composition" in forgetting(base, other, ["foils", "things"]).verdict


def test_a_benchmark_with_items_missing_has_no_say(tmp_path):
    lacking = [Score("foils", "swap_att", "coverage", 0.97, 400, 0, 0.97, 0.97)]
    outcomes = [answers(share) for share in (0.5, 0.6, 0.2, 0.8, 0.6, 0.9, 0.7)]
    folders = [write(tmp_path / name, outcomes, extra=lacking) for name in ("base", "tuned")]
    outcome = forgetting(*folders)
    assert outcome.composition.name == "mean: pairs · all group"
    assert outcome.verdict.endswith(" Left out: foils (less than 99 % of its items could be scored).")
    assert forgetting(*folders, ["foils"]).composition is None
    assert "foils" in {change.benchmark for change in outcome.changes}  # its categories are shown


def test_the_table_shows_every_score_and_both_means(base, tuned):
    stream = io.StringIO()
    Console(file=stream, width=120).print(forgetting_table(forgetting(base, tuned)))
    printed = stream.getvalue()
    for row in (
        "Composition",
        "Recognition",
        "foils · swap attribute",
        "photos · text → image R@5",
        "mean of 2 tasks",
    ):
        assert row in printed
    assert "+15.0" in printed
    assert "−4.0" in printed


def test_points_have_a_sign_unless_they_round_to_nothing():
    assert [points(share) for share in (0.021, -0.004, 0.0004, -0.0004)] == ["+2.1", "−0.4", "±0.0", "±0.0"]
