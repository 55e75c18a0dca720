import json
import os
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from rebind.benchmarks import read_foils
from rebind.data import open_source
from rebind.foils import FoilSettings, Veto, build_foils, read_vetoes, write_foils
from rebind.foils.pictures import picture_name
from rebind.foils.writing import earlier_vetoes
from rebind.types import UserError


def built(source, write_negatives, **settings):
    return build_foils(source, write_negatives, FoilSettings(**{"share": 1, "per_family": 20} | settings))


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_benchmark_is_read_as_sugarcrepe_is(source, write_negatives, tmp_path):
    foils = built(source, write_negatives)
    written = write_foils(foils, source, tmp_path / "out")
    items = read_foils(written.folder, written.images)
    assert written.images == source.root
    assert {(item.category, item.caption, item.foil) for item in items} == {
        (foil.family, foil.caption, foil.foil) for foil in foils.foils
    }
    assert len(items) == len(foils.foils)
    assert all(item.image.is_file() for item in items)
    by_text = {(foil.family, foil.foil): source.image(foil.row) for foil in foils.foils}
    assert all(by_text[item.category, item.foil] == item.image for item in items)
    assert (written.folder / "held_out.txt").read_text().splitlines() == list(foils.held_out)


def test_the_report_counts_everything(source, write_negatives, tmp_path):
    written = write_foils(built(source, write_negatives), source, tmp_path / "out")
    report = json.loads((tmp_path / "out" / "report" / "foils.json").read_text())
    assert report == written.report
    assert (report["samples"], report["held_out"], report["vetoes"], report["source"]) == (300, 300, 0, "photos")
    assert report["settings"] == {
        "families": ["swap_att", "replace_obj", "add_obj"], "share": 1, "per_family": 20, "refine": True, "seed": 0,
        "origin": "rules",
    }  # fmt: skip
    family = report["families"]["replace_obj"]
    assert family["kept"] == report["foils"]["replace_obj"] <= 20
    assert family["balanced"] <= family["samples"] <= family["candidates"]
    assert set(family["after"]["classifier_retrained"]) == {"accuracy", "low", "high", "n"}


def test_equal_input_gives_equal_bytes_also_when_written_over(source, write_negatives, tmp_path):
    foils = built(source, write_negatives)
    for name in ("one", "two", "one"):
        write_foils(foils, source, tmp_path / name)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]


def test_pictures_of_shards_are_written_beside_and_broken_ones_left_out(shards, write_negatives, tmp_path):
    foils = built(shards, write_negatives, refine=False)
    written = write_foils(foils, shards, tmp_path / "out")
    assert written.images == tmp_path / "out"
    items = read_foils(written.folder, written.images)
    assert {item.image.parent for item in items} == {tmp_path / "out" / "images"}
    for item in items:
        assert Image.open(item.image).size[1] == 30
    (broken,) = written.report["broken_images"]
    assert broken["key"] == "s-7"
    assert "s-7" in {foil.key for foil in foils.foils}
    assert not [item for item in items if item.image.stem == "s-7"]
    write_foils(foils, shards, tmp_path / "out")  # its own images/ are no stranger's


def test_keys_that_cannot_name_files_name_different_files(tmp_path):
    keys = ["a/b", "a_b", "a b", "../../etc/passwd", "é" * 300, "plain-1"]
    source = SimpleNamespace(keys=keys, root=tmp_path, image=lambda row: b"\xff\xd8 JPEG")
    names = [picture_name(source, row)[0] for row in range(len(keys))]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"images/[A-Za-z0-9_-]{1,90}\.jpg", name) for name in names)
    assert names[1::4] == ["images/a_b.jpg", "images/plain-1.jpg"]


def test_a_strangers_folder_is_not_replaced(source, write_negatives, tmp_path):
    foils = built(source, write_negatives)
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match=r"holds thesis\.txt, which was not written by"):
        write_foils(foils, source, out)
    (out / "thesis.txt").unlink()
    write_foils(foils, source, out)
    (out / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match=r"thesis\.txt"):
        write_foils(foils, source, out)
    assert (out / "thesis.txt").read_text() == "years of work"
    with pytest.raises(UserError, match="is a file"):
        write_foils(foils, source, out / "thesis.txt")


