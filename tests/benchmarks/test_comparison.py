import io
import json

import numpy as np
import pytest
from rich.console import Console
from scipy import stats

from rebind.benchmarks.comparison import compare_runs, comparison_table, incomparable, with_reasons
from rebind.benchmarks.contract import macro_score, mean_score
from rebind.benchmarks.results import EvaluatedModel, Evaluation, write_results
from rebind.metrics import Outcomes
from rebind.types import Score, UserError

N = 300


def write_run(folder, rows, digest="same", clusters=None, extra=()):
    """``rows`` are the outcomes of each split."""
    scores = [
        mean_score("foils", split, "accuracy", Outcomes(correct, ~correct), clusters, 0.5)
        for split, correct in rows.items()
    ]
    model = EvaluatedModel(folder.name, encoder={"weights": folder.name})
    write_results(folder, model, Evaluation([*scores, *extra], (), {"foils": {"items": digest}, "more": {"items": ""}}))
    return folder


def outcomes(right, seed=0):
    correct = np.zeros(N, dtype=bool)
    correct[:right] = True
    return np.random.default_rng(seed).permutation(correct)


@pytest.fixture
def pair(tmp_path):
    first = {"add": outcomes(150), "swap": outcomes(200), "alike": outcomes(100)}
    second = {"swap": first["swap"].copy(), "add": first["add"].copy(), "alike": outcomes(104, seed=1)}
    second["add"][np.flatnonzero(~first["add"])[:40]] = True
    second["add"][np.flatnonzero(first["add"])[:5]] = False
    second["swap"][np.flatnonzero(first["swap"])[:30]] = False
    return write_run(tmp_path / "a", first), write_run(tmp_path / "b", second)


def test_each_shared_row_gets_its_verdict_from_mcnemar_and_holm(pair):
    rows = {row.split: row for row in compare_runs(*pair)}
    assert list(rows) == ["add", "swap", "alike"]
    assert [rows[split].verdict for split in rows] == ["better", "worse", "no difference shown"]
    add = rows["add"]
    assert (add.first_better, add.second_better, add.n, add.test) == (5, 40, N, "mcnemar")
    assert (add.first, add.second) == (0.5, pytest.approx(185 / N))
    assert add.difference == pytest.approx(35 / N)
    assert add.low < 35 / N < add.high
    p = [stats.binomtest(row.second_better, row.first_better + row.second_better).pvalue for row in rows.values()]
    assert [row.p for row in rows.values()] == pytest.approx(p)
    ascending = sorted(p)
    assert min(row.p_adjusted for row in rows.values()) == pytest.approx(3 * ascending[0])
    assert add.as_dict() == json.loads(json.dumps(add.as_dict()))


def test_the_other_way_round_everything_changes_sign(pair):
    for row, other in zip(compare_runs(*pair), compare_runs(*pair[::-1]), strict=False):
        if row.split == other.split:
            assert row.difference == -other.difference
            assert (row.first_better, row.p) == (other.second_better, other.p)


def test_a_row_of_one_alone_is_left_out_and_a_row_without_items_too(tmp_path):
    coverage = Score("foils", "add", "coverage", 1.0, N, 0, 1.0, 1.0)
    first = write_run(tmp_path / "a", {"add": outcomes(9), "one": outcomes(9)}, extra=[coverage])
    second = write_run(tmp_path / "b", {"add": outcomes(9), "two": outcomes(9)}, extra=[coverage])
    [row] = compare_runs(first, second)
    assert (row.split, row.metric, row.p, row.verdict) == ("add", "accuracy", 1.0, "no difference shown")


def test_what_cannot_be_compared_is_named_and_the_rest_compared(tmp_path):
    retrieval = mean_score("more", "test", "accuracy", Outcomes(outcomes(99), ~outcomes(99)))
    first = write_run(tmp_path / "a", {"add": outcomes(9)}, digest="one", extra=[retrieval])
    second = write_run(tmp_path / "b", {"add": outcomes(9)}, digest="two", extra=[retrieval])
    assert [row.benchmark for row in compare_runs(first, second)] == ["more"]
    assert incomparable(first, second) == {"foils": "scored on other items"}
    lone = write_run(tmp_path / "c", {"add": outcomes(9)}, digest="one")
    assert [row.benchmark for row in compare_runs(first, lone)] == ["foils"]
    assert with_reasons(incomparable(first, lone)) == f"more (only in {first})"
    assert compare_runs(first, second, ["more"]) == compare_runs(first, second)
    with pytest.raises(UserError, match="share no score: foils"):
        compare_runs(first, second, ["foils"])


