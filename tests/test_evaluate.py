"""A model beside the one that it was tuned from, whatever of that was evaluated before."""

import json
import shutil

import pytest
import torch

from command_line import CommandLine
from photos import write_photos, write_siglip
from rebind.models import DualEncoder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two models, photos and two sets of foils on them."""
    root = tmp_path_factory.mktemp("base")
    write_photos(root / "photos", 12)
    for name, word in (("foils", "over"), ("foils2", "under")):
        (root / name).mkdir()
        rows = {
            str(i): {
                "filename": f"IMG_{i:04}.jpg",
                "caption": f"a plate near box {i}",
                "negative_caption": f"{word} {i}",
            }
            for i in range(12)
        }
        (root / name / "swap_obj.json").write_text(json.dumps(rows))
    write_siglip(root / "base")
    move(root / "base", root / "tuned")
    return root


def move(model, out):
    """Save the model with other weights."""
    encoder = DualEncoder.from_pretrained(model)
    with torch.no_grad():
        for weight in encoder.parameters():
            weight.mul_(1.1).add_(0.01)
    encoder.save(out)


@pytest.fixture
def rebind(monkeypatch, capfd):
    return CommandLine(monkeypatch, capfd)


def words(folder, model, out, benchmarks="foils,retrieval", foils="foils"):
    files = ("--annotations", folder / foils, "--images", folder / "photos", "--data", folder / "photos")
    read = {"foils": files[:4], "retrieval": files[4:]}
    chosen = [word for name in benchmarks.split(",") for word in read[name]]
    return ("eval", model, "--benchmark", benchmarks, *chosen, "--out", out)


def scored(results):
    return {row["benchmark"] for row in json.loads((results / "results.json").read_text())["scores"]}


@pytest.fixture
def base(rebind, folder, tmp_path):
    """A copy of the base with results of its own."""
    shutil.copytree(folder / "base", tmp_path / "base")
    rebind.succeeds(*words(folder, tmp_path / "base", tmp_path / "base"), "--label", "before")
    return tmp_path / "base"


def edit_results(folder, edit):
    """Make the results of a folder what an older version wrote."""
    content = json.loads((folder / "results.json").read_text())
    edit(content)
    (folder / "results.json").write_text(json.dumps(content))


def tear(rebind, folder, results, tmp_path):
    """Leave the results of a model as an evaluation of other foils leaves them that is killed between its two files."""
    rebind.succeeds(*words(folder, results, tmp_path / "next"))
    rebind.succeeds(*words(folder, results, tmp_path / "next", "foils", "foils2"))
    shutil.copy(tmp_path / "next/items.safetensors", results)


def test_results_of_a_base_are_used_if_they_suffice_and_never_changed(rebind, folder, base, tmp_path):
    before, out = (base / "results.json").read_bytes(), tmp_path / "out"
    said = rebind.succeeds(*words(folder, folder / "tuned", out), "--base", base)
    assert "recognition" in said.splitlines()[-1]
    assert "Left out" not in said
    assert not (out / "base").exists()

    said = rebind.succeeds(*words(folder, folder / "tuned", out, "foils", "foils2"), "--base", base)
    assert "Binding" in said
    assert scored(out / "base") == {"foils"}
    assert json.loads((out / "base/results.json").read_text())["settings"]["label"] == "before"
    assert "recognition" in rebind.succeeds(*words(folder, folder / "tuned", out, foils="foils2"), "--base", base)
    assert scored(out / "base") == {"foils", "retrieval"}
    assert (base / "results.json").read_bytes() == before

    outer = words(folder, folder / "tuned", tmp_path, "foils", "foils2")
    assert "would be replaced; give --out another folder than" in rebind.refuses(*outer, "--base", base)
    assert (base / "results.json").read_bytes() == before


def test_pictures_that_were_decoded_differently_are_other_items(rebind, folder, base, tmp_path):
    assert "Left out" not in rebind.succeeds(*words(folder, folder / "tuned", tmp_path / "out"), "--base", base)
    edit_results(base, lambda content: content["benchmarks"]["foils"].pop("pictures"))
    edit_results(base, lambda content: content["benchmarks"]["retrieval"].update(pictures="as stored"))
    reason = "(its pictures were decoded differently)"
    said = rebind.refuses("compare", base, tmp_path / "out")
    assert f"share no score: foils {reason}, retrieval {reason}; evaluate" in said
    said = rebind.succeeds(*words(folder, folder / "tuned", tmp_path / "out"), "--base", base)
    assert "Left out" not in said
    assert scored(tmp_path / "out/base") == {"foils", "retrieval"}


def test_an_evaluation_of_the_base_that_was_stopped_hinders_nothing(rebind, folder, base, tmp_path):
    tear(rebind, folder, base, tmp_path)
    out = tmp_path / "out"
    assert "Binding" in rebind.succeeds(*words(folder, folder / "tuned", out, "foils"), "--base", base)
    assert scored(out / "base") == {"foils"}
    shutil.rmtree(out)
    said = rebind.succeeds(*words(folder, folder / "tuned", out, "retrieval"), "--base", base)
    assert said.splitlines()[-1].startswith("Recognition ")
    assert not (out / "base").exists()  # nobody asked for foils
    rebind.succeeds(*words(folder, folder / "tuned", out, "foils"))
    said = rebind.succeeds("compare", base, out)
    assert "retrieval" in said
    assert f"Left out: foils (its evaluation into {base} was stopped while it wrote; evaluate it again)." in said


def test_only_what_was_measured_just_now_is_printed(rebind, folder, tmp_path):
    out, model = tmp_path / "out", folder / "base"
    rebind.succeeds(*words(folder, model, out), "--concept-attention", 10)
    note = "foils: only 12.5 % of its items are there"
    edit_results(out, lambda content: content["notes"].append(note))
    said = rebind.succeeds(*words(folder, model, tmp_path / "tuned", "retrieval"), "--base", out)
    assert "Recognition ±0.0" in said
    assert note not in said  # nobody asked for foils
    said = rebind.succeeds(*words(folder, model, tmp_path / "tuned", "foils"), "--base", out)
    assert f"Of the base: {note}" in said
    assert "by_concepts" not in rebind.succeeds(*words(folder, model, out, "foils"))
    assert "foils_by_concepts" in scored(out)


def test_what_others_have_published_of_earlier_benchmarks_is_not_printed(rebind, folder, tmp_path):
    (tmp_path / "coco").mkdir()
    rows = (folder / "foils/swap_obj.json").read_text()
    for category in ("swap_att", "swap_obj", "replace_att", "replace_obj", "replace_rel", "add_obj", "add_att"):
        (tmp_path / "coco" / f"{category}.json").write_text(rows)
    files = ("--annotations", tmp_path / "coco", "--images", folder / "photos")
    out = tmp_path / "out"
    said = rebind.succeeds("eval", folder / "base", "--benchmark", "sugarcrepe", *files, "--out", out)
    assert "Beside published numbers" in said
    assert "Beside published numbers" not in rebind.succeeds(*words(folder, folder / "base", out, "retrieval"))


def test_results_of_older_weights_are_not_used(rebind, folder, base, tmp_path):
    for file in (folder / "tuned").iterdir():
        shutil.copy(file, base / file.name)
    said = rebind.succeeds(*words(folder, folder / "tuned", tmp_path / "out", "foils"), "--base", base)
    assert "±0.0 points (95 % ±0.0 to ±0.0" in said  # they are the same weights now
    assert scored(tmp_path / "out/base") == {"foils"}


def test_results_without_their_model_are_taken_as_they_are_and_what_they_lack_is_named(rebind, folder, tmp_path):
    rebind.succeeds(*words(folder, folder / "base", tmp_path / "alone", "retrieval"))
    (tmp_path / "alone/recipe.yaml").write_text("")  # a run whose model was not copied
    tuned = words(folder, folder / "tuned", tmp_path / "out")
    said = rebind.succeeds(*tuned, "--base", tmp_path / "alone").splitlines()[-1]
    assert f"no benchmark speaks of composition for both models. Left out: foils (only in {tmp_path / 'out'})." in said
    sentence = rebind.refuses(*words(folder, folder / "tuned", tmp_path / "o", "foils"), "--base", tmp_path / "alone")
    assert f"share no score: foils (only in {tmp_path / 'o'}); evaluate both models on the same" in sentence
    assert "foils (only in" in rebind.succeeds("compare", tmp_path / "alone", tmp_path / "out")


def test_other_items_of_one_benchmark_do_not_hinder_another(rebind, folder, tmp_path):
    rebind.succeeds(*words(folder, folder / "base", tmp_path / "a"))
    rebind.succeeds(*words(folder, folder / "tuned", tmp_path / "b", foils="foils2"))
    assert "Left out: foils (scored on other items)." in rebind.succeeds("compare", tmp_path / "a", tmp_path / "b")
    said = rebind.succeeds(*words(folder, folder / "tuned", tmp_path / "b", "retrieval"), "--base", tmp_path / "a")
    assert said.splitlines()[-1].startswith("Recognition ")
    assert "Left out" not in said  # nobody asked for foils


def test_a_model_that_is_not_there_is_found_out_before_anything_is_fetched(rebind, tmp_path):
    fetch = ("--benchmark", "urban1k", "--data-root", tmp_path / "data", "--download")
    assert "no-model does not exist" in rebind.refuses("eval", tmp_path / "no-model", *fetch, "--out", tmp_path / "out")
    assert "say where the results go" in rebind.refuses("eval", tmp_path / "no-model", *fetch)
    reproduce = ("reproduce", "c2lip/sugarcrepe", *fetch[2:])
    assert "give its folder with --model" in rebind.refuses(*reproduce)
    assert "no-model does not exist" in rebind.refuses(*reproduce, "--model", tmp_path / "no-model")
    assert not (tmp_path / "data").exists()
