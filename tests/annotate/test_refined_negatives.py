"""Negatives refined on the way: who reads them blindly can only guess, and nothing else about them changes."""

import json
import re
from collections import Counter
from math import log
from pathlib import Path

import pytest
from corpus import write_captions, write_folder
from refine_in_parts import refine_in_parts

from command_line import CommandLine
from killing import contents, kill_at_random, run_to_the_end
from rebind.annotate.balanced_negatives import CandidateBlocks
from rebind.annotate.blind_scores import judge_refinement
from rebind.data import open_source
from rebind.data.annotations import with_negatives
from rebind.engine import PartBlocks, SequenceBlocks, Workforce

HERE = Path(__file__).parent
COCO = HERE.parents[2] / "shared" / "data" / "coco_captions" / "captions_val2017.json"


@pytest.fixture
def rebind(monkeypatch, capfd):
    return CommandLine(monkeypatch, capfd)


def words(text):
    return re.findall(r"\w+", text.lower())


def naive_bayes(learnt, asked):
    """For each pair asked, 1 if its caption looks more like a caption than its negative does, 0 if less."""
    true, false = (Counter(word for pair in learnt for word in words(pair[side])) for side in (0, 1))
    different = len(true | false)
    sums = sum(true.values()) + different, sum(false.values()) + different

    def leans(text):
        return sum(log((true[word] + 1) / sums[0]) - log((false[word] + 1) / sums[1]) for word in words(text))

    gaps = [leans(caption) - leans(negative) for caption, negative in asked]
    return [(gap > 1e-9) + 0.5 * (abs(gap) <= 1e-9) for gap in gaps]


def accuracy(parts):
    """Of a judge that learns from every second part and is asked about the others, and the other way round."""
    right = []
    for half in (0, 1):
        learnt, asked = ([pair for part in parts[start::2] for pair in part] for start in (1 - half, half))
        right += naive_bayes(learnt, asked)
    return sum(right) / len(right)


def parts_of(blocks):
    return [blocks[number] for number in range(len(blocks))]


def pairs(blocks, rows, family):
    """Part by part the captions and negatives of a family, the first one of each sample."""
    found = []
    for items, part in zip(parts_of(blocks), rows, strict=True):
        captions = {item["key"]: item["captions"] for item in items}
        several = [(row["key"], [each for each in row["negatives"] if each["family"] == family]) for row in part]
        found.append([(captions[key][own[0]["of"]], own[0]["caption"]) for key, own in several if own])
    return found


def before_and_after(folder, blocks, family):
    before, after = (pairs(blocks, rows, family) for rows in (parts_of(blocks), PartBlocks.of(folder)))
    return accuracy(before), accuracy(after), sum(map(len, after))


def test_an_independent_judge_is_near_chance_afterwards(tmp_path):
    captions, folder = write_captions(tmp_path / "captions.jsonl", 2400), tmp_path / "negatives"
    tally, blocks = refine_in_parts(captions, folder, Workforce(jobs=1), size=400)
    before, after, kept = before_and_after(folder, blocks, "replace_att")
    assert before > 0.75
    assert after == pytest.approx(0.5, abs=0.05)
    assert kept == tally["replace_att: kept"] > 600
    assert tally["replace_num: kept"] == 0  # numbers only grow: nothing could balance them

    scores = judge_refinement(tally, blocks, PartBlocks.of(folder))
    assert scores["replace_att"].before.accuracy > 0.75
    assert scores["replace_att"].after.accuracy < 0.55
    assert scores["replace_num"].after is None


@pytest.mark.annotations
def test_captions_of_photographs_are_balanced_word_by_word(tmp_path):
    rows = json.loads(COCO.read_text())["annotations"][:6000]
    lines = [json.dumps({"key": str(row["id"]), "caption": row["caption"].strip()}) for row in rows]
    (tmp_path / "captions.jsonl").write_text("\n".join(lines))
    folder, families = tmp_path / "negatives", ("replace_att", "replace_obj")
    _, blocks = refine_in_parts(tmp_path / "captions.jsonl", folder, Workforce(jobs=1), families, 1500)
    for family, least in zip(families, (700, 350), strict=True):
        before, after, kept = before_and_after(folder, blocks, family)
        assert before > 0.65
        assert after < 0.55
        assert kept > least
        counts = Counter()
        for caption, negative in (pair for part in pairs(blocks, PartBlocks.of(folder), family) for pair in part):
            counts.update(words(caption))
            counts.subtract(words(negative))
        assert sum(map(abs, counts.values())) < 0.05 * kept


def test_what_is_left_in_the_end_joins_the_block_before_it():
    def sizes(samples):
        items = [{"key": f"k{number}", "captions": ["a cup"]} for number in range(samples)]
        captions = SequenceBlocks(items, 10)
        written = Written([[{"key": item["key"], "negatives": []} for item in part] for part in captions])
        blocks = CandidateBlocks(captions, written, 2)
        parts = parts_of(blocks)
        assert [item["key"] for part in parts for item in part] == [item["key"] for item in items]
        return [len(part) for part in parts]

    class Written(list):
        rows = property(lambda self: tuple(map(len, self)))

    assert sizes(3) == [3]
    assert sizes(29) == [29]
    assert sizes(30) == [20, 10]
    assert sizes(49) == [20, 29]
    assert sizes(60) == [20, 20, 20]


