import sys

import pytest
from naive import make_embeddings

import rebind.objectives
from rebind.objectives import build_objective, objective_names
from rebind.types import UserError

NEW_OBJECTIVE = """
from dataclasses import dataclass
from typing import ClassVar

from rebind.types import LossTerms, UserError


@dataclass(frozen=True)
class Objective:
    weight: float = 2.0
    needs: ClassVar[frozenset[str]] = frozenset()

    def __call__(self, embeddings):
        loss = self.weight * (embeddings.image - embeddings.text).square().sum()
        return LossTerms(loss, {"distance": loss})
"""


@pytest.fixture
def one_more_file(tmp_path, monkeypatch):
    (tmp_path / "distance.py").write_text(NEW_OBJECTIVE)
    monkeypatch.setattr(rebind.objectives, "__path__", [*rebind.objectives.__path__, str(tmp_path)])
    yield
    sys.modules.pop("rebind.objectives.distance", None)
    vars(rebind.objectives).pop("distance", None)


def test_known_names_are_objectives_only():
    assert {"clip", "siglip", "c2lip"} <= set(objective_names())
    assert objective_names() == sorted(objective_names())
    assert "attention_pooling" not in objective_names()


def test_a_new_objective_is_one_file(one_more_file):
    assert "distance" in objective_names()
    e = make_embeddings()
    terms = build_objective("distance", weight=3.0)(e)
    assert terms.total == 3.0 * (e.image - e.text).square().sum()
    with pytest.raises(UserError, match=r"objective 'distance' has no setting 'wieght'; it has weight"):
        build_objective("distance", wieght=1.0)


def test_defaults_are_those_of_the_paper():
    built = build_objective("c2lip")
    assert (built.concept_weight, built.attention_weight, built.attention_scale) == (1.0, 0.01, 1.0)
    assert (built.positives, built.normalise_by) == ("owner", "concepts")
    assert built.needs == {"concepts"}


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
@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf"), "many", None])
def test_a_number_out_of_range(setting, value):
    with pytest.raises(UserError, match=rf"c2lip: {setting} must be a number of at least 0, not {value!r}"):
        build_objective("c2lip", **{setting: value})


@pytest.mark.parametrize(
    ("setting", "choices"), [("positives", "owner, string"), ("normalise_by", "concepts, positives")]
)
def test_a_choice_that_does_not_exist(setting, choices):
    with pytest.raises(UserError, match=rf"c2lip: {setting} must be one of {choices}, not 'both'"):
        build_objective("c2lip", **{setting: "both"})
