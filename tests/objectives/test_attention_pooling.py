import re

import pytest
import torch
from attention_twin import gradients, in_double, make_inputs, pooled_form
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from rebind.objectives.attention_pooling import (
    AttentionPooling,
    Tiles,
    choose_tiles,
    concept_attention_logits,
    multiply_adds,
)
from rebind.types import UserError

CPU = torch.device("cpu")
FORMS = ["gram", "pooled"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("scale", [0.0, 1.0, 10.0, 80.0])
def test_cosines_and_gradients_are_those_of_the_pooled_vectors(scale, masked, form):
    tokens, concepts, mask, direction = make_inputs(tokens=7, concepts=5, masked=masked)
    cosines = AttentionPooling.apply(tokens, concepts, scale, mask, Tiles(2, 3, form))
    expected = pooled_form(tokens, concepts, scale, mask)
    assert_close(cosines, expected, rtol=1e-10, atol=1e-10)
    actual, wanted = (gradients(each, direction, tokens, concepts) for each in (cosines, expected))
    assert_close(actual, wanted, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_tiles_and_forms_agree(scale):
    tokens, concepts, mask, direction = make_inputs(5, 40, 23, 17, masked=True)
    found = []
    for tiles in (Tiles(5, 23, "gram"), Tiles(5, 23, "pooled"), Tiles(1, 1, "gram"), Tiles(2, 10, "pooled")):
        cosines = AttentionPooling.apply(tokens, concepts, scale, mask, tiles)
        found.append((cosines, *gradients(cosines, direction, tokens, concepts)))
    for other in found[1:]:
        assert_close(other, found[0], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("scale", [1.0, 10.0, 80.0])
def test_numerical_gradients(scale, masked, form):
    tokens, concepts, mask, _ = make_inputs(3, 4, 3, 5, masked=masked, seed=3)

    def cosines(tokens, concepts):
        return AttentionPooling.apply(tokens, concepts, scale, mask, Tiles(2, 2, form))

    assert torch.autograd.gradcheck(cosines, [tokens, concepts])


@settings(max_examples=30)
@given(
    seed=st.integers(0, 10_000),
    images=st.integers(1, 4),
    tokens=st.integers(1, 9),
    concepts=st.integers(1, 7),
    scale=st.floats(0, 100),
    masked=st.booleans(),
)
def test_any_sizes(seed, images, tokens, concepts, scale, masked):
    vectors, phrases, mask, _ = make_inputs(images, tokens, concepts, masked=masked, seed=seed)
    cosines = concept_attention_logits(vectors, phrases, scale, mask)
    assert_close(cosines, pooled_form(vectors, phrases, scale, mask), rtol=1e-9, atol=1e-9)
    assert cosines.abs().max() <= 1 + 1e-9


def test_scale_zero_is_mean_pooling():
    tokens, concepts, _, _ = make_inputs()
    means = normalize(tokens.mean(dim=1), dim=-1)
    assert_close(concept_attention_logits(tokens, concepts, 0.0), means @ concepts.T)


def test_a_large_scale_picks_the_most_similar_token():
    tokens, concepts, _, _ = make_inputs()
    best = (tokens @ concepts.T).amax(dim=1)
    assert_close(concept_attention_logits(tokens, concepts, 1e6), best)


@pytest.mark.parametrize("garbage", [100.0, -1e300, float("nan"), float("inf")])
@pytest.mark.parametrize("scale", [5.0, 1e4])
def test_padding_tokens_change_nothing_and_get_no_gradient(scale, garbage):
    tokens, concepts, _, direction = make_inputs()
    padded = torch.cat([tokens.detach(), torch.full((3, 3, 6), garbage, dtype=torch.float64)], dim=1).requires_grad_()
    mask = torch.arange(8).expand(3, 8) < 5
    cosines, expected = (
        concept_attention_logits(padded, concepts, scale, mask),
        concept_attention_logits(tokens, concepts, scale),
    )
    assert_close(cosines, expected)
    actual, wanted = gradients(cosines, direction, padded, concepts), gradients(expected, direction, tokens, concepts)
    assert_close(actual[0][:, :5], wanted[0])
    assert_close(actual[1], wanted[1])
    assert actual[0][:, 5:].abs().max() == 0


@pytest.mark.parametrize("form", FORMS)
def test_tokens_that_cancel_have_no_direction_and_no_gradient(form):
    token = normalize(torch.ones(1, 1, 4), dim=-1)
    tokens = torch.cat([token, -token], dim=1).requires_grad_()
    concepts = torch.tensor([[0.5, -0.5, 0.5, -0.5]], requires_grad=True)
    cosines = AttentionPooling.apply(tokens, concepts, 1.0, None, Tiles(1, 1, form))
    assert cosines == 0
    assert all(not gradient.any() for gradient in gradients(cosines, torch.ones(1, 1), tokens, concepts))


def test_tokens_that_nearly_cancel_give_bounded_gradients():
    token = normalize(torch.randn(1, 1, 64, generator=torch.Generator().manual_seed(0)), dim=-1)
    for difference in (0.0, 1e-8, 1e-5, 1e-4, 1e-3):
        tokens = torch.cat([token, -token * (1 + difference)], dim=1).requires_grad_()
        concepts = token[0].roll(1, dims=-1).clone().requires_grad_()
        cosines = concept_attention_logits(tokens, concepts, 1.0)
        assert cosines.abs() <= 1.1
        found = gradients(cosines, torch.ones(1, 1), tokens, concepts)
        assert all(each.abs().max() < torch.finfo(torch.float32).eps ** -0.5 for each in found)


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("scale", [1.0, 10.0, 80.0])
def test_cosines_are_computed_in_single_precision(scale, dtype, autocast):
    """Up to the rounding of the inputs and, in the inputs' type, of their gradients."""
    tokens, concepts, mask, direction = make_inputs(6, 50, 20, 32, masked=True, dtype=dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        cosines = concept_attention_logits(tokens, concepts, scale, mask)
        actual = gradients(cosines, direction, tokens, concepts)
    exact = in_double(tokens, concepts)
    expected = concept_attention_logits(*exact, scale, mask)
    assert cosines.dtype == torch.float32
    assert_close(cosines.double(), expected, rtol=0, atol=1e-6)
    for gradient, wanted in zip(actual, gradients(expected, direction, *exact), strict=True):
        assert gradient.dtype == dtype
        rounding = torch.finfo(dtype).eps if dtype != torch.float32 else 0
        assert_close(gradient.double(), wanted, rtol=rounding, atol=2e-6 * max(1, scale) * float(wanted.abs().max()))


def test_inputs_of_any_strides():
    tokens, concepts, _, direction = make_inputs(4, 5, 4, 6)
    single, wide = tokens[:1].detach().requires_grad_(), torch.stack([concepts.detach()] * 2, dim=-1).requires_grad_()
    plain = concept_attention_logits(single.repeat(4, 1, 1), concepts, 3.0)
    strided = concept_attention_logits(single.expand(4, -1, -1), wide[..., 1], 3.0)
    assert_close(strided, plain)
    actual, wanted = gradients(strided, direction, single, wide), gradients(plain, direction, single, concepts)
    assert_close((actual[0], actual[1][..., 1]), wanted)
    transposed = tokens.detach().transpose(1, 2).contiguous().transpose(1, 2)
    assert_close(concept_attention_logits(transposed, concepts, 3.0), concept_attention_logits(tokens, concepts, 3.0))


@pytest.mark.parametrize(("images", "concepts"), [(0, 3), (3, 0), (0, 0)])
def test_nothing_to_compare(images, concepts):
    tokens, phrases, _, direction = make_inputs(images, concepts=concepts)
    cosines = concept_attention_logits(tokens, phrases)
    assert cosines.shape == (images, concepts)
    found = gradients(cosines, direction, tokens, phrases)
    assert [each.shape for each in found] == [tokens.shape, phrases.shape]
    assert not any(each.any() for each in found)


@pytest.mark.parametrize("form", FORMS)
def test_only_what_is_asked_for_is_differentiated(form):
    tokens, concepts, _, direction = make_inputs()
    both = gradients(pooled_form(tokens, concepts, 2.0), direction, tokens, concepts)
    for index, fixed in ((0, (tokens, concepts.detach())), (1, (tokens.detach(), concepts))):
        cosines = AttentionPooling.apply(*fixed, 2.0, None, Tiles(2, 3, form))
        with FlopCounterMode(display=False) as counter:
            (alone,) = gradients(cosines, direction, fixed[index])
        assert_close(alone, both[index], rtol=1e-10, atol=1e-10)
        cosines = AttentionPooling.apply(tokens, concepts, 2.0, None, Tiles(2, 3, form))
        with FlopCounterMode(display=False) as of_both:
            gradients(cosines, direction, tokens, concepts)
        assert counter.get_total_flops() < of_both.get_total_flops()
    assert not concept_attention_logits(tokens.detach(), concepts.detach()).requires_grad


def test_second_derivatives_are_refused():
    tokens, concepts, _, _ = make_inputs()
    loss = concept_attention_logits(tokens, concepts).square().sum()
    (first,) = torch.autograd.grad(loss, tokens, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("tiles", [(1, 3), (4, 7), (8, 16)])
def test_the_multiply_adds_are_those_that_are_done(tiles, form):
    tokens, concepts, _, direction = make_inputs(4, 9, 7, 12)
    with FlopCounterMode(display=False) as counter:
        cosines = AttentionPooling.apply(tokens, concepts, 1.0, None, Tiles(*tiles, form))
        gradients(cosines, direction, tokens, concepts)
    assert counter.get_total_flops() == 2 * 4 * multiply_adds(tokens=9, width=12, concepts=7)[form]


def test_the_form_of_fewer_multiply_adds_is_chosen():
    assert choose_tiles(torch.Size([64, 196, 768]), 256, CPU).form == "gram"
    assert choose_tiles(torch.Size([64, 1024, 768]), 256, CPU).form == "pooled"
    assert choose_tiles(torch.Size([64, 1024, 768]), 100_000, CPU).form == "pooled"
    assert choose_tiles(torch.Size([64, 256, 768]), 100_000, CPU).form == "gram"


@given(st.integers(0, 4096), st.integers(0, 2048), st.integers(1, 2048), st.integers(0, 100_000))
def test_a_tile_is_small_however_large_the_inputs_are(images, tokens, width, concepts):
    tiles = choose_tiles(torch.Size([images, tokens, width]), concepts, CPU)
    assert tiles.images >= 1
    assert tiles.concepts >= 1
    widest = tokens if tiles.form == "gram" else max(tokens, width)
    assert tiles.images * tiles.concepts * widest <= 2**19
    assert tiles.images == 1 or tiles.images * tokens * max(tokens, width) <= 2**21


class LargestResult(TorchDispatchMode):
    """Remembers the most elements that a tensor made by any operation had."""

    def __init__(self):
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for each in tree_leaves(result):
            self.elements = max(self.elements, each.numel() if isinstance(each, torch.Tensor) else 0)
        return result


@pytest.mark.parametrize("form", FORMS)
def test_nothing_larger_than_a_tile_and_the_results_is_made(form):
    tokens, concepts, mask, direction = make_inputs(32, 16, 256, 8, masked=True)
    tiles = Tiles(2, 64, form)
    with LargestResult() as largest:
        cosines = AttentionPooling.apply(tokens, concepts, 2.0, mask, tiles)
        gradients(cosines, direction, tokens, concepts)
    assert largest.elements <= max(2 * 64 * 16, 2 * cosines.numel(), tokens.numel(), concepts.numel())
    assert largest.elements < cosines.numel() * 16 / 4  # of all scores


@pytest.mark.parametrize(
    ("tokens", "concepts"), [((2, 3, 4), (5, 6)), ((2, 4), (5, 4)), ((2, 3, 4), (4,)), ((2, 3, 4), (1, 5, 4))]
)
def test_shapes_that_do_not_fit(tokens, concepts):
    with pytest.raises(ValueError, match=r"must be \(B, L, d\) and concepts \(N, d\)"):
        concept_attention_logits(torch.zeros(tokens), torch.zeros(concepts))


@pytest.mark.parametrize(
    "mask", [torch.ones(2, 4, dtype=torch.bool), torch.ones(3, dtype=torch.bool), torch.ones(2, 3)]
)
def test_masks_that_do_not_fit(mask):
    with pytest.raises(ValueError, match=re.escape("must be boolean and of shape (B, L) = (2, 3)")):
        concept_attention_logits(torch.zeros(2, 3, 4), torch.zeros(5, 4), token_mask=mask)


def test_an_unknown_kernel():
    with pytest.raises(UserError, match="must be one of torch, triton, not 'cuda'"):
        concept_attention_logits(torch.zeros(2, 3, 4), torch.zeros(5, 4), kernel="cuda")
