"""The verdict says what the numbers say, whichever way they fall."""

import re

import numpy as np
import pytest
from fake_runs import score, write_run

from rebind.reports import verdict


def scores(swap, retrieval=0.99, zero_shot=0.98, retention=0.95, n=1000):
    return [
        score("world", "swap_att", "accuracy", swap, n),
        score("world", "swap_obj", "accuracy", swap, n),
        score("world", "retrieval", "image_to_text_recall@1", retrieval, n),
        score("world", "retrieval", "text_to_image_recall@1", retrieval, n),
        score("world", "zero_shot", "top1", zero_shot, n),
        score("world", "retention", "top1", retention, n),
    ]


@pytest.fixture
def arms(tmp_path):
    """Write runs from {label: scores per seed}."""

    def write(**by_label):
        return [
            write_run(tmp_path, label.replace("_", " "), seed, rows)
            for label, seeds in by_label.items()
            for seed, rows in enumerate(seeds, start=1)
        ]

    return write


def test_it_binds(arms):
    runs = arms(
        SigLIP=[scores(v) for v in (0.71, 0.73, 0.72)],
        C2LIP=[scores(v) for v in (0.94, 0.95, 0.933)],
    )
    said = verdict(runs)
    assert said.startswith("C2LIP binds: 94.1 % on swaps against 72.0 % for SigLIP (+22.1 points, 95 % interval")
    assert "of the difference over 3 seeds +" in said
    assert said.endswith("retrieval, zero-shot and retention within 1 point of SigLIP.")


def test_better_but_not_reliable(arms):
    runs = arms(SigLIP=[scores(0.6)] * 1, C2LIP=[scores(0.8)])
    said = verdict(runs)
    assert said.startswith("C2LIP binds better than SigLIP, but not reliably: 80.0 %")
    assert "one seed, so the 95 % interval is the bootstrap over items only" in said


def test_no_difference_is_not_called_one(arms):
    runs = arms(SigLIP=[scores(v) for v in (0.60, 0.90)], C2LIP=[scores(v) for v in (0.95, 0.93)])
    assert verdict(runs).startswith("C2LIP is not shown to bind better than SigLIP: 94.0 %")


def test_worse_is_called_worse(arms):
    runs = arms(SigLIP=[scores(v) for v in (0.90, 0.91, 0.905)], C2LIP=[scores(v) for v in (0.80, 0.81, 0.80)])
    said = verdict(runs)
    assert said.startswith("C2LIP binds worse than SigLIP: 80.3 %")
    assert "−10.2 points" in said


def test_it_must_beat_every_plain_arm(arms):
    runs = arms(CLIP=[scores(0.96)], SigLIP=[scores(0.7)], C2LIP=[scores(0.94)])
    said = verdict(runs)
    assert said.startswith("C2LIP is not shown to bind better than SigLIP and CLIP")
    assert "70.0 % for SigLIP" in said
    assert "96.0 % for CLIP" in said


def test_lost_recognition_is_said_with_its_interval(arms):
    runs = arms(
        SigLIP=[scores(v, retention=0.95) for v in (0.71, 0.73)],
        C2LIP=[scores(v, retention=0.899 + s / 500) for s, v in enumerate((0.94, 0.95))],
    )
    said = verdict(runs)
    assert re.search(r"retrieval and zero-shot within 1 point of SigLIP, but retention 5\.0 points lower \(95 %", said)


def test_gained_recognition_is_said_too(arms):
    said = verdict(arms(SigLIP=[scores(0.7, zero_shot=0.90)], C2LIP=[scores(0.94, zero_shot=0.95)]))
    assert "zero-shot 5.0 points higher (95 % interval +" in said


def test_a_small_loss_with_a_wide_interval_is_no_proof(arms):
    said = verdict(arms(SigLIP=[scores(0.7, n=100)], C2LIP=[scores(0.94, n=100)]))
    assert re.search(r"within 1 point of SigLIP \(95 % intervals reach down to −\d", said)


def test_without_c2lip_there_is_nothing_to_judge(arms):
    said = verdict(arms(SigLIP=[scores(0.7)], CLIP=[scores(0.6)]))
    assert said.startswith("No C2LIP run is among these, so there is nothing to judge: SigLIP reaches 70.0 % on swaps")
    assert "n = 2,000" in said


def test_without_a_rival_it_only_describes(arms):
    said = verdict(arms(C2LIP=[scores(0.94), scores(0.95)]))
    assert said.startswith("C2LIP reaches 94.5 % on swaps (95 % interval")
    assert "no run with whole captions only" in said


def test_the_base_is_the_rival_when_nothing_was_tuned_plainly(arms):
    assert "55.0 % for base" in verdict(arms(base=[scores(0.55)], C2LIP=[scores(0.94)]))


def test_macro_stands_in_for_swaps_and_ablations_are_no_rivals(arms):
    rows = {value: [score("sugarcrepe", "macro", "accuracy", value)] for value in (0.8, 0.95, 0.99)}
    said = verdict(arms(SigLIP=[rows[0.8]], C2LIP=[rows[0.95]], NPC_alone=[rows[0.99]]))
    assert said.startswith("C2LIP binds: 95.0 % on foils (mean over categories) against 80.0 % for SigLIP")
    assert "NPC" not in said
    assert said.endswith("whether recognition suffered was not measured.")


def test_what_has_no_accuracy_is_composition_too(arms):
    def rows(value):
        found = [score("sugarcrepe++_text", split, "text_only", value) for split in ("swap_att", "macro", "micro")]
        return [score("retrieval", "retrieval", "image_to_text_recall@1", 0.4), *found]

    said = verdict(arms(SigLIP=[rows(0.5)], C2LIP=[rows(0.7)]))
    assert said.startswith("C2LIP binds better than SigLIP, but not reliably: 70.0 % on sugarcrepe++_text (mean")
    pairs = [score("winoground", "macro", metric, value) for metric, value in (("text", 0.3), ("group", 0.1))]
    assert "20.0 % on winoground (mean over categories and metrics)" in verdict(arms(base=[pairs]))


def test_retrieval_only_and_no_scores_at_all(arms, tmp_path):
    rows = [score("retrieval", "test", f"{way}_recall@1", 0.4, 50) for way in ("image_to_text", "text_to_image")]
    said = verdict(arms(C2LIP=[rows]))
    assert said.startswith("No whole benchmark of composition was scored here, so there is nothing to judge")
    assert "40.0 % on retrieval" in said
    assert verdict([write_run(tmp_path / "none", "C2LIP", 1, [])]).startswith("There is nothing to judge")


def test_the_gap_equals_an_independent_computation(runs, raw_scores):
    def swaps(label):
        return np.array([
            np.mean([raw_scores[label, seed]["world", split, "accuracy"] for split in ("swap_att", "swap_obj")])
            for seed in (1, 2, 3)
        ])  # fmt: skip

    gap = 100 * (swaps("C2LIP") - swaps("SigLIP"))
    half = 4.302652729911275 * gap.std(ddof=1) / np.sqrt(3)  # t quantile, 2 degrees of freedom
    said = verdict(runs)
    assert f"{gap.mean():+.1f} points, 95 % interval of the difference over 3 seeds" in said
    assert f"{gap.mean() - half:+.1f} to {gap.mean() + half:+.1f}" in said