def test_files_that_name_no_items_are_compared_by_the_digests_of_their_rows(tmp_path):
    runs = {
        "a": write_run(tmp_path / "a", {"add": outcomes(9)}, digest="one"),
        "same": write_run(tmp_path / "same", {"add": outcomes(7)}, digest="one"),
        "other": write_run(tmp_path / "other", {"add": outcomes(9)}, digest="two"),
        "fewer": write_run(tmp_path / "fewer", {"add": outcomes(9)[:99]}, digest="three"),
        "torn": write_run(tmp_path / "torn", {"add": outcomes(9)[:99]}, digest="one"),
    }
    for run in runs.values():  # as the oldest versions wrote them
        content = json.loads((run / "results.json").read_text())
        del content["benchmarks"]
        (run / "results.json").write_text(json.dumps(content))
    assert [row.benchmark for row in compare_runs(runs["a"], runs["same"])] == ["foils"]
    for name in ("other", "fewer", "torn"):
        assert incomparable(runs["a"], runs[name]) == {"foils": "scored on other items"}
        with pytest.raises(UserError, match=r"share no score: foils \(scored on other items\)"):
            compare_runs(runs["a"], runs[name])


def test_items_of_one_image_count_together(tmp_path):
    first, second = outcomes(150), outcomes(150)
    second[np.flatnonzero(~first)[:12]] = True
    lone = [write_run(tmp_path / name, {"add": rows}) for name, rows in (("a", first), ("b", second))]
    order = np.argsort(second & ~first, kind="stable")  # the twelve that were gained show three images
    clusters = np.empty(N, dtype=int)
    clusters[order] = np.arange(N) // 4
    together = [
        write_run(tmp_path / f"{name}2", {"add": rows}, clusters=clusters)
        for name, rows in (("a", first), ("b", second))
    ]
    assert compare_runs(*lone)[0].verdict == "better"
    row = compare_runs(*together)[0]
    assert row.verdict == "no difference shown"
    assert row.p == 0.25  # three clusters, all for B: 2 / 2³
    assert row.low == 0 < compare_runs(*lone)[0].low


def test_macro_rows_are_compared_as_macro(tmp_path):
    categories = np.repeat(["common", "rare"], [270, 30])
    values = []
    for name, seed in (("a", 1), ("b", 2)):
        correct = outcomes(180, seed)
        micro = mean_score("foils", "micro", "accuracy", Outcomes(correct, ~correct), None, 0.5)
        macro = macro_score(micro, categories)
        values.append(np.mean([correct[:270].mean(), correct[270:].mean()]))
        assert macro.value == pytest.approx(values[-1])
        write_run(tmp_path / name, {}, extra=[macro, micro])
    macro, micro = compare_runs(tmp_path / "a", tmp_path / "b")
    assert (macro.split, micro.split) == ("macro", "micro")
    assert macro.difference == pytest.approx(values[1] - values[0], abs=1e-6)
    assert micro.difference == 0
    assert (macro.test, micro.test) == ("sign_flip", "mcnemar")
    rare = macro.high - macro.low
    assert rare > micro.high - micro.low  # thirty items weigh half


def test_a_model_that_is_always_right_has_a_macro_of_one():
    correct = np.ones(700, dtype=bool)
    categories = np.repeat(["a", "b", "c", "d", "e", "f", "g"], [1, 3, 6, 90, 200, 199, 201])
    macro = macro_score(mean_score("foils", "micro", "accuracy", Outcomes(correct, ~correct)), categories)
    assert macro.value == pytest.approx(1)
    assert max(macro.value, macro.low, macro.high) <= 1  # reports take shares only


def test_mistakes_are_one_sentence(pair, tmp_path):
    with pytest.raises(UserError, match=r"^.*nowhere holds no results.json; pass a folder that `rebind eval`"):
        compare_runs(pair[0], tmp_path / "nowhere")
    other = write_run(tmp_path / "other", {"add": outcomes(9)}, digest="different")
    with pytest.raises(UserError, match=r"a and .*other share no score: foils \(scored on other items\); evaluate"):
        compare_runs(pair[0], other)
    strange = write_run(tmp_path / "strange", {"none of these": outcomes(9)})
    with pytest.raises(UserError, match=r"share no score; evaluate both models on the same benchmarks"):
        compare_runs(pair[0], strange)
    (pair[1] / "items.safetensors").unlink()
    with pytest.raises(UserError, match=r"b holds no items.safetensors; evaluate the model again"):
        compare_runs(*pair)
    (pair[1] / "items.safetensors").write_bytes(b"\xff" * 99)
    with pytest.raises(UserError, match=r"items.safetensors is damaged"):
        compare_runs(*pair)
    (pair[0] / "results.json").write_text("[")
    with pytest.raises(UserError, match=r"results.json is not what an evaluation writes"):
        compare_runs(*pair)


def test_the_table_says_it_in_per_cent_and_points(pair):
    console = Console(record=True, width=160, file=io.StringIO())
    console.print(comparison_table(compare_runs(*pair), "[A]", "B"))
    lines = console.export_text().splitlines()
    assert "[A]" in "".join(lines)
    [add] = [line for line in lines if line.startswith("  add ")]
    assert "50.0" in add
    assert "61.7" in add
    assert "+11.7" in add
    assert "< 0.001" in add
    assert "better" in add
    assert "no difference shown" in "".join(lines)
