"""The whole curve on a small world."""

import io
import json
import shutil
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

from rebind.benchmarks import build_benchmark, evaluate_model
from rebind.blending import blend, blend_table
from rebind.models import DualEncoder, build_small_siglip
from rebind.types import UserError
from rebind.world import WorldSettings, write_world


@dataclass(frozen=True)
class Renamed:
    """A benchmark under another name."""

    name: str
    inner: object

    @property
    def images(self):
        return self.inner.images

    @property
    def texts(self):
        return self.inner.texts

    def score(self, images, texts):
        return [replace(score, benchmark=self.name) for score in self.inner.score(images, texts)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("blend")
    write_world(root / "world", WorldSettings(train=20, test=40, pretrain=20))
    rows = (root / "world/test/scenes/captions.jsonl").read_text().splitlines()
    captions = [json.loads(row)["caption"] for row in rows]
    encoder = build_small_siglip(captions, width=16, mlp=16, layers=1, heads=2)
    encoder.save(root / "base")
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in encoder.parameters():
            weight.add_(0.2 * torch.randn_like(weight))
    encoder.save(root / "tuned")
    return root


def world(folder):
    return build_benchmark("world", data=folder / "world")


@pytest.fixture(scope="module")
def blended(folder):
    out = folder / "out"
    return out, blend(str(folder / "base"), str(folder / "tuned"), [world(folder)], out, (0.5, 1.0), max_loss=100)


def scores(path):
    rows = json.loads((path / "results.json").read_text())["scores"]
    return [{name: value for name, value in row.items() if name != "model"} for row in rows]


def test_the_ends_score_what_the_two_models_score(folder, blended):
    out, _ = blended
    for name, alpha in (("base", "alpha-0.00"), ("tuned", "alpha-1.00")):
        evaluate_model(folder / name, [world(folder)], folder / f"{name}-results")
        assert scores(out / alpha) == scores(folder / f"{name}-results")


def test_the_chosen_checkpoint_is_written_and_is_the_blend(folder, blended):
    out, outcome = blended
    best = max(outcome.curve, key=lambda point: (point.composition.tuned, -point.alpha))  # a loss of 100 allows all
    assert outcome.choice.point == best
    base, tuned, got = (
        DualEncoder.from_pretrained(path).state_dict() for path in (folder / "base", folder / "tuned", outcome.model)
    )
    for name, weight in got.items():
        exact = (1 - best.alpha) * base[name].double() + best.alpha * tuned[name].double()
        np.testing.assert_allclose(weight.double(), exact, rtol=1e-6, atol=1e-7)
    assert sorted(path.name for path in out.iterdir()) == [
        "alpha-0.00", "alpha-0.50", "alpha-1.00", "curve.json", "curve.png", "curve.svg", "model",
    ]  # fmt: skip
    assert not list(out.glob("alpha-*/model"))


def test_the_curve_file_says_what_was_chosen_and_why(blended):
    out, outcome = blended
    curve = json.loads((out / "curve.json").read_text())
    assert [row["alpha"] for row in curve["points"]] == [0.0, 0.5, 1.0]
    assert curve["points"][0]["recognition"]["difference"] == 0
    assert all(row["composition"]["paired"] for row in curve["points"])
    assert (curve["chosen"], curve["why"]) == (outcome.choice.point.alpha, outcome.choice.why)
    assert "its numbers flatter it" in curve["caution"]
    for row, point in zip(curve["points"], outcome.curve, strict=True):
        assert row["recognition"]["value"] == pytest.approx(point.recognition.tuned)


def test_the_plot_is_a_picture_in_both_formats(blended):
    out, _ = blended
    with Image.open(out / "curve.png") as picture:
        assert min(picture.size) > 700
    assert ElementTree.parse(out / "curve.svg").getroot().tag.endswith("svg")


def test_the_table_has_a_line_for_each_alpha_and_marks_the_kept_one(blended):
    stream = io.StringIO()
    Console(file=stream, width=200).print(blend_table(blended[1]))
    lines = stream.getvalue().splitlines()
    assert len(lines) == 4
    assert "world · " in lines[2]
    assert [line.split()[0] for line in lines if line.rstrip().endswith("kept")] == [
        f"{blended[1].choice.point.alpha:g}"
    ]


def test_what_is_evaluated_is_not_evaluated_again(folder, blended):
    out, first = blended
    before = {path: path.stat().st_mtime_ns for path in out.glob("alpha-*/results.json")}
    (out / "alpha-0.50/results.json").unlink()
    again = blend(str(folder / "base"), str(folder / "tuned"), [world(folder)], out, (0.5, 1.0), max_loss=100)
    after = {path: path.stat().st_mtime_ns for path in before}
    assert [path.parent.name for path in before if before[path] != after[path]] == ["alpha-0.50"]
    assert again.choice == first.choice


def test_damaged_results_are_evaluated_again(folder, blended):
    out, first = blended
    before = (out / "alpha-0.50/results.json").read_text()
    for name, content in (("results.json", before[:99]), ("items.safetensors", "")):
        (out / "alpha-0.50" / name).write_text(content)
        again = blend(str(folder / "base"), str(folder / "tuned"), [world(folder)], out, (0.5, 1.0), max_loss=100)
        assert again.choice == first.choice
        assert json.loads((out / "alpha-0.50/results.json").read_text())["scores"] == json.loads(before)["scores"]


def test_another_blend_does_not_take_up_the_folder(folder, blended):
    out, _ = blended
    with pytest.raises(UserError, match="is of another blend or other benchmarks; choose another folder"):
        blend(str(folder / "base"), str(folder / "base"), [world(folder)], out, (0.5,))


@pytest.mark.parametrize("noted", [["world"], {"world": "0123"}])
def test_a_blend_of_an_older_version_is_called_so(folder, blended, tmp_path, noted):
    shutil.copytree(blended[0], tmp_path / "out")
    for file in (tmp_path / "out").glob("alpha-*/results.json"):
        content = json.loads(file.read_text())
        content["settings"]["benchmarks"] = noted
        file.write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"alpha-0.00 is of an older version of rebind, .* or remove .*out$"):
        blend(str(folder / "base"), str(folder / "tuned"), [world(folder)], tmp_path / "out", (0.5, 1.0), max_loss=100)