def test_vetoes_stay_in_force_and_news_are_marked(source, write_negatives, tmp_path):
    out, settings = tmp_path / "out", FoilSettings(share=1, refine=False, per_family=20)
    first = build_foils(source, write_negatives, settings)
    write_foils(first, source, out)
    assert "data-new" not in (out / "foils.html").read_text()
    item = next(iter(json.loads((out / "replace_obj.json").read_text()).values()))
    veto = Veto(item["filename"], item["negative_caption"], "replace_obj", "it <is> true")
    (tmp_path / "vetoes.jsonl").write_text(veto.as_line() + "\n\n")
    vetoes = earlier_vetoes(out, tmp_path / "vetoes.jsonl")
    assert vetoes == [veto]
    written = write_foils(build_foils(source, write_negatives, settings, vetoes), source, out, vetoes)
    assert written.report["vetoes"] == 1
    texts = [item["negative_caption"] for item in json.loads((out / "replace_obj.json").read_text()).values()]
    assert item["negative_caption"] not in texts
    assert len(texts) == 20
    assert (out / "foils.html").read_text().count("data-new") == 1
    assert earlier_vetoes(out) == [veto]  # without being given again
    later = Veto(veto.filename, veto.foil, "replace_obj", "on second thought")
    (tmp_path / "vetoes.jsonl").write_text(later.as_line())
    assert earlier_vetoes(out, tmp_path / "vetoes.jsonl") == [later]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r"vetoes\.jsonl, line 1: invalid JSON"),
        ('{"foil": "a"}', r"vetoes\.jsonl, line 1: `filename` must be a text"),
        ('{"foil": "", "filename": "b"}', "`foil` is empty"),
        ('{"foil": "a", "filename": "b", "reason": 3}', "`reason` must be a text, not int"),
    ],
)
def test_wrong_vetoes_are_named(tmp_path, line, message):
    (tmp_path / "vetoes.jsonl").write_text(line)
    with pytest.raises(UserError, match=message):
        read_vetoes(tmp_path / "vetoes.jsonl")


