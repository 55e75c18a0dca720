import json

import numpy as np
import pytest
import torch
from PIL import Image

from rebind.benchmarks import build_benchmark, evaluate, evaluate_model
from rebind.benchmarks.examples import EXAMPLES, describe_item, example_order, foil_items
from rebind.benchmarks.foils import FoilItem
from rebind.models import DualEncoder
from rebind.types import Score, UserError


def test_results_hold_the_scores_and_what_they_came_from(encoder, world, tmp_path):
    encoder.save(tmp_path / "model")
    benchmarks = [build_benchmark("world", data=world)]
    path = evaluate_model(
        tmp_path / "model", benchmarks, tmp_path / "out", {"label": "SigLIP"}, objective="siglip", seed=3
    )
    assert path == tmp_path / "out/results.json"
    results = json.loads(path.read_text())
    assert (results["model"], results["objective"], results["seed"]) == (str(tmp_path / "model"), "siglip", 3)
    assert results["settings"] == {"label": "SigLIP"}
    assert results["environment"]["torch"] == torch.__version__
    assert {"rebind", "transformers", "python", "platform", "threads"} <= set(results["environment"])
    assert results["broken_images"] == []
    assert [Score(**row) for row in results["scores"]] == evaluate(encoder, benchmarks)[0]
    assert evaluate_model(tmp_path / "model", benchmarks, tmp_path / "out", {}) == path
    assert json.loads(path.read_text())["scores"] == results["scores"]
    assert json.loads(path.read_text())["objective"] == "base"


def test_evaluation_leaves_the_mode_as_it_was(encoder, world):
    encoder.train()
    evaluate(encoder, [build_benchmark("zero_shot", data=world / "test/zero_shot")])
    assert encoder.training
    encoder.eval()


def test_examples_are_rows_that_a_report_can_draw_without_the_model(encoder, world, tmp_path):
    encoder.save(tmp_path / "model")
    evaluate_model(tmp_path / "model", [build_benchmark("world", data=world)], tmp_path / "out")
    examples = json.loads((tmp_path / "out/examples.json").read_text())
    items = list(foil_items([build_benchmark("world", data=world)]))
    assert len(examples) == min(EXAMPLES, len(items))
    assert [example["category"] for example in examples[:3]] == ["swap_att", "replace_obj", "held_out"]
    for example in examples:
        Image.open(example["image"]).verify()
        assert example["grid"] == [2, 2]
        assert example["concepts"]
        for concept in example["concepts"]:
            assert len(concept["attention"]) == len(concept["cosines"]) == 4
            assert sum(concept["attention"]) == pytest.approx(1)


def test_examples_of_another_model_go_with_its_results(encoder, world, tmp_path):
    encoder.save(tmp_path / "model")
    evaluate_model(tmp_path / "model", [build_benchmark("world", data=world)], tmp_path / "out")
    classes = [build_benchmark("zero_shot", data=world / "test/zero_shot")]
    evaluate_model(tmp_path / "model", classes, tmp_path / "out")
    assert (tmp_path / "out/examples.json").is_file()  # of the same model
    other = DualEncoder.from_pretrained(tmp_path / "model")
    with torch.no_grad():
        other.model.logit_scale.add_(1)
    other.save(tmp_path / "other")
    evaluate_model(tmp_path / "other", classes, tmp_path / "out")
    assert not (tmp_path / "out/examples.json").exists()


def test_attention_is_the_softmax_of_the_scaled_cosines(encoder, world):
    item, pictures = next(iter(foil_items([build_benchmark("world", data=world)])))
    row = describe_item(encoder, item, pictures, ["a red circle", "a box"], attention_scale=7)
    with torch.inference_mode(), Image.open(item.image) as picture:
        pooled, tokens, _ = encoder.encode_image(encoder.images([picture.convert("RGB")]), with_tokens=True)
        texts = encoder.encode_text(encoder.texts([item.caption, item.foil, "a red circle", "a box"]))
    assert row["caption_score"] == pytest.approx(float(pooled[0] @ texts[0]), abs=1e-6)
    assert row["foil_score"] == pytest.approx(float(pooled[0] @ texts[1]), abs=1e-6)
    for k, concept in enumerate(row["concepts"]):
        cosines = [float(token @ texts[2 + k]) for token in tokens[0]]
        exponentials = [np.exp(7 * cosine) for cosine in cosines]
        assert concept["cosines"] == pytest.approx(cosines, abs=1e-6)
        assert concept["attention"] == pytest.approx([each / sum(exponentials) for each in exponentials], abs=1e-6)


def test_examples_take_turns_over_categories_and_depend_on_the_seed_alone(tmp_path):
    items = [(FoilItem("ab"[i % 4 == 0], tmp_path / f"{i}", "caption", "foil"), "upright") for i in range(40)]
    order = list(example_order(items, seed=1))
    assert sorted(order, key=lambda each: int(each[0].image.name)) == items
    assert [item.category for item, _ in order[:20]] == ["b", "a"] * 10
    assert order == list(example_order(items, seed=1)) != list(example_order(items, seed=2))


def test_a_broken_example_is_replaced_by_another(encoder, world, tmp_path):
    encoder.save(tmp_path / "model")
    (world / "test/held_out/images/0.png").write_bytes(b"")
    evaluate_model(tmp_path / "model", [build_benchmark("world", data=world)], tmp_path / "out")
    examples = json.loads((tmp_path / "out/examples.json").read_text())
    items = [str(item.image) for item, _ in foil_items([build_benchmark("world", data=world)])]
    whole = [image for image in items if not image.endswith("held_out/images/0.png")]
    assert len(examples) == min(EXAMPLES, len(whole)) > len({example["category"] for example in examples})
    assert "held_out/images" not in "".join(example["image"] for example in examples)
    results = json.loads((tmp_path / "out/results.json").read_text())
    assert [each["image"] for each in results["broken_images"]] == [str(world / "test/held_out/images/0.png")]


def test_a_model_that_diverged_leaves_no_results(encoder, world, tmp_path):
    import copy

    sick = copy.deepcopy(encoder)
    with torch.no_grad():
        next(sick.model.text_model.parameters()).fill_(float("nan"))
    sick.save(tmp_path / "model")
    with pytest.raises(UserError, match=r"model gives \d+ of \d+ text embeddings that are not finite"):
        evaluate_model(tmp_path / "model", [build_benchmark("world", data=world)], tmp_path / "out")
    assert not (tmp_path / "out/results.json").exists()
