"""The engine: what it writes, what it keeps, what it refuses, and that a killed run leaves no trace."""

import json
import socket
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest
from slow_stage import SlowStage, blocks

from killing import contents, kill_at_random, run_to_the_end, start
from rebind.engine import Made, PartBlocks, Parts, SequenceBlocks, Workforce, join_parts, run_stage
from rebind.storage import only_writer
from rebind.types import UserError

ALONE = Workforce(jobs=1)


@dataclass(frozen=True)
class CountingStage(SlowStage):
    corpus: str = ""


SCRIPT = Path(__file__).parent / "slow_stage.py"


def lines_of(folder):
    parts = sorted(folder.glob("part-*.jsonl"))
    return [json.loads(line) for part in parts for line in part.read_text(encoding="utf-8").splitlines()]


def test_every_item_has_its_row_in_order(tmp_path):
    report = run_stage(SlowStage(), blocks(), tmp_path / "out", ALONE)
    assert lines_of(tmp_path / "out") == [
        {"key": f"key-{number}-ü", "spelling": f"key-{number}-ü"[::-1]} for number in range(112)
    ]
    assert report == {"parts": 23, "rows": 112, "tally": {"keys": 112, "odd": 22}}
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == report
    settings = json.loads((tmp_path / "out" / "settings.json").read_text())
    assert settings == {"backend": "slow", "greeting": "hello", "part_size": 5}


@pytest.mark.parametrize("engine", ["local", pytest.param("ray", marks=pytest.mark.slow)])
def test_engines_write_the_same_bytes(tmp_path, engine):
    run_stage(SlowStage(), blocks(), tmp_path / "alone", ALONE)
    run_to_the_end([SCRIPT, tmp_path / "many", engine, 2])
    assert contents(tmp_path / "alone") == contents(tmp_path / "many")


def test_a_second_run_makes_nothing_anew(tmp_path):
    run_stage(SlowStage(), blocks(), tmp_path / "out", ALONE)
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("part-*")}
    run_stage(SlowStage(), blocks(), tmp_path / "out", ALONE)
    assert times == {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("part-*")}


def test_parts_are_known_by_the_number_in_their_name(tmp_path):
    """Names sort as numbers do up to 99,999."""
    parts = Parts(tmp_path, "jsonl")
    for number in (100_000, 99_999, 10_000):
        parts.write(number, [], Made([{"key": str(each)} for each in range(number % 7)]))
    assert [(number, record["rows"]) for number, record in parts.records().items()] == [
        (10_000, 10_000 % 7), (99_999, 99_999 % 7), (100_000, 100_000 % 7)
    ]  # fmt: skip
    assert PartBlocks.of(tmp_path).rows == (10_000 % 7, 99_999 % 7, 100_000 % 7)


def test_only_what_changed_is_made_anew(tmp_path):
    items = [{"key": f"k{number}", "caption": "a"} for number in range(23)]
    run_stage(SlowStage(), SequenceBlocks(items, 5), tmp_path / "out", ALONE)
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("part-*")}
    items[7] = {"key": "k7", "caption": "b"}
    report = run_stage(SlowStage(), SequenceBlocks(items[:14], 5), tmp_path / "out", ALONE)
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("part-*")}
    assert [name for name in after if after[name] == before[name]] == ["part-00000.jsonl"]
    assert report["rows"] == 14
    run_stage(SlowStage(), SequenceBlocks(items[:14], 5), tmp_path / "fresh", ALONE)
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh")


def test_other_settings_are_refused_and_nothing_is_touched(tmp_path):
    run_stage(SlowStage(), blocks(), tmp_path / "out", ALONE)
    before = contents(tmp_path / "out")
    with pytest.raises(UserError, match=r'other settings \(greeting: "hello" there, "goodbye" asked for\)'):
        run_stage(SlowStage(greeting="goodbye"), blocks(), tmp_path / "out", ALONE)
    assert contents(tmp_path / "out") == before


