"""Foil families seen and unseen: one split for all arms, and who leads where."""

import json

import numpy as np
import pytest
from fake_runs import CENTRES, HARD_NEGATIVES, SEEN, score, write_run

from rebind.reports import markdown_table, summary_table, verdict, write_report

FAMILIES = ["swap_att", "swap_obj", "replace_att", "replace_obj", "replace_rel", "add_obj", "add_att"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("families")
    return [write_run(root, label, seed) for label in (*CENTRES, *HARD_NEGATIVES) for seed in (1, 2, 3)]


def mean_by_seed(runs, label, families):
    """The mean over families of each seed, straight from the files."""
    means = []
    for run in runs:
        results = json.loads((run / "results.json").read_text())
        if results["settings"]["label"] == label:
            means.append(np.mean([row["value"] for row in results["scores"] if row["split"] in families]))
    return np.array(means)


def cells(table, name):
    row = next(row for row in table.rows if row.name == name)
    return dict(zip((arm.label for arm in table.arms), row.cells, strict=True))


def family_scores(swap, replaced, relation=0.5):
    values = {"swap_att": swap, "swap_obj": swap, "replace_att": replaced, "replace_obj": replaced}
    values |= {"replace_rel": relation, "held_out": 0.9, "macro": 0.9, "micro": 0.9}
    return [score("world", split, "accuracy", value) for split, value in values.items()]


def write_arms(root, objectives, seen=SEEN):
    """Runs from {label: (objective, scores per seed)}; ``seen`` are the families of NegCLIP and TripletCLIP."""
    runs = []
    for label, (objective, seeds) in objectives.items():
        settings = {"label": label, "negative_families": seen if "neg" in objective or "triplet" in objective else None}
        runs += [
            write_run(root, label, seed, rows, objective=objective, settings=settings)
            for seed, rows in enumerate(seeds, start=1)
        ]
    return runs


def test_every_arm_gets_both_means_with_its_interval_over_seeds(runs):
    table = summary_table(runs)
    for name, families in (("seen", SEEN), ("unseen", [each for each in FAMILIES if each not in SEEN])):
        found = cells(table, f"{name} families, mean")
        assert set(found) == {*CENTRES, *HARD_NEGATIVES}
        for label, cell in found.items():
            means = mean_by_seed(runs, label, families)
            assert np.isclose(cell.value, means.mean())
            half = 4.302652729911275 * means.std(ddof=1) / np.sqrt(3)  # t quantile, 2 degrees of freedom
            assert np.isclose(cell.low, max(0, means.mean() - half))
    assert [row.name for row in table.rows][:3] == ["swaps, both", "seen families, mean", "unseen families, mean"]


def test_the_note_names_the_families_and_who_saw_them(runs, tmp_path):
    said = (
        "Seen families: replace attribute and replace object, hard negatives of which NegCLIP and TripletCLIP saw; "
        "unseen: all other foils but held-out pairings."
    )
    assert said in markdown_table(runs)
    page = write_report(runs, tmp_path / "r.html").read_text()
    assert said in page
    assert "Seen and unseen families</dt>" in page


def test_without_hard_negatives_there_is_no_split(tmp_path):
    runs = [write_run(tmp_path, label, 1) for label in CENTRES]
    assert not [row.name for row in summary_table(runs).rows if "families" in row.name]
    assert "\n" not in verdict(runs)
    assert "Seen and unseen families" not in write_report(runs, tmp_path / "r.html").read_text()


def test_the_split_is_the_union_of_what_the_arms_saw(tmp_path):
    runs = [write_run(tmp_path, label, 1) for label in ("SigLIP", "NegCLIP", "TripletCLIP")]
    for run, families in zip(runs[1:], (["swap_att"], ["add_obj", "of_no_benchmark"]), strict=True):
        results = json.loads((run / "results.json").read_text())
        results["settings"]["negative_families"] = families
        (run / "results.json").write_text(json.dumps(results))
    seen = cells(summary_table(runs), "seen families, mean")
    for label, cell in seen.items():
        assert np.isclose(cell.value, mean_by_seed(runs, label, ["swap_att", "add_obj"]).mean())
    assert "swap attribute and add object" in summary_table(runs).note


def test_an_arm_that_saw_nobody_knows_what_is_left_out(tmp_path):
    arms = {"SigLIP": ("siglip", [family_scores(0.7, 0.9)]), "NegCLIP": ("negclip", [family_scores(0.7, 0.99)])}
    runs = write_arms(tmp_path, arms)
    settings = {"label": "TripletCLIP"}
    runs.append(write_run(tmp_path, "TripletCLIP", 1, family_scores(0.9, 0.9), settings=settings))
    table = summary_table(runs)
    assert cells(table, "unseen families, mean")["TripletCLIP"] is None
    assert cells(table, "swaps, both")["TripletCLIP"] is not None
    assert "What TripletCLIP saw is not known: no negative_families in the settings." in table.note
    lines = verdict(runs).splitlines()
    assert "TripletCLIP" in lines[1]
    assert "TripletCLIP" not in lines[2]


def test_who_leads_where(tmp_path):
    runs = write_arms(
        tmp_path,
        {
            "base": ("siglip", [family_scores(0.99, 0.99)]),
            "SigLIP": ("siglip", [family_scores(v, 0.90 + v / 100) for v in (0.70, 0.72, 0.71)]),
            "NegCLIP": ("negclip", [family_scores(v, 0.99 + v / 1000) for v in (0.75, 0.76, 0.74)]),
            "C2LIP": ("c2lip", [family_scores(v, 0.95 + v / 100) for v in (0.95, 0.94, 0.96)]),
            "NPC alone": ("c2lip", [family_scores(0.99, 0.99)]),
        },
    )
    _, swaps, seen, unseen = verdict(runs).splitlines()
    assert swaps.startswith("On swaps C2LIP leads (+20.0 points on NegCLIP, 95 % interval +")
    assert swaps.endswith(": C2LIP 95.0 %, NegCLIP 75.0 %, SigLIP 71.0 %.")
    assert seen.startswith(
        "On seen families (replace attribute and replace object) NegCLIP leads (+3.1 points on C2LIP,"
    )
    assert unseen.startswith("On unseen families (swap attribute, swap object and replace relation) C2LIP leads (+13.3")


def test_a_lead_that_may_be_chance_is_not_called_one(tmp_path):
    runs = write_arms(
        tmp_path,
        {
            "SigLIP": ("siglip", [family_scores(v, 0.99) for v in (0.71, 0.69)]),
            "TripletCLIP": ("tripletclip", [family_scores(v, 0.99) for v in (0.90, 0.94)]),
            "C2LIP": ("c2lip", [family_scores(v, 0.99) for v in (0.95, 0.92)]),
        },
    )
    _, swaps, seen, _ = verdict(runs).splitlines()
    assert swaps.startswith("On swaps C2LIP leads SigLIP, but is not shown to lead TripletCLIP: C2LIP 93.5 %, ")
    assert "no lead is shown: " in seen
    assert "99.0 %" in seen


def test_without_c2lip_the_others_are_ranked_all_the_same(tmp_path):
    arms = {
        "SigLIP": ("siglip", [family_scores(0.70, 0.95)]),
        "NegCLIP": ("negclip", [family_scores(0.70, 0.99)]),
    }
    lines = verdict(write_arms(tmp_path, arms)).splitlines()
    assert lines[0].startswith("No C2LIP run is among these")
    assert lines[2].startswith("On seen families (replace attribute and replace object) NegCLIP leads (+4.0 points on")
    assert len(lines) == 4


def test_one_arm_alone_is_not_ranked(tmp_path):
    runs = write_arms(tmp_path, {"NegCLIP": ("negclip", [family_scores(0.70, 0.99)])})
    assert len(verdict(runs).splitlines()) == 1


def test_everything_seen_leaves_no_unseen_row(tmp_path):
    arms = {"NegCLIP": ("negclip", [family_scores(0.7, 0.99)]), "SigLIP": ("siglip", [family_scores(0.7, 0.9)])}
    table = summary_table(write_arms(tmp_path, arms, seen=FAMILIES))
    assert [row.name for row in table.rows if "families" in row.name] == ["seen families, mean"]
    assert "unseen" not in table.note
