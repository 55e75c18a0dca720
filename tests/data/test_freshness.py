"""Annotations written part by part, and captions that change under them."""

import json
import shutil
import warnings

import pytest

from rebind.annotate.concepts import annotate_concepts
from rebind.annotate.negatives import annotate_negatives
from rebind.data import open_source
from rebind.data.annotation_files import read_annotation, write_annotation
from rebind.data.annotations import with_concepts, with_negatives, with_rewrites
from rebind.data.freshness import require_fresh
from rebind.data.left_out import leave_out
from rebind.data.packing import pack
from rebind.engine import Workforce
from rebind.types import UserError

ONE = Workforce(jobs=1)
COLOURS = ("red", "green", "blue", "white", "black", "yellow")
MOVED = "samples of .* were added, removed or moved since `rebind negatives` ran .* give that command again"
CHANGED = "captions of .* have changed since `rebind negatives` ran .*'k0' on.* give that command again"


def write(folder, captions):
    rows = [{"key": f"k{n}", "image": f"{n}.png", "caption": caption} for n, caption in captions.items()]
    (folder / "captions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def captions():
    others = {n: f"a {COLOURS[n % 6]} cup under a {COLOURS[n % 5]} table" for n in range(1, 30, 4)}
    return {0: "a red cup on a blue table", **others}


@pytest.fixture
def kitchen(photos, captions):
    write(photos, captions)
    annotate_negatives(photos, workforce=ONE)
    return photos


def test_negatives_of_other_captions_are_refused_wherever_they_are_read(kitchen, captions, tmp_path):
    with_negatives(open_source(kitchen))
    write(kitchen, {**captions, 0: "two zebras in a field"})
    source = open_source(kitchen)
    for read in (with_negatives, lambda source: list(read_annotation(source, "negatives"))):
        with pytest.raises(UserError, match=CHANGED):
            read(source)
    with pytest.raises(UserError, match=CHANGED):
        pack(kitchen, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    annotate_negatives(kitchen, workforce=ONE)
    assert not [each for each in with_negatives(open_source(kitchen)).negatives(0) if "cup" in each.caption]


def test_what_is_joined_or_left_out_is_no_change(kitchen, tmp_path):
    annotate_concepts(kitchen, workforce=ONE)
    source = open_source(kitchen)
    write_annotation(source, "rewrites", [("k1", ["a cup of green on a table"])], {})
    (tmp_path / "held_out.txt").write_text("k0\nk5\n")
    fewer = leave_out(source, tmp_path / "held_out.txt")
    assert with_negatives(with_concepts(with_rewrites(source))).negatives(0)
    assert len(with_concepts(with_negatives(with_rewrites(fewer)))) == len(source) - 2
    annotate_negatives(kitchen, workforce=ONE)  # concepts that lie beside the captions are no part of them
    annotate_concepts(kitchen, workforce=ONE)
    with_negatives(with_concepts(open_source(kitchen)))


def test_negatives_of_packed_concepts_are_current(kitchen, captions, tmp_path):
    shutil.rmtree(kitchen / "annotations" / "negatives")
    annotate_concepts(kitchen, workforce=ONE)
    for n in captions:
        shutil.copy(kitchen / "red.png", kitchen / f"{n}.png")
    pack(kitchen, tmp_path / "out")
    annotate_negatives(tmp_path / "out", workforce=ONE)
    assert with_negatives(with_concepts(open_source(tmp_path / "out"))).negatives(0)


def test_more_samples_in_the_end_are_warned_of(kitchen, captions):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with_negatives(open_source(kitchen))
    write(kitchen, {**captions, 98: "a lamp", 99: "a lamp"})
    says = "2 of the 11 samples in .*photos have no negatives yet; run `rebind negatives` again"
    with pytest.warns(UserWarning, match=says):
        joined = with_negatives(open_source(kitchen))
    assert joined.negatives(0)
    assert joined.negatives(len(joined) - 1) == ()


@pytest.mark.parametrize(
    "change",
    [
        lambda captions: {0: captions[0], 1: captions[1]},
        lambda captions: {n: caption for n, caption in captions.items() if n != 5},
        lambda captions: {0: captions[0], 77: "a lamp", **captions},
        lambda captions: dict(reversed(captions.items())),
    ],
    ids=["cut", "removed", "inserted", "moved"],
)
def test_other_samples_are_told_from_other_captions(kitchen, captions, change):
    write(kitchen, change(captions))
    with pytest.raises(UserError, match=MOVED):
        with_negatives(open_source(kitchen))
    annotate_negatives(kitchen, workforce=ONE)
    with_negatives(open_source(kitchen))


@pytest.mark.parametrize(
    ("name", "damage"), [("parts/00000.json", ""), ("parts/00000.json", '{"made_of": "b"}'), ("settings.json", "[]")]
)
def test_a_damaged_record_is_one_sentence(kitchen, name, damage, tmp_path):
    (kitchen / "annotations" / "negatives" / name).write_text(damage)
    with pytest.raises(UserError, match=rf"negatives/{name} is damaged; remove .*, and give the command again"):
        pack(kitchen, tmp_path / "out")
    if name != "settings.json":
        annotate_negatives(kitchen, workforce=ONE)
        with_negatives(open_source(kitchen))


def test_concepts_of_other_captions_are_refused(kitchen, captions):
    annotate_concepts(kitchen, workforce=ONE)
    write(kitchen, {**captions, 0: "two zebras"})
    with pytest.raises(UserError, match="have changed since `rebind concepts` ran"):
        with_concepts(open_source(kitchen))


def test_refined_negatives_are_judged_by_their_candidates(photos, captions):
    write(photos, captions)
    annotate_negatives(photos, workforce=ONE, refine=True)
    list(read_annotation(open_source(photos), "negatives"))
    write(photos, {**captions, 0: "two zebras in a field"})
    with pytest.raises(UserError, match="have changed since `rebind negatives` ran"):
        list(read_annotation(open_source(photos), "negatives"))
    shutil.rmtree(photos / "annotations" / "negatives" / "candidates")
    require_fresh(open_source(photos), "negatives")


def test_what_was_not_made_of_captions_is_not_looked_at(kitchen, captions):
    annotate_concepts(kitchen, min_frequency=2, workforce=ONE)
    with_concepts(open_source(kitchen))
    shutil.rmtree(kitchen / "annotations" / "negatives")
    write_annotation(open_source(kitchen), "negatives", [("k0", [{"caption": "a blue cup"}])], {})
    write(kitchen, {0: "two zebras in a field", 1: "a lamp"})
    assert with_negatives(open_source(kitchen)).negatives(0)[0].caption == "a blue cup"
