"""One folder, several evaluations: at once, killed half-way, in other environments, or with an older version."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from test_results import MODEL, content, evaluation

from rebind.benchmarks.comparison import compare_runs
from rebind.benchmarks.items import row_name
from rebind.benchmarks.results import read_outcomes, read_results, write_results
from rebind.types import UserError


def _write_many(folder, process, barrier):
    barrier.wait()
    for turn in range(5):
        write_results(folder, MODEL, evaluation(f"{process}.{turn}", correct=(process % 2, turn % 2, 1)))


def test_processes_that_write_at_once_lose_nothing_of_each_other(tmp_path):
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(6)
    writers = [context.Process(target=_write_many, args=(tmp_path, number, barrier)) for number in range(6)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    found, items = read_outcomes(tmp_path)
    values = {score.benchmark: score.value for score in found.scores}
    assert values == {f"{p}.{t}": pytest.approx((p % 2 + t % 2 + 1) / 3) for p in range(6) for t in range(5)}
    assert set(items) == {row_name(score) for score in found.scores}
    assert content(tmp_path / "results.json")["notes"] == []


KILLED = """
import os, pathlib, signal, sys
rename = pathlib.Path.replace
def replace(self, target):
    if pathlib.Path(target).name == "results.json":
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(self, target)
pathlib.Path.replace = replace
import test_results_together
test_results_together.write_killed(pathlib.Path(sys.argv[1]), sys.argv[2])
"""
OTHER = replace(MODEL, name="other", encoder={"weights": "cd"})
NEXT = {
    "adds": (MODEL, evaluation("b")),
    "replaces": (MODEL, evaluation("a", correct=(0, 0, 1))),
    "is of another model": (OTHER, evaluation("a", correct=(0, 1, 0))),
}


def write_killed(folder, what):
    """Runs in a process of its own, which is killed between the two files."""
    write_results(folder, *NEXT[what])


@pytest.mark.parametrize("what", NEXT)
def test_a_kill_between_the_two_files_never_joins_scores_and_items_of_different_evaluations(tmp_path, what):
    write_results(tmp_path / "run", MODEL, evaluation("a"))
    write_results(tmp_path / "run", MODEL, evaluation("z"))
    write_results(tmp_path / "rival", OTHER, evaluation("a", correct=(1, 1, 1)))
    before = content(tmp_path / "run/results.json")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    died = subprocess.run([sys.executable, "-c", KILLED, tmp_path / "run", what], env=environment, check=False)
    assert died.returncode == -signal.SIGKILL
    assert content(tmp_path / "run/results.json") == before
    if what == "adds":
        assert compare_runs(tmp_path / "run", tmp_path / "rival")[0].first == pytest.approx(2 / 3)
    else:
        with pytest.raises(
            UserError, match=r"a \(its evaluation into .*run was stopped while it wrote; evaluate it again"
        ):
            compare_runs(tmp_path / "run", tmp_path / "rival")
    write_results(tmp_path / "run", MODEL, evaluation("b"))
    if what != "adds":
        with pytest.raises(UserError, match=r"of different evaluations of a.*; evaluate a.* again"):
            read_outcomes(tmp_path / "run")
    for name in ("a", "z"):
        write_results(tmp_path / "run", MODEL, evaluation(name))
    found, items = read_outcomes(tmp_path / "run")
    assert {row_name(score) for score in found.scores} == set(items) == {f"{name}/all/accuracy" for name in "abz"}
    assert compare_runs(tmp_path / "run", tmp_path / "rival")[0].first == pytest.approx(2 / 3)


def test_each_benchmark_keeps_the_environment_that_it_was_measured_in(tmp_path):
    now = content(write_results(tmp_path, MODEL, evaluation("a")))
    assert "environment" not in now["benchmarks"]["a"]  # it is the one that stands above
    older = {**now["environment"], "torch": "2.0"}
    (tmp_path / "results.json").write_text(json.dumps({**now, "environment": older}))
    for name in ("b", "c"):
        path = write_results(tmp_path, MODEL, evaluation(name))
        assert content(path)["environment"] == now["environment"]
        assert content(path)["benchmarks"]["a"]["environment"] == older
        assert {name for name, source in content(path)["benchmarks"].items() if "environment" in source} == {"a"}
    sources = read_results(tmp_path)[1].sources
    assert {name: source["environment"]["torch"] for name, source in sources.items()} == {
        "a": "2.0", "b": now["environment"]["torch"], "c": now["environment"]["torch"],
    }  # fmt: skip
    path = write_results(tmp_path, MODEL, evaluation("a"))
    assert "environment" not in content(path)["benchmarks"]["a"]


def test_files_of_older_versions_are_read_and_added_to(tmp_path):
    """They had one environment for all and no digest of the outcomes; the oldest named no benchmarks."""
    old = content(write_results(tmp_path, MODEL, evaluation("a")))
    old["environment"] = {"torch": "2.0"}
    del old["benchmarks"]
    (tmp_path / "results.json").write_text(json.dumps(old))
    assert read_outcomes(tmp_path)[0].sources == {"a": {"environment": {"torch": "2.0"}}}
    path = write_results(tmp_path, MODEL, evaluation("b"))
    assert content(path)["benchmarks"]["a"] == {"environment": {"torch": "2.0"}}
    assert {row["benchmark"] for row in content(path)["scores"]} == {"a", "b"}
    assert set(read_outcomes(tmp_path)[1]) == {"a/all/accuracy", "b/all/accuracy"}
