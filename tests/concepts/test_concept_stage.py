import json
import pickle

import pytest

from rebind.concepts import ConceptStage
from rebind.engine.rules import rules_digest
from rebind.types import UserError

ITEMS = [
    {"key": "a", "captions": ["A cat on a red mat.", "the cat and a dog", "  "]},
    {"key": "b", "captions": ["Is it so?", 7, None]},
    {"key": "c", "captions": []},
]


def test_a_sample_has_the_concepts_of_all_its_captions_each_once():
    made = ConceptStage().open()(ITEMS)
    assert made.rows == [
        {"key": "a", "concepts": ["cat", "red mat", "dog"]},
        {"key": "b", "concepts": ["Is it so?"]},
        {"key": "c", "concepts": []},
    ]
    assert made.tally == {"captions": 3, "blank_captions": 3, "concepts": 4, "without_noun_phrase": 1}


def test_at_most_so_many_concepts_an_image():
    made = ConceptStage(options={"max_per_image": 2}).open()(ITEMS)
    assert [row["concepts"] for row in made.rows] == [["cat", "red mat"], ["Is it so?"], []]
    assert made.tally["concepts"] == 3


def test_settings_hold_what_the_rows_depend_on():
    stage = ConceptStage(options={"keep_determiners": True, "stop_concepts": ["mat"]})
    assert json.loads(json.dumps(stage.settings)) == {
        "backend": "textblob",
        "version": stage.extractor.version,
        "rebind_rules": rules_digest("concepts"),
        "keep_determiners": True,
        "keep_numbers": True,
        "relations": False,
        "stop_concepts": ["mat"],
        "max_per_image": None,
    }
    assert stage.extractor.version[0].isdigit()


def test_a_stage_can_be_sent_to_another_process():
    stage = ConceptStage(options={"keep_determiners": True})
    sent = pickle.loads(pickle.dumps(stage))
    assert (sent.name, sent.part_size, sent.settings) == ("concepts", 10_000, stage.settings)
    assert sent.open()(ITEMS) == stage.open()(ITEMS)


def test_wrong_settings_are_refused_at_once():
    with pytest.raises(UserError, match="'colour'"):
        ConceptStage(options={"colour": True})
