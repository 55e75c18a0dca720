"""Checkpoints between two, against the formula in float64."""

import copy

import numpy as np
import pytest
import torch

from rebind.models import DualEncoder
from rebind.models.interpolation import interpolate
from rebind.types import UserError


def moved(encoder, seed=1):
    other = copy.deepcopy(encoder)
    torch.manual_seed(seed)
    with torch.no_grad():
        for weight in other.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    return other


@pytest.fixture(params=["siglip", "clip"])
def pair(request, encoders, tmp_path):
    base = encoders[request.param]
    base.save(tmp_path / "base")
    return tmp_path / "base", DualEncoder.from_pretrained(tmp_path / "base"), moved(base)


@pytest.mark.parametrize("alpha", [0.1, 0.5, 0.77])
def test_every_weight_lies_between_the_two(pair, alpha):
    folder, base, tuned = pair
    blended = interpolate(folder, tuned, alpha).state_dict()
    before, after = base.state_dict(), tuned.state_dict()
    assert blended.keys() == before.keys()
    for name, weight in blended.items():
        first, second = (side[name].numpy().astype(np.float64) for side in (before, after))
        exact = (1 - alpha) * first + alpha * second
        scale = np.maximum(np.abs(first), np.abs(second))
        assert (np.abs(weight.numpy() - exact) <= 2e-7 * scale).all(), name


def test_the_logit_scale_moves_in_its_logarithm(pair):
    folder, base, tuned = pair
    with torch.no_grad():
        tuned.model.logit_scale.fill_(base.model.logit_scale.item() + 2)
    got = interpolate(folder, tuned, 0.5).logit_scale.item()
    assert got == pytest.approx(base.logit_scale.item() * np.e, rel=1e-5)


def test_the_ends_are_the_two_models_to_the_last_bit(pair):
    folder, base, tuned = pair
    with torch.no_grad():  # 0 · ∞ would be no number
        next(tuned.parameters()).view(-1)[0] = float("inf")
    for alpha, end in ((0, base), (1, tuned)):
        blended = interpolate(folder, tuned, alpha).state_dict()
        assert all(torch.equal(weight, blended[name]) for name, weight in end.state_dict().items())


def test_the_tuned_model_is_left_alone_and_the_blend_loads_again(pair, tmp_path):
    folder, _, tuned = pair
    before = copy.deepcopy(tuned.state_dict())
    blended = interpolate(folder, tuned, 0.3)
    assert all(torch.equal(weight, tuned.state_dict()[name]) for name, weight in before.items())
    blended.save(tmp_path / "blend")
    loaded = DualEncoder.from_pretrained(tmp_path / "blend").state_dict()
    assert all(torch.equal(weight, loaded[name]) for name, weight in blended.state_dict().items())


def test_models_that_do_not_fit_are_refused_in_a_sentence(encoders, tmp_path):
    base = encoders["siglip"]
    base.save(tmp_path / "base")

    def refused(tuned, match):
        with pytest.raises(UserError, match=match):
            interpolate(tmp_path / "base", tuned, 0.5, "other")

    refused(encoders["clip"], "cannot be blended: one is of type siglip, the other of type clip")
    wider = copy.deepcopy(base)
    head = wider.model.text_model.head
    wider.model.text_model.head = torch.nn.Linear(head.in_features, head.out_features + 1)
    refused(wider, r"the weight model\.text_model\.head\.\w+ has size \(32.*\) in one and \(33.*\) in the other")
    more = copy.deepcopy(base)
    more.model.extra = torch.nn.Linear(1, 1)
    refused(more, r"only other has the weight model\.extra\.bias")
    sharper = copy.deepcopy(base)
    sharper.model.config.vision_config.hidden_act = "quick_gelu"
    refused(sharper, "vision_config.hidden_act is gelu_pytorch_tanh in one and quick_gelu in the other")
    brighter = copy.deepcopy(base)
    brighter.images.processor.image_mean = [0.1, 0.1, 0.1]
    refused(brighter, "the image processor's image_mean is .* in one and .* in the other")
    chattier = copy.deepcopy(base)
    chattier.texts.tokenizer.add_tokens(["glorp"])
    refused(chattier, "their tokenizers have other vocabularies")
    with pytest.raises(UserError, match=r"alpha is 1\.2; it must lie between 0, the base, and 1"):
        interpolate(tmp_path / "base", base, 1.2)
