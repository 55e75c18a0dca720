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


def test_what_a_base_with_results_lacks_is_evaluated_and_added(rebind, folder, tmp_path):
    base = tmp_path / "base"
    shutil.copytree(folder / "base", base)
    rebind.succeeds(*words(folder, base, base, "retrieval"))
    said = rebind.succeeds(*words(folder, folder / "tuned", tmp_path / "out", "foils"), "--base", base)
    assert "Binding" in said
    assert scored(base) == {"foils", "retrieval"}

    before = (base / "results.json").stat().st_mtime_ns
    said = rebind.succeeds(*words(folder, folder / "tuned", tmp_path / "out"), "--base", base)
    assert "recognition" in said.splitlines()[-1]
    assert "Left out" not in said
    assert (base / "results.json").stat().st_mtime_ns == before

    said = rebind.succeeds(*words(folder, folder / "tuned", tmp_path / "out", "foils", "foils2"), "--base", base)
    assert "Binding" in said
    assert (base / "results.json").stat().st_mtime_ns != before


def test_results_of_older_weights_are_not_used(rebind, folder, tmp_path):
    base = tmp_path / "base"
    shutil.copytree(folder / "base", base)
    rebind.succeeds(*words(folder, base, base))
    for file in (folder / "tuned").iterdir():
        shutil.copy(file, base / file.name)
    said = rebind.succeeds(*words(folder, folder / "tuned", tmp_path / "out", "foils"), "--base", base)
    assert "±0.0 points (95 % ±0.0 to ±0.0" in said  # they are the same weights now
    assert "older results were replaced" in said


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
