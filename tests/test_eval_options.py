"""What `rebind eval` and `rebind score` are told: whose file a flag is, where results go, what is scored how."""

import json

import pytest
import torch

from command_line import CommandLine
from photos import write_photos, write_siglip
from rebind.cli.overrides import overrides, typed_options
from rebind.models import DualEncoder

CATEGORIES = ("swap_att", "swap_obj", "replace_att", "replace_obj", "replace_rel", "add_obj", "add_att")


def write_items(folder, count, categories=CATEGORIES):
    folder.mkdir(parents=True)
    fields = ("filename", "caption", "negative_caption")
    rows = [dict(zip(fields, (f"IMG_{i:04}.jpg", f"a red plate {i}", f"a box {i}"), strict=True)) for i in range(count)]
    for category in categories:
        (folder / f"{category}.json").write_text(json.dumps({str(i): row for i, row in enumerate(rows)}))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A model, and below one root the files of SugarCrepe (2 items a category); beside them two foils of one's own."""
    root = tmp_path_factory.mktemp("eval")
    (root / "coco").mkdir()
    write_photos(root / "coco/val2017", 4)
    write_photos(root / "photos", 4)
    write_items(root / "sugarcrepe", 2)
    write_items(root / "foils", 4, ["swap_att"])
    write_siglip(root / "siglip")
    return root


@pytest.fixture
def rebind(monkeypatch, capfd):
    return CommandLine(monkeypatch, capfd)


def counts(results):
    scores = json.loads((results / "results.json").read_text())["scores"]
    return {row["benchmark"]: row["n"] for row in scores if row["split"] == "micro"}


def test_a_flag_may_name_its_benchmark(rebind, root, tmp_path):
    words = ("eval", root / "siglip", "--benchmark", "foils,sugarcrepe", "--data-root", root, "--out", tmp_path)
    own = ("--foils.annotations", root / "foils", f"--foils.images={root / 'photos'}")
    rebind.succeeds(*words, *own)
    assert counts(tmp_path) == {"foils": 4, "sugarcrepe": 14}
    rebind.succeeds(*words, *own, "--sugarcrepe.annotations", root / "sugarcrepe", "--images", root / "coco/val2017")
    assert counts(tmp_path) == {"foils": 4, "sugarcrepe": 14}


def test_a_flag_that_several_benchmarks_may_mean_is_refused(rebind, root, tmp_path):
    words = ("eval", root / "siglip", "--benchmark", "foils,sugarcrepe", "--out", tmp_path / "out")
    flags = ("--annotations", root / "foils", "--images", root / "photos")
    said = (
        "--annotations does not say for which of foils, sugarcrepe it is; write --foils.annotations PATH and "
        "--sugarcrepe.annotations PATH"
    )
    assert rebind.refuses(*words, *flags, "--data-root", root) == said
    assert "--foils.data is not read by foils; it reads --foils.annotations, --foils.images" in rebind.refuses(
        *words, "--foils.data", root
    )
    assert "--coco.images is for coco, which is not among foils,sugarcrepe" in rebind.refuses(
        *words, "--coco.images", root
    )
    assert "--annotation is read by none of foils,sugarcrepe; they read --annotations, --images" in rebind.refuses(
        *words, "--annotation", root
    )


def test_a_flag_for_which_nothing_is_left_is_refused(rebind, root, tmp_path):
    words = ("eval", root / "siglip", "--benchmark", "foils", "--out", tmp_path / "out", "--images", root / "photos")
    said = rebind.refuses(*words, "--annotations", root / "foils", "--foils.annotations", root / "foils")
    assert said == "--annotations is given beside --foils.annotations, which leaves nothing for it; leave one out"


def test_what_fails_leaves_no_empty_folder(rebind, root, tmp_path):
    rebind.refuses("eval", root / "siglip", "--benchmark", "foils", "--out", tmp_path / "runs/out")
    assert list(tmp_path.iterdir()) == []


