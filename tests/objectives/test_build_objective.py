import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from naive import leaves, make_embeddings
from test_objective_shares import SPLITS, assert_shares_sum_to_the_whole
from torch.testing import assert_close

import rebind.objectives
from rebind.objectives import build_objective, objective_names
from rebind.types import UserError

README = Path(__file__).parents[2] / "README.md"
EXAMPLE = re.search(
    r"`objectives/concept_choice\.py`:\n\n```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL
)


@pytest.fixture
def one_more_file(tmp_path, monkeypatch):
    """The objective that the README writes."""
    (tmp_path / "concept_choice.py").write_text(EXAMPLE[1], encoding="utf-8")
    monkeypatch.setattr(rebind.objectives, "__path__", [*rebind.objectives.__path__, str(tmp_path)])
    yield
    sys.modules.pop("rebind.objectives.concept_choice", None)
    vars(rebind.objectives).pop("concept_choice", None)


def test_known_names_are_objectives_only():
    assert {"clip", "siglip", "c2lip", "negclip", "tripletclip", "distillation"} <= set(objective_names())
    assert objective_names() == sorted(objective_names())
    assert not {"attention_pooling", "weighted_sum", "needs", "settings"} & set(objective_names())


def test_a_new_objective_is_one_file(one_more_file):
    assert "concept_choice" in objective_names()
    e = leaves(make_embeddings())
    built = build_objective("concept_choice", weight=3.0)
    terms = built(e)
    chosen = [
        (4.0 * e.concepts[u] @ e.image.T).softmax(0)[i] for u, i in zip(e.concept_index, e.concept_owner, strict=True)
    ]
    assert_close(terms.parts["concept"], -3.0 * torch.stack(chosen).log().mean())
    for bounds in SPLITS:
        assert_shares_sum_to_the_whole(built, e, bounds)
    assert build_objective({"concept_choice": 1.0, "siglip": 1.0}).needs == {"concepts"}
    with pytest.raises(UserError, match=r"objective 'concept_choice' has no setting 'wieght'; it has weight"):
        build_objective("concept_choice", wieght=1.0)


def test_defaults_are_those_of_the_paper():
    built = build_objective("c2lip")
    assert (built.concept_weight, built.attention_weight, built.attention_scale) == (1.0, 0.01, 1.0)
    assert (built.positives, built.normalise_by) == ("owner", "concepts")
    assert build_objective("negclip").form == "softmax"
    triplet = build_objective("tripletclip")
    assert (triplet.form, triplet.negative_pair_weight) == ("softmax", 1.0)


@pytest.mark.parametrize(
    ("name", "given", "needs"),
    [
        ("clip", {}, set()),
        ("c2lip", {}, {"concepts", "image_tokens"}),
        ("c2lip", {"attention_weight": 0.0}, {"concepts"}),
        ("c2lip", {"concept_weight": 0}, {"concepts", "image_tokens"}),
        ("c2lip", {"concept_weight": 0, "attention_weight": 0}, set()),
        ("negclip", {}, {"negative_captions"}),
        ("tripletclip", {}, {"negative_captions", "negative_images"}),
        ("tripletclip", {"negative_pair_weight": 0.0}, {"negative_captions"}),
        ("distillation", {}, {"reference"}),
        ({"siglip": 1, "negclip": 1, "distillation": 0.1}, {}, {"negative_captions", "reference"}),
        ({"siglip": 1, "distillation": 0}, {}, set()),
    ],
)
def test_a_term_of_no_weight_needs_nothing(name, given, needs):
    assert build_objective(name, **given).needs == needs