def test_settings_that_earlier_versions_wrote_down_are_no_other_ones(tmp_path):
    run_stage(SlowStage(), blocks(), tmp_path / "out", ALONE)
    file = tmp_path / "out" / "settings.json"
    file.write_text(json.dumps({"base_url": "http://localhost:8000/v1", **json.loads(file.read_text())}))
    run_stage(SlowStage(), blocks(), tmp_path / "out", ALONE)
    with pytest.raises(UserError, match=r"\(greeting: "):
        run_stage(SlowStage(greeting="goodbye"), blocks(), tmp_path / "out", ALONE)


def test_a_strangers_folder_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="holds files that were not made here"):
        run_stage(SlowStage(), blocks(), tmp_path, ALONE)
    assert contents(tmp_path) == {"notes.txt": b"mine"}


def test_a_start_that_failed_before_the_first_part_claims_nothing(tmp_path):
    with pytest.raises(UserError, match="cannot be spelt"):
        run_stage(SlowStage(stumbles_at="key-0-ü", greeting="goodbye"), blocks(), tmp_path / "out", ALONE)
    run_stage(SlowStage(), blocks(), tmp_path / "out", ALONE)
    assert json.loads((tmp_path / "out" / "settings.json").read_text())["greeting"] == "hello"


def test_what_was_counted_over_all_items_is_no_setting(tmp_path):
    """Parts made with other counts are made anew; the same counts change nothing."""
    run_stage(SlowStage(), blocks(), tmp_path / "fresh", ALONE)
    run_stage(CountingStage(corpus="112 keys"), blocks(), tmp_path / "out", ALONE)
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("part-*")}
    run_stage(CountingStage(corpus="112 keys"), blocks(), tmp_path / "out", ALONE)
    assert times == {path: path.stat().st_mtime_ns for path in times}
    run_stage(CountingStage(corpus="113 keys"), blocks(), tmp_path / "out", ALONE)
    assert all(path.stat().st_mtime_ns > time for path, time in times.items())
    assert lines_of(tmp_path / "out") == lines_of(tmp_path / "fresh")


def test_a_part_of_other_items_is_never_taken_for_one_of_these(tmp_path):
    """The record of a part cannot be written, as after a kill: the one before it must be gone by then."""
    parts, items = Parts(tmp_path, "jsonl"), [{"key": "a"}]
    parts.write(0, items, Made([{"key": "a"}]))
    assert parts.is_current(0, items)
    with pytest.raises(TypeError):
        parts.write(0, [{"key": "b"}], Made([{"key": "b"}], {"no number": object()}))
    assert not parts.is_current(0, items)


def test_a_folder_that_shrinks_is_unfinished_first(tmp_path):
    run_stage(SlowStage(), blocks(), tmp_path / "out", ALONE)
    (tmp_path / "out" / "part-00022.jsonl").unlink()
    (tmp_path / "out" / "part-00022.jsonl").mkdir()  # cannot be removed as a file is
    with pytest.raises(OSError, match="part-00022"):
        run_stage(SlowStage(), blocks(110), tmp_path / "out", ALONE)
    assert not (tmp_path / "out" / "report.json").exists()


def test_parts_that_nobody_recorded_do_not_stay(tmp_path):
    run_stage(SlowStage(), blocks(), tmp_path / "out", ALONE)
    (tmp_path / "out" / "parts" / "00022.json").unlink()
    run_stage(SlowStage(), blocks(110), tmp_path / "out", ALONE)
    assert len(lines_of(tmp_path / "out")) == 110


