"""One step of the Trainer against a plain torch loop, and the schedule against its formula."""

import json
import math
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from rebind.data import open_source
from rebind.data.annotations import with_concepts, with_negatives
from rebind.data.collation import Collator
from rebind.data.dataset import CaptionedImages
from rebind.models import DualEncoder, build_small_siglip, embed_batch
from rebind.objectives import build_objective
from rebind.training.metrics_file import read_metrics
from rebind.training.run import train
from rebind.training.trainer import ContrastiveTrainer
from rebind.types import UserError

STEPS = 4
SIGMOID = {"form": "sigmoid"}


@pytest.fixture(scope="module")
def base(world, tmp_path_factory):
    """A small SigLIP checkpoint with weights of its own, and a logit bias that nobody would choose."""
    source = open_source(world / "train")
    encoder = build_small_siglip((source.captions(row)[0] for row in range(len(source))), seed=7)
    with torch.no_grad():
        encoder.model.logit_bias.fill_(-3.25)
    folder = tmp_path_factory.mktemp("base") / "model"
    encoder.save(folder)
    return folder


def learning_rate(step, recipe):
    """Linear from zero over the warm-up, then half a cosine to zero; ``step`` counts from 0."""
    if step < recipe.warmup_steps:
        return recipe.learning_rate * step / recipe.warmup_steps
    share = (step - recipe.warmup_steps) / (recipe.steps - recipe.warmup_steps)
    return recipe.learning_rate * (1 + math.cos(math.pi * share)) / 2


def embed(encoder, frozen, batch, needs):
    """The embeddings of a batch, with those of the frozen model beside them."""
    with torch.no_grad():
        before = embed_batch(frozen, batch, frozenset())
    reference = {"image": before.image, "text": before.text, "logit_scale": before.logit_scale}
    return replace(
        embed_batch(encoder, batch, needs), **{f"reference_{name}": rows for name, rows in reference.items()}
    )


def plain_loop(recipe, base):
    """The same run as torch alone would have it, written without Trainer; returns the weights and every step's loss."""
    encoder, frozen = DualEncoder.from_pretrained(base), DualEncoder.from_pretrained(base)
    objective = build_objective(recipe.objective, **recipe.objective_settings)
    source = with_negatives(with_concepts(open_source(recipe.data)), recipe.negative_families, with_images=True)
    data = CaptionedImages(source, encoder.images, seed=recipe.seed, needs=objective.needs)
    short = encoder.texts.shortened(recipe.concept_context_length or 999)
    collate = Collator(encoder.texts, objective.needs, tokenize_concepts=short)
    one_dimensional = ("bias", "norm", "logit_scale", "probe")
    is_plain = {name: any(word in name for word in one_dimensional) for name, _ in encoder.named_parameters()}
    groups = [
        {
            "params": [value for name, value in encoder.named_parameters() if is_plain[name] is no_decay],
            "weight_decay": rate,
        }
        for no_decay, rate in ((False, recipe.weight_decay), (True, 0.0))
    ]
    optimiser = torch.optim.AdamW(groups, betas=(recipe.beta1, recipe.beta2), eps=recipe.epsilon)
    batches, losses = [], []
    for epoch in range(9):
        data.set_epoch(epoch)
        order = list(data.order)
        whole = [order[start : start + recipe.batch_size] for start in range(0, len(order), recipe.batch_size)]
        whole = [batch for batch in whole if len(batch) == recipe.batch_size]
        step = recipe.gradient_accumulation
        batches += [whole[start : start + step] for start in range(0, len(whole), step)]
    for number, micro_batches in enumerate(batches[: recipe.steps]):
        micro_losses = [
            objective(embed(encoder, frozen, collate([data[item] for item in batch]), objective.needs)).total
            for batch in micro_batches
        ]
        loss = torch.stack(micro_losses).mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(encoder.parameters(), recipe.max_gradient_norm)
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(number, recipe)
        optimiser.step()
        losses.append(loss.item())
    return encoder.model.state_dict(), losses


