"""The stage: rows of the contract, whose content hangs on the key and the settings alone."""

import json
import pickle

import pytest

from rebind.negatives.families import FAMILIES
from rebind.negatives.rules import RuleNegatives, Substitutes
from rebind.types import UserError

ITEMS = [
    {"key": f"{number:03}", "captions": [f"A {colour} {noun} next to a man riding a horse.", "A dog with a leash."]}
    for number, (colour, noun) in enumerate([("red", "bus"), ("wooden", "bench"), ("big", "dog"), ("green", "car")] * 5)
]


def test_rows_are_as_the_contract_says():
    made = RuleNegatives(all_captions=True).open()(ITEMS)
    assert [row["key"] for row in made.rows] == [item["key"] for item in ITEMS]
    assert made.rows == json.loads(json.dumps(made.rows))
    negatives = [negative for row in made.rows for negative in row["negatives"]]
    assert {tuple(negative) for negative in negatives} == {("caption", "family", "edits", "of")}
    assert {negative["of"] for negative in negatives} == {0, 1}
    assert made.tally["captions"] == 2 * len(ITEMS)
    assert made.tally["negatives"] == len(negatives) == sum(made.tally.get(family, 0) for family in FAMILIES)


def test_what_is_made_of_a_sample_does_not_hang_on_the_others():
    work = RuleNegatives(seed=3).open()
    together = work(ITEMS).rows
    assert [work([item]).rows[0] for item in reversed(ITEMS)] == together[::-1]


def test_seed_and_key_choose():
    one = RuleNegatives(seed=0).open()(ITEMS).rows
    assert RuleNegatives(seed=1).open()(ITEMS).rows != one
    assert one[0]["negatives"] != one[4]["negatives"]  # the same captions under another key


def test_concepts_and_other_captions_are_never_put_in():
    item = {"key": "a", "captions": ["A man on a bench", "A woman there"], "concepts": ["a zebra"]}
    for seed in range(20):
        (row,) = RuleNegatives(seed=seed).open()([item]).rows
        assert not {negative["caption"] for negative in row["negatives"] if "woman" in negative["caption"]}
        assert not {negative["caption"] for negative in row["negatives"] if "zebra" in negative["caption"]}


def test_captions_that_are_blank_or_no_text_have_no_negatives():
    made = RuleNegatives().open()([{"key": "a", "captions": []}, {"key": "b", "captions": [""]}])
    assert made.rows == [{"key": "a", "negatives": []}, {"key": "b", "negatives": []}]
    assert made.tally == {"captions": 1, "without_negative": 1}


def test_settings_name_families_and_the_content_of_the_substitutes(tmp_path):
    path = tmp_path / "substitutes.json"
    Substitutes.mine([["A cat on a couch"]]).write(path)
    first = RuleNegatives(substitutes=path, families=("negate",)).settings
    Substitutes.mine([["A dog on a couch"]]).write(path)
    second = RuleNegatives(substitutes=path, families=("negate",)).settings
    assert first == json.loads(json.dumps(first))
    assert {name for name in first if first[name] != second[name]} == {"substitutes"}
    assert first["families"] == ["negate"]


def test_a_limit_is_kept():
    rows = RuleNegatives(count=2, families=("negate", "replace_att", "replace_num")).open()(ITEMS).rows
    assert {len(row["negatives"]) for row in rows} == {2}


def test_the_stage_travels_to_other_processes():
    stage = RuleNegatives(seed=5)
    assert pickle.loads(pickle.dumps(stage)) == stage


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"families": ("swap_all",)}, "swap_all"),
        ({"families": ()}, "give each once"),
        ({"families": ("negate", "negate")}, "give each once"),
        ({"count": 0}, "at least 1"),
    ],
)
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(UserError, match=message):
        RuleNegatives(**settings)


def test_missing_substitutes_are_refused_at_once(tmp_path):
    with pytest.raises(UserError, match="cannot read"):
        RuleNegatives(substitutes=tmp_path / "nowhere.json")
