import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rebind.data.writing import write_folder_source
from rebind.storage import atomic_path, only_writer, write_json, write_text
from rebind.types import UserError

IN_NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]


def small_disks():
    """How a full disk can be had here: /dev/full always, a small tmpfs where user namespaces are permitted."""
    yield "/dev/full"
    if shutil.which("unshare"):
        probe = subprocess.run(
            [*IN_NAMESPACE, "mount -t tmpfs -o size=64k tmpfs /mnt"], capture_output=True, check=False
        )
        if probe.returncode == 0:
            yield "tmpfs"


def test_a_file_appears_whole(tmp_path):
    target = tmp_path / "new" / "a.json"
    write_json(target, {"é": 1})
    assert target.read_text() == '{\n  "é": 1\n}\n'
    write_text(target, "next")
    assert target.read_text() == "next"
    assert os.listdir(target.parent) == ["a.json"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, SystemExit])
def test_a_failure_leaves_what_was_there(tmp_path, error):
    target = tmp_path / "a"
    target.write_text("old")

    def fail():
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path):
    """One is killed while it writes and leaves its temporary file; another still runs, and keeps its own."""
    target = tmp_path / "a[1].json"
    half = (
        "import sys, time; from rebind.storage import atomic_path\n"
        "with atomic_path(sys.argv[1]) as temporary:\n"
        "    temporary.write_text('half'); print('written', flush=True); time.sleep(60)"
    )
    killed, running = (
        subprocess.Popen([sys.executable, "-c", half, str(target)], stdout=subprocess.PIPE, text=True) for _ in range(2)
    )
    try:
        assert killed.stdout.readline() == running.stdout.readline() == "written\n"
        killed.kill()
        killed.communicate()
        assert len(os.listdir(tmp_path)) == 2
        write_text(target, "whole")
        (left,) = set(os.listdir(tmp_path)) - {target.name}
        assert left.endswith(f".{running.pid}.partial")
    finally:
        running.kill()
        running.communicate()
    write_text(target, "again")
    assert os.listdir(tmp_path) == [target.name]


def test_what_another_container_left_is_removed_after_a_day(tmp_path):
    """Containers may share disk and host name; the process of a number is another one in each."""
    target = tmp_path / "a.json"
    with atomic_path(target) as temporary:
        temporary.write_text("mine")
    gone = subprocess.Popen(["true"])
    gone.wait()
    other = tmp_path / f".a.json.0123abcd.{gone.pid}.partial"
    assert re.fullmatch(rf"\.a\.json\.[0-9a-f]{{8}}\.{os.getpid()}\.partial", temporary.name)
    download = tmp_path / ".a.json.tar.partial"
    for path in (other, download):
        path.write_text("half")
    write_text(target, "new")
    assert set(os.listdir(tmp_path)) == {"a.json", other.name, download.name}
    long_ago = time.time() - 2 * 86_400
    for path in (other, download):
        os.utime(path, (long_ago, long_ago))
    write_text(tmp_path / "a", "no part of it is the name of the other")
    assert other.exists()
    write_text(target, "newer")
    assert set(os.listdir(tmp_path)) == {"a", "a.json", download.name}


HOLDING = """
import pathlib, sys, time; from rebind.storage import only_writer
with only_writer(pathlib.Path(sys.argv[1]), wait=True):
    print("writing", flush=True)
    if sys.argv[2] == "for ever":
        time.sleep(60)
    raise SystemExit(3)
"""


def test_a_writer_that_waits_has_its_turn_when_the_other_ends_or_dies(tmp_path):
    def start(how_long):
        words = [sys.executable, "-c", HOLDING]
        return subprocess.Popen([*words, tmp_path, how_long], stdout=subprocess.PIPE, text=True)

    first = start("for ever")
    try:
        assert first.stdout.readline() == "writing\n"
        with pytest.raises(UserError, match="another process is writing to"), only_writer(tmp_path):
            pass
        second = start("shortly")  # leaves its block by an exception
        with pytest.raises(subprocess.TimeoutExpired):
            second.wait(0.5)
    finally:
        first.kill()
        first.communicate()
    assert second.communicate(timeout=60)[0] == "writing\n"
    assert second.returncode == 3
    with only_writer(tmp_path):
        pass


