"""Hard negatives, their pictures and foils on the command line, in the order that the README gives."""

import json
import re
import shlex

import pytest
from PIL import Image

from command_line import CommandLine
from photos import write_siglip
from rebind.data import open_source
from rebind.data.annotations import with_negatives
from tiny_diffusion import write_stable_diffusion

COLOURS = ("red", "green", "blue", "white", "black", "yellow", "brown", "orange")
THINGS = ("cup", "dog", "bus", "hat", "chair", "bird", "box", "cat", "bowl")


@pytest.fixture
def rebind(monkeypatch, capfd):
    return CommandLine(monkeypatch, capfd)


def write_kitchen(folder, count, captions=2, pictures=True):
    """Pictures with one or two captions each, in a folder with a space in its name."""
    folder.mkdir()
    with (folder / "captions.jsonl").open("w") as rows:
        for n in range(count):
            one, other = COLOURS[n % 8], COLOURS[(n // 8 + n + 1 + n // 64) % 8]
            thing, place = THINGS[n // 3 % 9], THINGS[(n // 3 + 1 + n // 27 % 7) % 9]
            said = f"a {one} {thing} under a {other} {place}", f"a {other} {place} on top of a {one} {thing} in a room"
            rows.write(json.dumps({"image": f"{n}.png", "key": f"k{n}", "captions": said[:captions]}) + "\n")
            if pictures:
                Image.new("RGB", (8, 6), (n % 250, 0, 0)).save(folder / f"{n}.png")
    return folder


def table(said):
    """Family -> foils of the table that the command prints."""
    rows = (re.match(r"\s+(\w+)\s+([\d,]+)\s+[\d,]+\s+\S", line) for line in said.splitlines())
    return {row[1]: int(row[2].replace(",", "")) for row in rows if row}


def test_negatives_that_lie_beside_the_captions_do_not_change_the_foils(rebind, tmp_path):
    kitchen, words = write_kitchen(tmp_path / "my kitchen", 150), ("--share", 1)
    before = rebind.succeeds("foils", kitchen, "--out", tmp_path / "one", *words)
    assert before.startswith("The foils are written by rule.\n")
    rebind.succeeds("negatives", kitchen, "--jobs", 1)
    after = rebind.succeeds("foils", kitchen, "--out", tmp_path / "two", *words)
    assert after.startswith(
        "The foils are written by rule. The annotated negatives are left alone (--from annotations)."
    )
    assert table(before) == table(after)
    for family in table(before):
        files = [tmp_path / out / f"{family}.json" for out in ("one", "two")]
        assert len({file.read_bytes() if file.is_file() else b"" for file in files}) == 1
    said = rebind.succeeds("foils", kitchen, "--out", tmp_path / "three", *words, "--from", "annotations")
    assert said.startswith("The foils are chosen from the annotated negatives.\n")
    written = {negative.caption for row in with_negatives(open_source(kitchen)) for negative in row.negatives}
    for file in (tmp_path / "three").glob("*.json"):
        assert {item["negative_caption"] for item in json.loads(file.read_text()).values()} <= written


def test_the_table_shows_what_was_written_and_commands_can_be_copied(rebind, tmp_path):
    kitchen, out = write_kitchen(tmp_path / "my kitchen", 150), tmp_path / "my foils"
    for n in range(0, 150, 2):
        (kitchen / f"{n}.png").unlink()
    said = rebind.succeeds("foils", kitchen, "--out", out, "--share", 1, "--families", " replace_att , replace_rel")
    counts = {file.stem: len(json.loads(file.read_text())) for file in out.glob("*.json")}
    assert {family: count for family, count in table(said).items() if count} == counts
    assert re.search(r"\d+ pictures cannot be read \(k\d+: .*\): \d+ foils were left out\.", said)
    assert "Too few pairs to know whether these can be told blindly: replace_att (n = " in said
    (line,) = [line for line in said.splitlines() if line.startswith("rebind eval")]
    assert shlex.split(line)[-3:] == [str(out), "--images", str(kitchen)]
    held_out = shlex.split(said.splitlines()[-1].partition(": ")[2])
    assert held_out[3:] == ["--data", str(kitchen), "--leave-out", str(out / "held_out.txt")]


def test_without_pictures_there_is_no_benchmark(rebind, tmp_path):
    kitchen = write_kitchen(tmp_path / "kitchen", 90, pictures=False)
    said = rebind.refuses("foils", kitchen, "--out", tmp_path / "out", "--share", 1)
    assert re.match(r"none of the \d+ pictures that foils were made for can be read \('k\d+': .*does not exist", said)
    assert not (tmp_path / "out").exists()


def test_families_that_blind_readers_tell_are_left_out(rebind, tmp_path):
    kitchen, out = write_kitchen(tmp_path / "kitchen", 220, captions=1), tmp_path / "out"
    said = rebind.succeeds("foils", kitchen, "--out", out, "--share", 1)
    assert re.search(r"Left out; name them in --families to keep them: .*add_obj \(.* 100\.0% \[100", said)
    assert not (out / "add_obj.json").exists()
    assert table(said)["add_obj"] == 0
    said = rebind.succeeds("foils", kitchen, "--out", out, "--share", 1, "--families", "add_obj")
    assert "Of little use: add_obj (" in said
    assert (out / "add_obj.json").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--families", "nope"], r"no family of foils is called 'nope'; there are: swap_att, "),
        (["--from", "annotations"], r"annotations/negatives does not exist; write it with `rebind negatives"),
    ],
)
def test_wrong_words_are_named(rebind, tmp_path, words, message):
    kitchen = write_kitchen(tmp_path / "kitchen", 20)
    assert re.search(message, rebind.refuses("foils", kitchen, "--out", tmp_path / "out", "--share", 1, *words))


def test_vetoes_that_match_nothing_are_said(rebind, tmp_path):
    kitchen = write_kitchen(tmp_path / "kitchen", 100)
    (tmp_path / "vetoes.jsonl").write_text('{"filename": "0.png", "foil": "a zebra"}\n')
    words = ("foils", kitchen, "--out", tmp_path / "out", "--share", 1, "--vetoes", tmp_path / "vetoes.jsonl")
    assert "1 of 1 vetoes match no foil that could be made (0.png: a zebra)." in rebind.succeeds(*words)


@pytest.mark.slow
def test_concepts_negatives_pictures_pack_train(rebind, tmp_path):
    kitchen, painter = write_kitchen(tmp_path / "kitchen", 12), tmp_path / "painter"
    write_stable_diffusion(painter)
    rebind.succeeds("concepts", kitchen, "--jobs", 1)
    rebind.succeeds("negatives", kitchen, "--jobs", 1, "--families", "swap_att,replace_att")
    rebind.succeeds("pictures", kitchen, "--model", painter, "--families", "swap_att , replace_att", "--steps", 1)
    rebind.succeeds("data", "pack", kitchen, "--out", tmp_path / "shards")
    settings = ("--model", write_siglip(tmp_path / "siglip"), "--batch-size", 4, "--steps", 2, "--workers", 0)
    for data in (kitchen, tmp_path / "shards"):
        out = tmp_path / f"run on {data.name}"
        rebind.succeeds("train", "--objective", "tripletclip", "--data", data, "--out", out, *settings)
    rows = [json.loads(line) for line in (kitchen / "captions.jsonl").read_text().splitlines()]
    rows[3]["captions"] = ["two zebras in a field"]
    (kitchen / "captions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for words in (
        ("train", "--objective", "tripletclip", "--data", kitchen, "--out", tmp_path / "again", *settings),
        ("train", "--objective", "c2lip", "--data", kitchen, "--out", tmp_path / "third", *settings),
        ("data", "pack", kitchen, "--out", tmp_path / "shards"),
        ("foils", kitchen, "--out", tmp_path / "foils", "--share", 1, "--from", "annotations"),
        ("pictures", kitchen, "--model", painter),
    ):
        assert re.search("captions of .* have changed since `rebind (concepts|negatives)` ran", rebind.refuses(*words))


def test_samples_that_an_annotation_does_not_know_are_one_sentence(rebind, tmp_path):
    kitchen = write_kitchen(tmp_path / "kitchen", 4)
    rebind.succeeds("concepts", kitchen)
    with (kitchen / "captions.jsonl").open("a") as lines:
        lines.write(json.dumps({"image": "0.jpg", "key": "one more", "caption": "a red cup"}) + "\n")
    outcome = rebind("data", "pack", kitchen, "--out", tmp_path / "shards")
    assert outcome.status == 0
    said = f"rebind: 1 of the 5 samples in {kitchen} have no concepts yet; run `rebind concepts` again\n"
    assert outcome.error == said
