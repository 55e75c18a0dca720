"""Reading run folders: what is missing is forgiven, what is broken is named."""

import json

import pytest
from fake_runs import score, write_run

from rebind.reports.runs import read_run, read_runs
from rebind.types import UserError


def broken(tmp_path, change):
    folder = write_run(tmp_path, "C2LIP", 1)
    path = folder / "results.json"
    results = json.loads(path.read_text())
    change(results)
    path.write_text(json.dumps(results))
    return folder


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda r: r.pop("scores"), "scores"),
        (lambda r: r.pop("objective"), "objective"),
        (lambda r: r.update(seed="first"), "seed"),
        (lambda r: r["scores"][3].update(value="high"), "scores.3.value"),
        (lambda r: r["scores"][0].update(value=94.1), "scores.0.value"),  # per cent instead of a share
        (lambda r: r["scores"][0].update(value=float("nan")), "scores.0.value"),
        (lambda r: r["scores"][2].pop("low"), "scores.2.low"),
        (lambda r: r["scores"][1].update(n=-1), "scores.1.n"),
    ],
)
def test_a_wrong_field_is_named(tmp_path, change, field):
    folder = broken(tmp_path, change)
    with pytest.raises(UserError) as caught:
        read_run(folder)
    assert str(folder / "results.json") in str(caught.value)
    assert f"field {field}:" in str(caught.value)


def test_torn_json_is_named_with_its_place(tmp_path):
    folder = write_run(tmp_path, "C2LIP", 1)
    (folder / "results.json").write_text('{"model": "m",\n "objective"')
    with pytest.raises(UserError, match=r"results\.json is not valid JSON at line 2"):
        read_run(folder)
    (folder / "results.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"results\.json cannot be read as UTF-8"):
        read_run(folder)


def test_a_folder_without_results_and_no_folder_at_all(tmp_path):
    with pytest.raises(UserError, match=r"holds no results\.json"):
        read_run(tmp_path)
    with pytest.raises(UserError, match="no run folder was given"):
        read_runs([])


def test_the_same_seed_twice_is_refused_but_other_benchmarks_of_it_are_not(tmp_path):
    first = write_run(tmp_path / "a", "C2LIP", 1)
    second = write_run(tmp_path / "b", "C2LIP", 1)
    with pytest.raises(UserError, match=r"settings\.label") as caught:
        read_runs([first, second])
    assert str(first) in str(caught.value)
    assert str(second) in str(caught.value)
    photos = write_run(tmp_path / "c", "C2LIP", 1, scores=[score("photos", "test", "image_to_text_recall@1", 0.5)])
    assert len(read_runs([first, photos])) == 2


def test_optional_files_may_be_missing_and_a_torn_last_line_is_dropped(tmp_path):
    folder = write_run(tmp_path, "C2LIP", 1)
    metrics = folder / "metrics.jsonl"
    whole = len(read_run(folder).metrics)
    metrics.write_text(metrics.read_text() + '{"step": 1010, "lo')
    assert len(read_run(folder).metrics) == whole
    metrics.write_text('{"step": 1\n{"step": 2}\n')
    with pytest.raises(UserError, match=r"metrics\.jsonl, line 1"):
        read_run(folder)
    for name in ("metrics.jsonl", "examples.json", "summary.json"):
        (folder / name).unlink()
    run = read_run(folder)
    assert set(run.missing) == {"metrics.jsonl", "examples.json", "summary.json"}
    assert run.examples == run.metrics == []


def test_attention_that_does_not_fit_its_grid_is_named(tmp_path):
    folder = write_run(tmp_path, "C2LIP", 1)
    path = folder / "examples.json"
    rows = json.loads(path.read_text())
    rows[1]["grid"] = [5, 6]
    path.write_text(json.dumps(rows))
    with pytest.raises(
        UserError, match=r"examples\.json, field 1: grid \(5, 6\).* 36 tokens of concept 'a green circle'"
    ):
        read_run(folder)


@pytest.mark.parametrize(
    ("objective", "settings", "label"),
    [("c2lip", {}, "C2LIP"), ("siglip", {"label": "base"}, "base"), ("mine", {}, "mine"), ("", {}, "base")],
)
def test_the_label_comes_from_the_settings_or_the_objective(tmp_path, objective, settings, label):
    folder = write_run(tmp_path, "C2LIP", 1, objective=objective, settings=settings)
    assert read_run(folder).label == label
