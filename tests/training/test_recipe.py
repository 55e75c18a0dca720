import pytest
import yaml

from rebind.training import Recipe, load_recipe, recipe_names
from rebind.types import UserError

GIVEN = {"data": "photos", "out": "run"}


@pytest.mark.parametrize("name", recipe_names())
def test_every_built_in_recipe_is_valid(name):
    recipe = load_recipe(name, GIVEN)
    assert str(recipe.out) == "run"
    assert recipe.label, "reports need a name for every built-in run"


def test_the_recipes_of_the_paper_differ_in_the_objective_alone():
    ours, plain = (load_recipe(name, GIVEN).as_dict() for name in ("c2lip-paper", "siglip-paper"))
    assert {name for name in ours if ours[name] != plain[name]} == {"objective", "objective_settings", "label"}
    assert (ours["batch_size"], ours["learning_rate"], ours["warmup_steps"]) == (96, 1e-5, 50)
    assert (ours["beta1"], ours["beta2"], ours["epsilon"], ours["weight_decay"]) == (0.9, 0.98, 1e-6, 0.1)
    assert ours["objective_settings"]["attention_weight"] == 0.01


def test_what_is_given_wins_over_the_file(tmp_path):
    file = tmp_path / "mine.yaml"
    settings = {**GIVEN, "batch_size": 8, "objective_settings": {"concept_weight": 2, "attention_weight": 3}}
    file.write_text(yaml.safe_dump(settings))
    recipe = load_recipe(file, {"batch_size": 16, "objective_settings": {"attention_weight": 4}})
    assert (recipe.batch_size, recipe.objective_settings) == (16, {"concept_weight": 2, "attention_weight": 4})


def test_a_recipe_survives_being_written_and_read(tmp_path):
    recipe = load_recipe("c2lip-paper", {**GIVEN, "learning_rate": 3e-7})
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe.as_dict()))
    assert load_recipe(tmp_path / "recipe.yaml") == recipe


WRONG = [
    ({"data": None}, "data: "),
    ({"batch_size": 1}, "batch_size: input should be greater than or equal to 2, not 1"),
    ({"batch_size": "many"}, "batch_size: input should be a valid integer"),
    ({"steps": 0}, "steps: input should be greater than or equal to 1, not 0"),
    ({"epochs": 0}, "epochs: input should be greater than 0, not 0"),
    ({"epochs": "nan"}, "epochs: "),
    ({"learning_rate": 2}, "learning_rate: input should be less than 1, not 2"),
    ({"learning_rate": "nan"}, "learning_rate: "),
    ({"max_gradient_norm": "inf"}, "max_gradient_norm: "),
    ({"precision": "fp8"}, "precision: input should be 'auto', 'fp32', 'bf16' or 'fp16', not 'fp8'"),
    ({"tensorboard": "perhaps"}, "tensorboard: input should be a valid boolean"),
    ({"objective_settings": [1]}, "objective_settings: input should be a valid dictionary"),
    ({"rate": 1}, "there is no setting rate; known are model, from_scratch, data"),
    ({"log_every": 10, "save_every": 25}, "save_every (25) must be a multiple of log_every (10)"),
    ({"objective": ["c2lip"]}, "objective: give a name, or several names with a weight each, not ['c2lip']"),
    ({"objective": {"c2lip": "heavy"}}, "objective: give a name, or several names with a weight each, not"),
    ({"objective": {"c2lip": 1, "clip": -1}}, "the weight of objective 'clip' must be a number of at least 0, not -1"),
    ({"micro_batch_size": 0}, "micro_batch_size: input should be greater than or equal to 1, not 0"),
    ({"captions": "all"}, "captions: input should be 'drawn' or 'original', not 'all'"),
    ({"objective": "c3lip"}, "unknown objective 'c3lip'; known are c2lip, clip, distillation"),
    ({"objective_settings": {"weight": 1}}, "objective 'c2lip' has no setting 'weight'; it has concept_weight"),
    ({"objective_settings": {"concept_weight": -1}}, "concept_weight must be a number of at least 0, not -1"),
    ({"objective_settings": {"concept_weight": "big"}}, "concept_weight"),
]


@pytest.mark.parametrize(("settings", "sentence"), WRONG, ids=[sentence[:30] for _, sentence in WRONG])
def test_a_wrong_value_is_one_sentence(settings, sentence):
    with pytest.raises(UserError) as caught:
        load_recipe(None, {**GIVEN, **settings})
    assert str(caught.value).startswith("the settings given: ")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_sum_of_objectives_has_their_names_and_settings():
    recipe = load_recipe(None, {**GIVEN, "objective": {"c2lip": 1, "clip": 0.5}, "objective_settings": {"c2lip": {}}})
    assert (recipe.objective, recipe.title) == ({"c2lip": 1.0, "clip": 0.5}, "c2lip + 0.5 clip")


def test_what_is_missing_is_named_with_its_meaning():
    with pytest.raises(UserError, match=r"the setting data is missing \(captioned images: a folder"):
        load_recipe("c2lip-paper", {"out": "run"})


def test_an_unknown_recipe_names_the_known_ones():
    with pytest.raises(UserError, match=r"unknown recipe 'c2lip-papr'; give a .yaml file or one of .*c2lip-paper"):
        load_recipe("c2lip-papr", GIVEN)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"batch_size: [8", "is not YAML: "),
        (b"- batch_size", "must hold `setting: value` lines, not a list"),
        (b"label: \xff\xfe", "cannot be read"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_broken_recipe_file_is_named(tmp_path, content, sentence):
    file = tmp_path / "mine.yaml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UserError) as caught:
        load_recipe(file, GIVEN)
    assert str(file) in str(caught.value)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_empty_recipe_file_means_the_defaults(tmp_path):
    (tmp_path / "mine.yaml").write_text("")
    assert load_recipe(tmp_path / "mine.yaml", GIVEN) == Recipe(**GIVEN)