@pytest.mark.parametrize(
    "settings",
    [
        {"objective": "c2lip", "objective_settings": {"attention_weight": 1.0, "attention_scale": 10.0}},
        {"objective": "siglip", "weight_decay": 0.5, "warmup_steps": 2},
        {"objective": "clip", "batch_size": 8, "gradient_accumulation": 2},
        {"objective": "siglip", "batch_size": 60, "gradient_accumulation": 3},  # the second step of an epoch has two
        {"objective": "c2lip", "concept_context_length": 5},
        {"objective": "tripletclip", "negative_families": ["replace_att"], "micro_batch_size": 7},
        {"objective": {"clip": 1, "negclip": 0.5, "distillation": 2}, "objective_settings": {"negclip": SIGMOID}},
    ],
    ids=[
        "c2lip", "decay and warm-up", "accumulation", "accumulation with a remainder", "short concepts",
        "one family of negatives", "a sum with the frozen model",
    ],
)  # fmt: skip
def test_training_equals_a_plain_loop(small_recipe, base, tmp_path, settings):
    # Gradients of the keys' biases are zero but for rounding, which a small epsilon would blow up into steps.
    settings = {"warmup_steps": 0, "steps": STEPS, "epsilon": 1e-4, "model": str(base), **settings}
    recipe = small_recipe(tmp_path / "run", **settings)
    weights = load_file(train(recipe, show_progress=False) / "model.safetensors")
    expected, losses = plain_loop(recipe, base)
    assert [row["loss"] for row in read_metrics(recipe.out / "metrics.jsonl")] == pytest.approx(losses, rel=1e-5)
    for name, value in expected.items():
        torch.testing.assert_close(weights[name], value, rtol=0, atol=1e-6, msg=name)


def test_nothing_to_hold_a_fresh_model_to(small_recipe, tmp_path):
    with pytest.raises(UserError, match="distillation holds a model to where it started; give a pre-trained model"):
        train(small_recipe(tmp_path / "run", objective="distillation"), show_progress=False)


def keys_in_order(recipe, monkeypatch):
    """The keys and captions of every batch that training collates."""
    seen = []
    collate = Collator.__call__

    def watched(self, items):
        seen.append([(item.key, item.caption) for item in items])
        return collate(self, items)

    monkeypatch.setattr(Collator, "__call__", watched)
    train(recipe, show_progress=False)
    return seen


def test_hard_batches_hold_neighbours(small_recipe, world, tmp_path, monkeypatch):
    data = tmp_path / "train"
    shutil.copytree(world / "train", data)
    keys = list(open_source(data).keys)
    pairs = {key: keys[row ^ 1] for row, key in enumerate(keys)}  # 300 samples: everyone has a partner
    rows = [json.dumps({"key": key, "neighbours": [other]}) + "\n" for key, other in pairs.items()]
    (data / "annotations" / "neighbours.jsonl").write_text("".join(rows))
    recipe = small_recipe(tmp_path / "run", data=data, objective="clip", hard_batches=True, steps=9)
    for batch in keys_in_order(recipe, monkeypatch):
        held = {key for key, _ in batch}
        assert all(pairs[key] in held for key in held)


@pytest.mark.parametrize("captions", ["drawn", "original"])
def test_rewrites_are_drawn_unless_the_original_is_asked_for(small_recipe, world, tmp_path, monkeypatch, captions):
    data = tmp_path / "train"
    shutil.copytree(world / "train", data)
    rows = [json.dumps({"key": key, "rewrites": [f"again {key}"]}) + "\n" for key in open_source(data).keys]
    (data / "annotations" / "rewrites.jsonl").write_text("".join(rows))
    recipe = small_recipe(tmp_path / "run", data=data, objective="clip", captions=captions, steps=9)
    drawn = [caption for batch in keys_in_order(recipe, monkeypatch) for _, caption in batch]
    share = sum(caption.startswith("again") for caption in drawn) / len(drawn)
    assert 0.4 < share < 0.6 if captions == "drawn" else share == 0


def test_the_learning_rate_warms_up_and_falls_as_a_cosine(small_recipe, finished):
    recipe = small_recipe(finished)
    logged = [row["learning_rate"] for row in read_metrics(finished / "metrics.jsonl")]
    assert logged == pytest.approx([learning_rate(step, recipe) for step in range(recipe.steps)], rel=1e-9)


def test_the_parts_sum_to_the_loss_and_rates_are_logged(finished):
    for row in read_metrics(finished / "metrics.jsonl"):
        assert row["loss"] == pytest.approx(row["contrastive"] + row["concept"] + row["attention"], rel=1e-5)
        assert row["images_per_second"] > 0
        assert row["gradient_norm"] > 0