def test_naming_a_sum_loads_no_torch():
    """Recipes call runs by it, and the command line must answer quickly."""
    program = (
        "import sys; from rebind.objectives import objective_title as t; t({'clip': 2}); print('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "False\n"


@pytest.mark.parametrize("name", ["triplet", "attention_pooling", "", "c2lip.Objective", "os"])
def test_an_unknown_name_is_answered_with_the_known_ones(name):
    with pytest.raises(UserError, match=r"unknown objective .*; known are .*c2lip.*clip.*siglip"):
        build_objective(name)


def test_an_unknown_setting_is_answered_with_the_known_ones():
    with pytest.raises(
        UserError, match=r"'c2lip' has no setting 'lambda_npc'; it has concept_weight, attention_weight"
    ):
        build_objective("c2lip", lambda_npc=1.0)
    with pytest.raises(UserError, match=r"'clip' has no setting 'temperature'; it has no settings"):
        build_objective("clip", temperature=1.0)


@pytest.mark.parametrize("setting", ["concept_weight", "attention_weight", "attention_scale"])
@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf"), "many", None, True])
def test_a_number_out_of_range(setting, value):
    with pytest.raises(UserError, match=rf"c2lip: {setting} must be a number of at least 0, not {value!r}"):
        build_objective("c2lip", **{setting: value})


@pytest.mark.parametrize(
    ("name", "setting", "choices"),
    [
        ("c2lip", "positives", "owner, string"),
        ("c2lip", "normalise_by", "concepts, positives"),
        ("negclip", "form", "softmax, sigmoid"),
        ("tripletclip", "form", "softmax, sigmoid"),
        ("distillation", "match", "similarities, embeddings"),
    ],
)
@pytest.mark.parametrize("value", ["both", 1, ["softmax"]])
def test_a_choice_that_does_not_exist(name, setting, choices, value):
    with pytest.raises(UserError, match=rf"{name}: {setting} must be one of {choices}, not {re.escape(repr(value))}"):
        build_objective(name, **{setting: value})


@pytest.mark.parametrize(
    ("weights", "given", "sentence"),
    [
        ({"c2lip": 1, "c3lip": 1}, {}, r"unknown objective 'c3lip'; known are c2lip, clip"),
        ({"clip": 1, "c3lip": 0}, {}, r"unknown objective 'c3lip'"),
        ({"clip": 1, 3: 1}, {}, r"unknown objective 3; known are"),
        ({"clip": -1}, {}, r"the weight of objective 'clip' must be a number of at least 0, not -1"),
        ({"clip": float("nan")}, {}, r"the weight of objective 'clip' must be .*, not nan"),
        ({"clip": "much"}, {}, r"the weight of objective 'clip' must be .*, not 'much'"),
        ({"clip": None}, {}, r"the weight of objective 'clip' must be .*, not None"),
        ({"clip": 0, "siglip": 0.0}, {}, r"a sum of objectives needs at least one with a weight above 0"),
        ({}, {}, r"a sum of objectives needs at least one with a weight above 0"),
        ({"clip": 1}, {"siglip": {}}, r"settings are given for 'siglip', but the sum is of clip"),
        ({"c2lip": 1}, {"concept_weight": 2}, r"settings are given for 'concept_weight', but the sum is of c2lip"),
        ({"c2lip": 1}, {"c2lip": 2}, r"in a sum the settings of 'c2lip' must be `setting: value` pairs, not 2"),
        ({"c2lip": 1}, {"c2lip": {"weight": 2}}, r"objective 'c2lip' has no setting 'weight'; it has concept_weight"),
        ({"c2lip": 1}, {"c2lip": {3: 2}}, r"objective 'c2lip' has no setting 3"),
        ({"c2lip": 0, "clip": 1}, {"c2lip": {"positives": 2}}, r"c2lip: positives must be one of owner, string, not 2"),
        (["clip"], {}, r"objective must be a name, or a weight for each of several names, not \['clip'\]"),
        (None, {}, r"objective must be a name, or a weight for each of several names, not None"),
    ],
)
def test_a_sum_that_cannot_be(weights, given, sentence):
    with pytest.raises(UserError, match=sentence):
        build_objective(weights, **given)