def test_a_folder_is_replaced_whole(tmp_path):
    target = tmp_path / "run"
    for names in (["a", "b"], ["c"]):
        with atomic_path(target, folder=True) as temporary:
            temporary.mkdir()
            for name in names:
                (temporary / name).write_text(name)
        assert sorted(os.listdir(target)) == names

    def fail():
        with atomic_path(target, folder=True) as temporary:
            temporary.mkdir()
            (temporary / "d").write_text("d")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert os.listdir(target) == ["c"]
    assert os.listdir(tmp_path) == ["run"]


def test_a_file_never_takes_the_place_of_a_folder(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "1.jpg").write_bytes(b"one")
    (tmp_path / "link").symlink_to("photos")
    for name in ("photos", "link"):
        says = f"{name}: it is a folder; give the name of a file"
        with pytest.raises(UserError, match=says), atomic_path(tmp_path / name):
            raise AssertionError("not refused before any work")
    assert (tmp_path / "photos" / "1.jpg").read_bytes() == b"one"
    assert sorted(os.listdir(tmp_path)) == ["link", "photos"]


def test_a_full_disk_is_one_sentence(tmp_path):
    """A real ENOSPC: the temporary file is a link to the device that is always full."""
    target = tmp_path / "a.txt"
    target.write_text("old")

    def write():
        with atomic_path(target) as temporary:
            temporary.symlink_to("/dev/full")
            temporary.write_text("new")

    with pytest.raises(UserError) as caught:
        write()
    assert str(caught.value) == f"cannot write {target}: the disk is full; free some space or choose another folder"
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]
    assert Path("/dev/full").exists()


@pytest.mark.parametrize("disk", list(small_disks()))
def test_the_disk_fills_while_a_folder_is_written(tmp_path, disk):
    if disk == "tmpfs":
        code = "import sys, pathlib; from rebind.data.writing import write_folder_source as w\n"
        code += "try: w(pathlib.Path('data'), ((str(n), bytes(5000), 'a') for n in range(100)))\n"
        code += "except Exception as error: print(type(error).__name__, error)"
        script = (
            f'mount -t tmpfs -o size=64k tmpfs "{tmp_path}" && cd "{tmp_path}" && "{sys.executable}" -c "{code}"; ls -A'
        )
        output = subprocess.check_output([*IN_NAMESPACE, script], text=True)
        assert output == "UserError cannot write data: the disk is full; free some space or choose another folder\n"
        return

    def samples():
        yield "1", b"one", "a"
        (images,) = tmp_path.glob(".data.*.partial/images")
        (images / "2.jpg").symlink_to(disk)
        yield "2", b"two", "b"

    with pytest.raises(UserError, match=r"cannot write .*data: the disk is full; free some space"):
        write_folder_source(tmp_path / "data", samples())
    assert os.listdir(tmp_path) == []


def test_a_path_through_a_file_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="a part of the path is a file, not a folder"):
        write_text(tmp_path / "file" / "folder" / "a.txt", "text")


@pytest.mark.parametrize(
    ("place", "reason"),
    [("/proc/x", "nothing can be made at that place"), ("{}/afile", "there is a file of that name where a folder")],
)
def test_a_place_where_no_folder_can_be_is_one_sentence(tmp_path, place, reason):
    (tmp_path / "afile").write_text("")
    folder = Path(place.format(tmp_path))
    with pytest.raises(UserError, match=f"cannot write {folder}/results.json: {reason}"):
        write_json(folder / "results.json", {})
    with pytest.raises(UserError, match=f"cannot write {folder}: {reason}"), only_writer(folder):
        pass


def test_another_file_that_is_missing_is_not_blamed_on_the_place(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "a") as temporary:
        shutil.copy(tmp_path / "nowhere", temporary)