def test_the_last_step_is_logged_whatever_the_interval(small_recipe, tmp_path):
    recipe = small_recipe(tmp_path / "run", steps=7, log_every=3, save_every=3)
    train(recipe, show_progress=False)
    whole = small_recipe(tmp_path / "whole", steps=7, objective="c2lip")
    train(whole, show_progress=False)
    rows, every = (read_metrics(run.out / "metrics.jsonl") for run in (recipe, whole))
    assert [row["step"] for row in rows] == [3, 6, 7]
    for row, steps in zip(rows, (every[:3], every[3:6], every[6:]), strict=True):
        assert row["loss"] == pytest.approx(sum(step["loss"] for step in steps) / len(steps), rel=1e-6)
    assert json.loads((recipe.out / "summary.json").read_text())["steps"] == 7


def test_epochs_count_when_steps_do_not(small_recipe, tmp_path):
    recipe = small_recipe(tmp_path / "run", steps=None, epochs=1.5, batch_size=100)
    train(recipe, show_progress=False)
    assert read_metrics(recipe.out / "metrics.jsonl")[-1]["step"] == 5  # three batches an epoch


def test_matrices_decay_and_nothing_else(base):
    model = DualEncoder.from_pretrained(base).model
    names = set(ContrastiveTrainer.get_decay_parameter_names(None, model))
    for name, value in model.named_parameters():
        assert (name in names) == (value.squeeze().ndim > 1), name
    assert not {"logit_scale", "logit_bias", "vision_model.head.probe"} & names


def test_the_class_token_of_clip_does_not_decay():
    from transformers import CLIPConfig, CLIPModel

    tower = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    config = CLIPConfig(text_config=tower, vision_config={**tower, "image_size": 32, "patch_size": 16})
    model = CLIPModel(config)
    names = set(ContrastiveTrainer.get_decay_parameter_names(None, model))
    vectors = {"logit_scale", "vision_model.embeddings.class_embedding"}
    undecayed = {name for name, _ in model.named_parameters()} - names
    assert vectors <= undecayed
    assert all(name.endswith("bias") or "norm" in name for name in undecayed - vectors)
    assert {"visual_projection.weight", "text_projection.weight"} <= names


def test_the_logit_scale_is_clamped(small_recipe, tmp_path):
    recipe = small_recipe(tmp_path / "run", max_logit_scale=9.0, steps=3)
    model = train(recipe, show_progress=False)
    logged = [row["logit_scale"] for row in read_metrics(recipe.out / "metrics.jsonl")]
    assert logged[:2] == pytest.approx([10.0, 9.0])  # what each step computed with: the first one found it too large
    assert max(logged[1:]) < 9.0 + 1e-5
    assert load_file(model / "model.safetensors")["logit_scale"].exp().item() < 9.0 + 1e-5


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, -3.25),
        ({"from_scratch": True}, math.log(1 / 31)),
        ({"model": "small-siglip"}, math.log(1 / 31)),
    ],
    ids=["fine-tuning keeps it", "from scratch", "small-siglip"],
)
def test_where_the_logit_bias_starts(small_recipe, base, tmp_path, settings, expected):
    """From scratch, p = 1/B of the pairs are positive: the bias is log(p / (1 − p))."""
    recipe = small_recipe(tmp_path / "run", **{"model": str(base), "steps": 1, **settings})  # learning rate 0 at first
    model = train(recipe, show_progress=False)
    assert load_file(model / "model.safetensors")["logit_bias"].item() == pytest.approx(expected, rel=1e-6)


def test_from_scratch_keeps_the_architecture_and_not_the_weights(small_recipe, base, tmp_path):
    recipe = small_recipe(tmp_path / "run", model=str(base), from_scratch=True, steps=1)
    fresh = load_file(train(recipe, show_progress=False) / "model.safetensors")
    old = load_file(base / "model.safetensors")
    assert {name: value.shape for name, value in fresh.items()} == {name: value.shape for name, value in old.items()}
    name = "vision_model.encoder.layers.0.mlp.fc1.weight"
    assert not torch.allclose(fresh[name], old[name], atol=1e-2)