def test_a_model_folder_may_be_called_as_a_kind_of_model_is(rebind, root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sentence").symlink_to(root / "siglip")
    own = ("--annotations", root / "foils", "--images", root / "photos")
    rebind.succeeds("eval", "sentence", "--benchmark", "foils", *own, "--concept-attention", 10, "--out", "out")
    assert counts(tmp_path / "out") == {"foils": 4, "foils_by_concepts": 4}


def test_reproducing_reads_flags_as_an_evaluation_does(rebind, root, tmp_path):
    words = ("reproduce", "siglip-b16/sugarcrepe", "--model", root / "siglip", "--out", tmp_path / "out")
    said = rebind.refuses(*words, "--sugarcrepe.annotations", tmp_path / "no", "--images", root / "coco/val2017")
    assert said.startswith(f'benchmark sugarcrepe: "annotations" is {tmp_path}/no, which does not exist')
    said = rebind.refuses(*words, "--coco.annotations", tmp_path)
    assert "--coco.annotations is for coco, which is not among sugarcrepe" in said


def test_a_place_that_benchmarks_share_may_be_given_once(rebind, root, tmp_path):
    words = ("eval", root / "siglip", "--benchmark", "sugarcrepe,sugarcrepe++", "--out", tmp_path / "out")
    said = rebind.refuses(*words, "--sugarcrepe.annotations", root / "sugarcrepe", "--images", root / "photos")
    assert 'benchmark sugarcrepe++ needs "annotations"' in said
    assert "imagenet_v2 needs" in rebind.refuses(
        *words[:3], "imagenet_v2,imagenet_r", "--out", tmp_path / "out", "--templates", root / "siglip/config.json"
    )


def test_a_misspelt_benchmark_is_guessed_whatever_flags_there_are(rebind, root, tmp_path):
    words = ("eval", root / "siglip", "--benchmark", "sugercrepe", "--annotations", root / "foils", "--out", tmp_path)
    assert 'no benchmark "sugercrepe"; did you mean sugarcrepe' in rebind.refuses(*words)


@pytest.mark.parametrize("name", ["2024_01", "0755", "my photos #1", "ph: x", "@photos", "no"])
def test_paths_are_taken_as_they_are_written(rebind, root, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    write_photos(tmp_path / name, 3)
    rebind.succeeds("eval", root / "siglip", "--benchmark", "retrieval", "--data", name, "--out", "out")
    scores = json.loads((tmp_path / "out/results.json").read_text())["scores"]
    assert {row["n"] for row in scores if row["metric"].endswith("recall@1")} == {3}
    rebind.succeeds("negatives", name, "--substitutes", write_substitutes(tmp_path / name), "--count", 1)
    assert (tmp_path / name / "annotations/negatives/report.json").is_file()


def test_settings_have_types_and_texts_have_none():
    words = (
        "--count=3",
        "--relations",
        "true",
        "--temperature",
        "1e-1",
        "--seed",
        "null",
        "--name",
        "@a",
        "--x",
        "a: b",
    )
    values = {"count": 3, "relations": True, "temperature": 0.1, "seed": None, "name": "@a", "x": "a: b"}
    texts = [word for name in ("cache", "model", "pipeline", "stop_concepts") for word in (f"--{name}", "0755")]
    assert typed_options("photos", [*words, *texts, "--options.eta", "2"]) == (
        "photos",
        {**values, **dict.fromkeys(("cache", "model", "pipeline", "stop_concepts"), "0755"), "options": {"eta": 2}},
    )
    assert overrides(["--label", "0755", "--objective-settings.name", "@a", "--objective-settings.weight", "1e-5"]) == {
        "label": "0755",
        "objective_settings": {"name": "@a", "weight": 1e-5},
    }


def write_substitutes(photos):
    file = photos / "007"
    file.write_text(json.dumps({"pictures": 1, "nouns": {}, "pairs": {}, "attributes": {}, "after": {}}))
    return f"{photos.name}/007"


def test_out_is_tried_before_the_work(rebind, root, tmp_path):
    words = ("eval", root / "nowhere", "--benchmark", "foils", "--annotations", root / "foils", "--images", root)
    file = tmp_path / "afile"
    file.write_text("")
    said = f"cannot write {file}: there is a file of that name where a folder should be; choose another folder"
    assert rebind.refuses(*words, "--out", file) == said
    assert f"cannot write {file / 'x'}: a part of the path is a file" in rebind.refuses(*words, "--out", file / "x")
    said = "cannot write /proc/x: nothing can be made at that place; choose another folder"
    assert rebind.refuses(*words, "--out", "/proc/x") == said
    said = f"--out {tmp_path / 'mine.json'} must be a folder, into which results.json is written; leave out the .json"
    assert rebind.refuses(*words, "--out", tmp_path / "mine.json") == said


def test_a_base_is_not_replaced_by_what_is_compared_with_it(rebind, root, tmp_path):
    words = ("eval", root / "siglip", "--benchmark", "sugarcrepe", "--data-root", root, "--out", tmp_path)
    rebind.succeeds(*words, "--label", "before")
    before = (tmp_path / "results.json").read_bytes()
    said = f"the results of {root / 'siglip'} would replace those of --base {tmp_path}; give --out another folder"
    assert rebind.refuses(*words, "--base", tmp_path) == said
    assert (tmp_path / "results.json").read_bytes() == before


def test_out_may_be_the_file_itself(rebind, root, tmp_path):
    words = ("eval", root / "siglip", "--benchmark", "foils", "--annotations", root / "foils", "--images")
    rebind.succeeds(*words, root / "photos", "--out", tmp_path / "run/results.json")
    assert counts(tmp_path / "run") == {"foils": 4}


def test_concept_attention_is_checked_first_and_says_what_it_passes_over(rebind, root, tmp_path):
    words = ("eval", root / "siglip", "--out", tmp_path, "--benchmark")
    own = ("--annotations", root / "foils", "--images", root / "photos", "--data", root / "photos")
    for wrong in ("high", "nan", "0", "-1", "inf"):
        said = rebind.refuses(*words, "foils", *own[:4], f"--concept-attention={wrong}")
        assert f"--concept-attention {wrong} must be a number above 0" in said
    said = rebind.refuses(*words, "retrieval", *own[4:], "--concept-attention", 10)
    assert said == "concepts are scored in lists of one foil a caption: name sugarcrepe, foils or world"
    said = rebind.refuses("eval", "open_clip:ViT-B-32/openai", *words[2:], "foils", *own[:4], "--concept-attention", 10)
    assert "gives no image tokens in the joint space; score it without --concept-attention" in said
    assert not (tmp_path / "results.json").exists()
    said = rebind.succeeds(*words, "foils,retrieval", *own, "--concept-attention", 10)
    assert "Not scored by concepts, for they are no lists of one foil a caption: retrieval." in said
    assert counts(tmp_path) == {"foils": 4, "foils_by_concepts": 4}
    encoder = DualEncoder.from_pretrained(root / "siglip")
    with torch.no_grad():
        next(encoder.parameters()).add_(0.01)
    encoder.save(tmp_path / "other")
    said = rebind.succeeds("eval", tmp_path / "other", *words[2:], "foils", *own[:4], "--concept-attention", 10)
    assert "older results were replaced, not added to" in said
    assert "older results were replaced" in json.loads((tmp_path / "results.json").read_text())["notes"][0]


def test_score_refuses_what_is_not_finite_and_models_without_pictures(rebind, root, tmp_path):
    picture = root / "photos/IMG_0000.jpg"
    encoder = DualEncoder.from_pretrained(root / "siglip")
    for weight in (encoder.model.logit_bias, encoder.model.vision_model.post_layernorm.bias):
        with torch.no_grad():
            weight.fill_(float("nan"))
        encoder.save(tmp_path / "sick")
        said = rebind.refuses("score", tmp_path / "sick", picture, "a plate", "a box")
        assert said.startswith("the model gives scores that are not finite; its weights are damaged")
        with torch.no_grad():
            weight.fill_(0)
    assert "nowhere does not exist" in rebind.refuses("score", "sentence:/nowhere", picture, "a plate")
    assert rebind.refuses("score", "open_clip:ViT", picture, "a plate").startswith(("open_clip:ViT", '"open_clip:ViT'))
    assert "does not exist" in rebind.refuses("score", "precomputed:no.npz", picture, "a plate")
