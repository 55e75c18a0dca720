import io
import json
import random

import pytest

from rebind.concepts.evaluation import Rate, evaluate_concepts
from rebind.concepts.gold import GoldCaption, read_gold
from rebind.types import UserError


def answers(found):
    return lambda captions: [found[caption] for caption in captions]


def test_precision_recall_and_f1_by_hand():
    gold = [GoldCaption("a", ["Red  Hat", "dog"]), GoldCaption("b", ["cat", "cat", "tree"]), GoldCaption("it is", [])]
    found = {"a": ["red hat"], "b": ["cat", "big tree", "sky", "mat"], "it is": ["it is"]}
    agreement = evaluate_concepts(gold, answers(found))
    # found 1 + 4 + 1, wanted 2 + 2 + 1, hits 1 + 1 + 1
    assert agreement.precision.value == pytest.approx(3 / 6)
    assert agreement.recall.value == pytest.approx(3 / 5)
    assert agreement.f1.value == pytest.approx(2 * 3 / 11)
    assert agreement.misses == [("dog", 1), ("tree", 1)]
    assert agreement.false_alarms == [("big tree", 1), ("mat", 1), ("sky", 1)]
    assert json.loads(json.dumps(agreement.as_dict()))["f1"]["value"] == agreement.f1.value


def test_the_most_frequent_misses_come_first():
    gold = [GoldCaption(str(number), ["b" if number else "a"]) for number in range(3)]
    agreement = evaluate_concepts(gold, lambda captions: [["x"]] * len(captions))
    assert agreement.misses == [("b", 2), ("a", 1)]
    assert agreement.precision == Rate(0.0, 0.0, 0.0)


def test_the_interval_is_that_of_resampled_captions():
    draw = random.Random(0)
    wanted = [{f"c{draw.randrange(9)}" for _ in range(draw.randrange(1, 5))} for _ in range(80)]
    found = [{c for c in each if draw.random() < 0.8} | ({"x"} if draw.random() < 0.4 else set()) for each in wanted]
    gold = [GoldCaption(str(number), sorted(each)) for number, each in enumerate(wanted)]
    agreement = evaluate_concepts(gold, lambda captions: [sorted(found[int(caption)]) for caption in captions])

    scores = []
    for _ in range(3000):
        rows = draw.choices(range(80), k=80)
        hits = sum(len(wanted[row] & found[row]) for row in rows)
        scores.append(2 * hits / sum(len(wanted[row]) + len(found[row]) for row in rows))
    scores.sort()
    assert agreement.f1.low == pytest.approx(scores[75], abs=0.01)
    assert agreement.f1.high == pytest.approx(scores[2925], abs=0.01)


def test_table_names_the_numbers_and_the_mistakes():
    from rich.console import Console

    agreement = evaluate_concepts([GoldCaption("a", ["dog", "[bold]cat"])], answers({"a": ["dog"]}))
    console = Console(width=100, file=io.StringIO())
    console.print(agreement.as_table())
    text = console.file.getvalue()
    assert "1 labelled captions" in text
    assert "0.667" in text
    assert "[bold]cat" in text


def test_nothing_to_compare_with_is_an_error():
    with pytest.raises(UserError, match="no labelled captions"):
        evaluate_concepts([], answers({}))


def lines(path, *rows):
    path.write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_labels_bring_their_captions_or_are_joined_with_them(tmp_path):
    own = lines(tmp_path / "own.jsonl", {"caption": "A cat.", "concepts": ["cat"], "note": 1}, "\n")
    assert read_gold(own) == [("A cat.", ["cat"])]

    by_key = lines(tmp_path / "by_key.jsonl", {"key": "k2", "concepts": []}, {"key": "k1", "concepts": ["dog"]})
    captions = lines(tmp_path / "captions.jsonl", {"key": "k1", "caption": "a dog"}, {"key": "k2", "caption": "so"})
    assert read_gold(by_key, captions) == [("so", []), ("a dog", ["dog"])]

    by_id = lines(tmp_path / "by_id.jsonl", {"id": 7, "concepts": ["bus"]})
    coco = lines(tmp_path / "coco.json", {"images": [], "annotations": [{"id": 7, "image_id": 1, "caption": "a bus"}]})
    assert read_gold(by_id, coco) == [("a bus", ["bus"])]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{1}", "row 1 is not JSON"),
        ("[]", "row 1 is not a JSON object"),
        ('{"caption": "a"}', "row 1: field 'concepts' must be a list"),
        ('{"caption": "a", "concepts": ["x", ""]}', "row 1: field 'concepts' must be a list"),
        ('{"concepts": ["x"]}', "row 1 has neither 'caption' nor 'key' nor 'id'"),
        ('{"key": "b", "concepts": ["x"]}', "row 1: .*captions.jsonl has no caption of the key 'b'"),
        ("\n", "holds no labels"),
    ],
)
def test_a_bad_label_is_named(tmp_path, row, message):
    captions = lines(tmp_path / "captions.jsonl", {"key": "a", "caption": "a dog"})
    with pytest.raises(UserError, match=message):
        read_gold(lines(tmp_path / "gold.jsonl", row), captions)


def test_bad_files_are_named(tmp_path):
    gold = lines(tmp_path / "gold.jsonl", {"id": 7, "concepts": ["bus"]})
    with pytest.raises(UserError, match="row 1 has no 'caption', only the key 7; give the file"):
        read_gold(gold)
    with pytest.raises(UserError, match=r"cannot read .*none\.jsonl"):
        read_gold(tmp_path / "none.jsonl")
    with pytest.raises(UserError, match=r"cannot read .*none\.json"):
        read_gold(gold, tmp_path / "none.json")
    for content in ("[]", "{", '{"annotations": [{"id": 1}]}', '{"annotations": [{"id": 1, "caption": " "}]}'):
        with pytest.raises(UserError, match="no COCO captions file"):
            read_gold(gold, lines(tmp_path / "coco.json", content))
    (tmp_path / "latin.jsonl").write_bytes('{"caption": "é"}'.encode("latin-1"))
    with pytest.raises(UserError, match="UTF-8"):
        read_gold(tmp_path / "latin.jsonl")
