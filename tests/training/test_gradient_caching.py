"""What gradient caching promises beyond equal gradients: both passes draw and round alike."""

import torch
from gradients_worker import make_batch

from rebind.models.embedding import encoder_inputs
from rebind.objectives import build_objective
from rebind.training.gradient_caching import GradientCache
from rebind.training.step import ContrastiveStep
from tiny_models import build_encoders

OBJECTIVE = build_objective("c2lip", attention_weight=1.0)
CHUNKS = 3


class Recorded:
    """An encoder that keeps what it returned."""

    def __init__(self, encoder):
        self.encoder, self.passes = encoder, []

    def __call__(self, *inputs):
        outputs = self.encoder(*inputs)
        self.passes.append({name: value.detach().clone() for name, value in outputs.items()})
        return outputs


def dropping_encoder(folder):
    encoder = build_encoders(folder)["siglip"].train()
    for module in encoder.modules():
        if hasattr(module, "dropout") and isinstance(module.dropout, float):
            module.dropout = 0.5
    return encoder


def cached(encoder, batch):
    """Both passes, recorded, with the gradients that they leave."""
    model = Recorded(encoder)
    encoder.zero_grad()
    step = ContrastiveStep(OBJECTIVE, CHUNKS)
    cache = GradientCache(model, encoder_inputs(encoder, batch, OBJECTIVE.needs).chunks(CHUNKS))
    step.cached_loss(batch, cache.outputs)
    cache.backward(lambda surrogate: surrogate.backward(), torch.enable_grad)
    return model.passes, {name: value.grad.clone() for name, value in encoder.named_parameters()}


def test_both_passes_drop_the_same(tmp_path):
    encoder = dropping_encoder(tmp_path)
    batch = make_batch(encoder, list(range(7)))
    torch.manual_seed(3)
    passes, _ = cached(encoder, batch)
    drawn_next = torch.rand(4)
    first, second = passes[:CHUNKS], passes[CHUNKS:]
    for one, other in zip(first, second, strict=True):
        assert all(torch.equal(one[name], other[name]) for name in one)
    again, _ = cached(encoder, batch)  # other random numbers: something was dropped at all
    assert not torch.equal(again[0]["image"], first[0]["image"])

    torch.manual_seed(3)  # afterwards the generator is where one pass alone would have left it
    with torch.no_grad():
        for chunk in encoder_inputs(encoder, batch, OBJECTIVE.needs).chunks(CHUNKS):
            encoder(chunk.images, chunk.texts, chunk.with_tokens)
    assert torch.equal(torch.rand(4), drawn_next)


def test_both_passes_round_the_same_under_autocast(tmp_path):
    encoder = build_encoders(tmp_path)["siglip"]
    batch = make_batch(encoder, list(range(7)))
    encode = encoder.forward
    encoder.forward = torch.autocast("cpu", torch.bfloat16)(encode)
    passes, gradients = cached(encoder, batch)
    for one, other in zip(passes[:CHUNKS], passes[CHUNKS:], strict=True):
        assert all(torch.equal(one[name], other[name]) for name in one)
    encoder.forward = encode
    _, exact = cached(encoder, batch)
    largest = max(value.abs().max() for value in exact.values())
    errors = [(gradients[name] - value).abs().max() / largest for name, value in exact.items()]
    assert 1e-6 < max(errors) < 0.1  # bfloat16 keeps three digits, and it was bfloat16
