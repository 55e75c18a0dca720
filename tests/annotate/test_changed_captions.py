"""Captions that change after they were annotated: the same command brings all up to date, as if done anew."""

import json
import shutil

import pytest
from corpus import captions, write_folder

from command_line import CommandLine
from killing import contents
from rebind.storage import only_writer

COMMANDS = {
    "substitutes": ("negatives",),
    "refined": ("negatives", "--refine", "--families", "replace_att"),
    "frequencies": ("concepts", "--min-frequency", 3),
}


@pytest.fixture
def rebind(monkeypatch, capfd):
    return CommandLine(monkeypatch, capfd)


def write_captions_of(folder, count):
    rows = (json.dumps({"image": f"{number}.jpg", "caption": text}) for number, text in enumerate(captions(count)))
    (folder / "captions.jsonl").write_text("".join(f"{row}\n" for row in rows))


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
@pytest.mark.parametrize("counts", [(2, 90), (90, 40)])
def test_the_same_command_does_what_a_first_one_would(rebind, tmp_path, command, counts):
    photos, fresh = write_folder(tmp_path / "photos", counts[0]), write_folder(tmp_path / "fresh", counts[1])
    name, *more = command
    rebind.succeeds(name, photos, *more, "--jobs", 1)
    write_captions_of(photos, counts[1])
    rebind.succeeds(name, photos, *more, "--jobs", 1)
    rebind.succeeds(name, fresh, *more, "--jobs", 1)
    assert contents(photos) == contents(fresh)


def test_the_same_captions_are_not_mined_again_and_a_file_that_was_given_never(rebind, tmp_path):
    photos = write_folder(tmp_path / "photos", 40)
    rebind.succeeds("negatives", photos, "--jobs", 1)
    mined = photos / "annotations" / "substitutes.json"
    time = mined.stat().st_mtime_ns
    rebind.succeeds("negatives", photos, "--jobs", 1)
    assert mined.stat().st_mtime_ns == time

    given = shutil.move(mined, tmp_path / "given.json")
    shutil.rmtree(photos / "annotations")
    words = ("negatives", photos, "--substitutes", given, "--jobs", 1)
    rebind.succeeds(*words)
    before = given.read_bytes()
    write_captions_of(photos, 60)
    rebind.succeeds(*words)
    assert given.read_bytes() == before
    assert not mined.exists()
    assert "(substitutes: " in rebind.refuses("negatives", photos, "--jobs", 1)
    assert not mined.exists()


@pytest.mark.parametrize("more", [(), ("--refine", "--families", "replace_att")])
def test_a_command_that_is_refused_does_not_replace_the_substitutes(rebind, tmp_path, more):
    photos = write_folder(tmp_path / "photos", 40)
    rebind.succeeds("negatives", photos, *more, "--jobs", 1)
    before = contents(photos / "annotations")
    write_captions_of(photos, 60)
    assert "(seed: 0 there, 1 asked for)" in rebind.refuses("negatives", photos, *more, "--seed", 1, "--jobs", 1)
    with only_writer(photos / "annotations" / "negatives"):
        assert "another process is writing" in rebind.refuses("negatives", photos, *more, "--jobs", 1)
    assert contents(photos / "annotations") == before


def test_substitutes_of_which_nobody_knows_what_they_were_mined_from_stay(rebind, tmp_path):
    photos = write_folder(tmp_path / "photos", 40)
    file = photos / "annotations" / "substitutes.json"
    file.parent.mkdir()
    file.write_text('{"pictures": 9, "nouns": {"zebra": 9, "giraffe": 8, "lion": 7, "cow": 6}}')
    before = file.read_bytes()
    rebind.succeeds("negatives", photos, "--families", "replace_obj", "--jobs", 1)
    assert file.read_bytes() == before
    assert "giraffe" in (photos / "annotations" / "negatives" / "part-00000.jsonl").read_text()


def test_another_minimum_is_refused_before_any_work_and_nothing_is_left_beside(rebind, tmp_path):
    photos = write_folder(tmp_path / "photos", 40)
    rebind.succeeds("concepts", photos, "--min-frequency", 3, "--jobs", 1)
    before = contents(photos)
    assert "(min_frequency: 3 there, 4 asked for)" in rebind.refuses("concepts", photos, "--min-frequency", 4)
    assert contents(photos) == before
    assert [path.name for path in (photos / "annotations").iterdir()] == ["concepts"]