def test_vetoes_must_be_there(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        read_vetoes(tmp_path / "vetoes.jsonl")
    (tmp_path / "vetoes.csv").write_text("")
    with pytest.raises(UserError, match=r"is no \.jsonl file"):
        read_vetoes(tmp_path / "vetoes.csv")


def test_a_key_of_two_lines_is_refused(photos, write_negatives, tmp_path):
    (photos / "odd.jsonl").write_text(
        '{"key": "a\\nb", "image": "of things/000 é.png", "caption": "a red cup near a blue dog"}\n'
    )
    source = open_source(photos / "odd.jsonl")
    with pytest.raises(UserError, match="line break"):
        write_foils(built(source, write_negatives, refine=False), source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_nothing_is_written_when_no_picture_can_be_read(source, write_negatives, tmp_path):
    foils = built(source, write_negatives, refine=False)
    write_foils(foils, source, tmp_path / "out")
    before = contents(tmp_path / "out")
    rows = (source.root / "captions.jsonl").read_text().replace("of things/", "of no things/")
    (source.root / "gone.jsonl").write_text(rows)
    with pytest.raises(UserError, match=r"none of the \d+ pictures that foils were made for can be read \('photo "):
        write_foils(foils, open_source(source.root / "gone.jsonl"), tmp_path / "out")
    assert contents(tmp_path / "out") == before


def test_foils_without_a_picture_are_counted(shards, write_negatives, tmp_path, monkeypatch):
    for embedded in (2_000, 3):
        monkeypatch.setattr("rebind.foils.writing._EMBEDDED", embedded)
        foils = built(shards, write_negatives, refine=False)
        report = write_foils(foils, shards, tmp_path / f"{embedded}").report
        assert report["without_picture"] == sum(foil.key == "s-7" for foil in foils.foils) == 3
        assert sum(report["foils"].values()) == len(foils.foils) - 3


def test_linked_pictures_must_be_there_too(photos, write_negatives, tmp_path, monkeypatch):
    monkeypatch.setattr("rebind.foils.writing._EMBEDDED", 0)
    rows = (photos / "captions.jsonl").read_text().splitlines(keepends=True)[:20]
    (photos / "few.jsonl").write_text("".join(rows).replace("of things/003", "of things/gone"))
    few = open_source(photos / "few.jsonl")
    report = write_foils(built(few, write_negatives, refine=False), few, tmp_path / "out").report
    assert [one["key"] for one in report["broken_images"]] == ["photo 3"]


def test_an_empty_benchmark_is_refused_and_says_what_would_help(source, write_negatives, tmp_path):
    foils = built(source, write_negatives)
    nothing = replace(foils, foils=(), exposed={"add_obj": ["length"]})
    with pytest.raises(UserError, match=r"no foil is left of the [\d,]+ candidates of .*`--families add_obj` keeps"):
        write_foils(nothing, source, tmp_path / "out")
    with pytest.raises(UserError, match=r"no foil is left .*more captions of each image"):
        write_foils(replace(nothing, exposed={}), source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("mine", ["images/holiday.jpg", "report/draft.txt", "deep/down/x"])
def test_files_of_others_within_its_folders_are_not_removed(shards, write_negatives, tmp_path, mine):
    foils, out = built(shards, write_negatives, refine=False), tmp_path / "out"
    write_foils(foils, shards, out)
    (out / mine).parent.mkdir(parents=True, exist_ok=True)
    (out / mine).write_text("mine")
    named = "deep" if mine.startswith("deep/") else mine  # what lies on top says enough
    with pytest.raises(UserError, match=rf"out holds {named}, which was not written by `rebind foils`"):
        write_foils(foils, shards, out)
    with pytest.raises(UserError, match="was not written by"):
        earlier_vetoes(out)
    assert (out / mine).read_text() == "mine"


def test_what_file_managers_leave_is_no_obstacle(shards, write_negatives, tmp_path):
    foils, out = built(shards, write_negatives, refine=False), tmp_path / "out"
    out.mkdir()
    (out / ".DS_Store").write_bytes(b"Bud1")
    write_foils(foils, shards, out)
    for name in (".DS_Store", "images/Thumbs.db"):
        (out / name).write_bytes(b"x")
    write_foils(foils, shards, out)
    assert set(contents(out)) == set(json.loads((out / "report" / "foils.json").read_text())["files"])


def test_folders_of_earlier_versions_which_list_folders_are_theirs(shards, write_negatives, tmp_path):
    foils, out = built(shards, write_negatives, refine=False), tmp_path / "out"
    report = write_foils(foils, shards, out).report
    listed = sorted({name.partition("/")[0] for name in report["files"]})
    assert {"images", "report"} < set(listed)
    (out / "report" / "foils.json").write_text(json.dumps({**report, "files": listed}))
    assert earlier_vetoes(out) == []
    (out / "images2").mkdir()
    (out / "images2" / "mine.jpg").write_text("mine")
    with pytest.raises(UserError, match="out holds images2, which"):
        write_foils(foils, shards, out)
    (out / "images2" / "mine.jpg").unlink()
    (out / "images2").rmdir()
    write_foils(foils, shards, out)


def test_a_stranger_on_top_is_named_before_anything_below_is_looked_at(tmp_path, monkeypatch):
    (tmp_path / "deep" / "down").mkdir(parents=True)
    looked_at = []
    for name in ("scandir", "listdir"):
        original = getattr(os, name)
        monkeypatch.setattr(os, name, lambda place=".", look=original: looked_at.append(Path(place)) or look(place))
    with pytest.raises(UserError, match="holds deep, which was not written by"):
        earlier_vetoes(tmp_path)
    assert set(looked_at) == {tmp_path}