def test_the_same_benchmark_of_other_items_does_not_take_up_the_folder(folder, blended, tmp_path):
    out, _ = blended
    shutil.copytree(folder / "world", tmp_path / "world")
    [file, *_] = sorted((tmp_path / "world/test/foils").glob("*.json"))
    rows = json.loads(file.read_text())
    rows["0"]["negative_caption"] += " indeed"
    file.write_text(json.dumps(rows))
    with pytest.raises(UserError, match="is of another blend or other benchmarks; choose another folder"):
        blend(str(folder / "base"), str(folder / "tuned"), [world(tmp_path)], out, (0.5, 1.0))


def test_the_two_models_are_looked_up_in_the_cache_and_those_between_leave_no_trace(folder, tmp_path):
    cache = tmp_path / "cache"
    models = [folder / "base", folder / "tuned"]
    for model in models:
        evaluate_model(model, [world(folder)], tmp_path / model.name, cache=cache)
    before = {path: path.stat().st_size for path in cache.rglob("*.safetensors")}
    blend(*map(str, models), [world(folder)], tmp_path / "out", (0.5, 1.0), cache=cache)
    assert before == {path: path.stat().st_size for path in cache.rglob("*.safetensors")}
    assert len(list(cache.glob("*/model.json"))) == 2


def test_benchmarks_of_their_own_can_be_reported_on(folder):
    report = Renamed("world2", world(folder))
    out = folder / "apart"
    outcome = blend(str(folder / "base"), str(folder / "tuned"), [world(folder)], out, (1.0,), report=[report])
    assert outcome.caution == "Alpha was chosen on world; world2 had no say in it."
    assert {row["benchmark"] for row in scores(out / "alpha-1.00")} == {"world", "world2"}
    assert {change.benchmark for change in outcome.curve[1].outcome.changes} == {"world"}


def test_what_cannot_be_chosen_on_is_refused_in_a_sentence(folder, tmp_path):
    both = (str(folder / "base"), str(folder / "tuned"))
    with pytest.raises(UserError, match="benchmark world is given twice"):
        blend(*both, [world(folder)], tmp_path / "a", report=[world(folder)])
    pictures = build_benchmark("zero_shot", data=folder / "world/test/zero_shot")
    with pytest.raises(UserError, match="but zero_shot say nothing of composition"):
        blend("no", "model", [pictures], tmp_path / "b", (1.0,))
    assert not (tmp_path / "b").exists()


def test_alpha_is_not_chosen_where_images_are_missing(folder, tmp_path):
    both = (str(folder / "base"), str(folder / "tuned"))
    shutil.copytree(folder / "world", tmp_path / "world")
    pictures = sorted((tmp_path / "world/test/scenes").rglob("*.png"))[:2]
    for picture in pictures:
        picture.write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"chosen on world \(less than 99 % of its items could be scored\); mend that"):
        blend(*both, [world(tmp_path)], tmp_path / "out", (1.0,))
    for picture in pictures:  # which is known at once
        picture.unlink()
    with pytest.raises(UserError, match=r"chosen on world: only 9\d\.\d % of its items have their images; complete"):
        blend("no", "model", [world(tmp_path)], tmp_path / "out2", (1.0,))