def test_a_folder_is_refined_reads_for_training_and_refuses_other_settings(rebind, tmp_path):
    photos = write_folder(tmp_path / "photos", 900)
    words = ("negatives", photos, "--families", "replace_att,replace_num", "--jobs", 1)
    shown = rebind.succeeds(*words, "--refine")
    assert re.search(r"replace_att +[\d,]+ +\d+ +\d\d\.\d \[\d\d\.\d, \d\d\.\d\] +900 +\d\d\.\d \[", shown)
    assert re.search(r"replace_num +[\d,]+ +0 +100\.0 \[100\.0, 100\.0\] +900 +–", shown)
    annotation = photos / "annotations" / "negatives"
    scores = json.loads((annotation / "blind.json").read_text())
    source = with_negatives(open_source(photos))
    negatives = [source.negatives(row) for row in range(len(source))]
    assert max(map(len, negatives)) == 1
    assert sum(map(len, negatives)) == scores["replace_att"]["kept"] > 200
    assert all(one.family == "replace_att" for own in negatives for one in own)

    before = contents(photos)
    rebind.succeeds(*words, "--refine")
    assert contents(photos) == before
    made_otherwise = f"{annotation} was made with other settings"
    assert f"{made_otherwise} (refine: true there, nothing asked for); remove that" in rebind.refuses(*words)
    assert f"{made_otherwise} (seed: 0 there, 1 asked for)" in rebind.refuses(*words, "--refine", "--seed", 1)
    assert "--count 2 does not go with --refine" in rebind.refuses(*words, "--refine", "--count", 2)
    assert contents(photos) == before


def test_a_negative_stands_against_the_caption_it_was_made_of_and_few_are_not_judged(rebind, tmp_path):
    (tmp_path / "photos").mkdir()
    with (tmp_path / "photos" / "captions.jsonl").open("w") as lines:
        for number in range(40):
            row = {"image": f"{number}.jpg", "captions": ["Nice.", f"A {('red', 'blue')[number % 2]} cup on a table."]}
            lines.write(json.dumps(row) + "\n")
    words = ("negatives", tmp_path / "photos", "--all-captions", "true", "--families", "replace_att", "--refine")
    assert re.search(r"replace_att +\d+ +\d+ +too few to judge", rebind.succeeds(*words, "--jobs", 1))
    kept = [
        negative
        for line in (tmp_path / "photos" / "annotations" / "negatives" / "part-00000.jsonl").read_text().splitlines()
        for negative in json.loads(line)["negatives"]
    ]
    assert kept
    assert {negative["of"] for negative in kept} == {1}


def test_the_plain_command_still_writes_what_it_wrote(rebind, tmp_path):
    captions = write_captions(tmp_path / "captions.jsonl", 300)
    rebind.succeeds("negatives", "--captions", captions, "--out", tmp_path / "plain.jsonl", "--jobs", 1)
    rebind.succeeds("negatives", "--captions", captions, "--out", tmp_path / "refined.jsonl", "--refine", "--jobs", 1)
    names = sorted(path.name for path in tmp_path.iterdir() if path != captions)
    blind = ["refined.blind.json", "refined.jsonl", "refined.substitutes.json"]
    assert names == ["plain.jsonl", "plain.substitutes.json", *blind]
    plain = [json.loads(line) for line in (tmp_path / "plain.jsonl").read_text().splitlines()]
    families = [[negative["family"] for negative in row["negatives"]] for row in plain]
    assert all(len(own) == len(set(own)) for own in families)
    assert sum(map(len, families)) > 900


def test_plain_negatives_are_not_refined_over(rebind, tmp_path):
    photos = write_folder(tmp_path / "photos", 40)
    rebind.succeeds("negatives", photos, "--jobs", 1)
    before = contents(photos)
    assert "(refine: nothing there, true asked for); remove" in rebind.refuses("negatives", photos, "--refine")
    assert contents(photos) == before


def test_scores_of_a_refinement_go_with_the_file_that_they_were_about(rebind, tmp_path):
    words = ("negatives", "--captions", write_captions(tmp_path / "captions.jsonl", 40), "--jobs", 1)
    out, scores = tmp_path / "o.jsonl", tmp_path / "o.blind.json"
    rebind.succeeds(*words, "--out", out, "--refine", "--families", "replace_att")
    assert scores.is_file()
    rebind.succeeds(*words, "--out", out)
    assert out.is_file()
    assert not scores.exists()


@pytest.mark.slow
def test_two_workers_write_what_one_writes_and_kills_leave_no_trace(tmp_path):
    captions = write_captions(tmp_path / "captions.jsonl", 2000)
    driver = HERE / "refine_in_parts.py"
    run_to_the_end([driver, captions, tmp_path / "one", 1], OMP_NUM_THREADS="2")
    (tmp_path / "two").mkdir()
    killed = [driver, captions, tmp_path / "two", 2]
    assert kill_at_random(killed, tmp_path / "two", kills=6, longest=0.5) >= 2
    run_to_the_end(killed)
    assert contents(tmp_path / "two") == contents(tmp_path / "one")