@pytest.mark.parametrize("garbage", [b"", b"\xff", b"[1]", b"{", b"{}", b"[" * 100_000])
def test_damaged_records_are_made_anew_and_damaged_settings_named(tmp_path, garbage):
    run_stage(SlowStage(), blocks(), tmp_path / "out", ALONE)
    before = contents(tmp_path / "out")
    (tmp_path / "out" / "parts" / "00003.json").write_bytes(garbage)
    run_stage(SlowStage(), blocks(), tmp_path / "out", ALONE)
    assert contents(tmp_path / "out") == before
    (tmp_path / "out" / "settings.json").write_bytes(garbage)
    with pytest.raises(UserError, match=r"settings.json is damaged; remove the folder|made with other settings"):
        run_stage(SlowStage(), blocks(), tmp_path / "out", ALONE)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_mistake_in_one_part_keeps_the_others(tmp_path, jobs):
    with pytest.raises(UserError, match="the key key-60-ü cannot be spelt"):
        run_stage(SlowStage(stumbles_at="key-60-ü"), blocks(), tmp_path / "out", Workforce(jobs=jobs))
    assert len(lines_of(tmp_path / "out")) >= 5
    assert not (tmp_path / "out" / "report.json").exists()
    run_stage(SlowStage(), blocks(), tmp_path / "out", ALONE)
    assert len(lines_of(tmp_path / "out")) == 112


def test_two_cannot_write_at_once(tmp_path):
    reached, leave = threading.Event(), threading.Event()

    def hold():
        with only_writer(tmp_path / "out"):
            reached.set()
            leave.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert reached.wait(30)
        with pytest.raises(UserError, match="another process is writing to"):
            run_stage(SlowStage(), blocks(), tmp_path / "out", ALONE)
    finally:
        leave.set()
        holder.join()
    run_stage(SlowStage(), blocks(), tmp_path / "out", ALONE)


@pytest.mark.parametrize(
    ("workforce", "message"),
    [
        (Workforce("mainframe"), "unknown engine 'mainframe'; choose one of local, ray"),
        (Workforce("local", 1, "10.0.0.1:6379"), "goes with --engine ray"),
    ],
)
def test_an_unknown_workforce(tmp_path, workforce, message):
    with pytest.raises(UserError, match=message):
        run_stage(SlowStage(), blocks(), tmp_path / "out", workforce)


@pytest.mark.parametrize("scheme", ["", "ray://"])
@pytest.mark.parametrize("greeting", [None, b"220 I am a mail server\r\n"])
def test_an_address_without_a_cluster_is_found_out_before_ray_looks_for_it(tmp_path, scheme, greeting):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"{scheme}127.0.0.1:{server.getsockname()[1]}"

        def greet():
            with server.accept()[0] as caller:
                caller.sendall(greeting)

        if greeting is None:
            server.close()
        else:
            threading.Thread(target=greet, daemon=True).start()
        with pytest.raises(UserError, match=f"no Ray cluster answers at {address}; correct --address"):
            run_stage(SlowStage(), blocks(), tmp_path / "out", Workforce("ray", 1, address))


def test_parts_become_one_file(tmp_path):
    run_stage(SlowStage(), blocks(), tmp_path / "out", ALONE)
    expected = lines_of(tmp_path / "out")
    join_parts(Parts(tmp_path / "out", "jsonl"), tmp_path / "all.jsonl")
    assert [json.loads(line) for line in (tmp_path / "all.jsonl").read_text().splitlines()] == expected
    assert [path.name for path in tmp_path.iterdir()] == ["all.jsonl"]


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_ten_kills_leave_no_trace(tmp_path, jobs):
    run_stage(SlowStage(), blocks(), tmp_path / "whole", ALONE)
    words = [SCRIPT, tmp_path / "killed", "local", jobs]
    assert kill_at_random(words, tmp_path / "killed", longest=0.1, seed=jobs) >= 5
    run_to_the_end(words)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


@pytest.mark.slow
def test_workers_do_not_outlive_their_parent(tmp_path):
    process = start([SCRIPT, tmp_path / "out", "local", 2])
    while not list((tmp_path / "out").glob("part-*")):
        assert process.poll() is None
    process.kill()
    process.communicate(timeout=30)  # the pipe closes when the last process that holds it has ended
