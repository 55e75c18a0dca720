import naive
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import make_embeddings
from torch.nn.functional import normalize
from torch.testing import assert_close

from rebind.objectives.attention_pooling import concept_attention_logits


def pooled_form(e, scale):
    """Every pooled vector formed, normalised and compared, one image and one concept at a time."""
    rows = [
        torch.stack([naive.pooled(e, i, k, scale) @ concept for k, concept in enumerate(e.concepts)])
        for i in range(len(e.image_tokens))
    ]
    return torch.stack(rows)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("scale", [0.0, 1.0, 10.0, 50.0])
def test_cosines_and_gradients_are_those_of_the_pooled_form(scale, masked):
    ours = naive.leaves(make_embeddings(masked=masked, tokens=7))
    theirs = naive.leaves(ours)
    logits = concept_attention_logits(ours.image_tokens, ours.concepts, scale, ours.image_token_mask)
    expected = pooled_form(theirs, scale)
    assert_close(logits, expected, rtol=1e-10, atol=1e-10)
    direction = torch.randn(expected.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    actual = torch.autograd.grad((logits * direction).sum(), [ours.image_tokens, ours.concepts])
    wanted = torch.autograd.grad((expected * direction).sum(), [theirs.image_tokens, theirs.concepts])
    assert_close(actual, wanted, rtol=1e-10, atol=1e-10)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    tokens=st.integers(1, 9),
    counts=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    scale=st.floats(0, 40),
    masked=st.booleans(),
)
def test_any_sizes(seed, tokens, counts, scale, masked):
    e = make_embeddings(counts=tuple(counts), tokens=tokens, seed=seed, masked=masked)
    logits = concept_attention_logits(e.image_tokens, e.concepts, scale, e.image_token_mask)
    assert logits.shape == (len(counts), sum(counts))
    assert_close(logits, pooled_form(e, scale), rtol=1e-9, atol=1e-9)
    assert logits.abs().max() <= 1 + 1e-9


def test_scale_zero_is_mean_pooling():
    e = make_embeddings()
    means = normalize(e.image_tokens.mean(dim=1), dim=-1)
    assert_close(concept_attention_logits(e.image_tokens, e.concepts, 0.0), means @ e.concepts.T)


def test_a_large_scale_picks_the_most_similar_token():
    e = make_embeddings()
    best = (e.image_tokens @ e.concepts.T).amax(dim=1)
    assert_close(concept_attention_logits(e.image_tokens, e.concepts, 1e6), best)


def test_one_token_needs_no_attention():
    e = make_embeddings(tokens=1)
    expected = e.image_tokens[:, 0] @ e.concepts.T
    assert_close(concept_attention_logits(e.image_tokens, e.concepts, 10.0), expected)


def test_padding_tokens_change_nothing_and_get_no_gradient():
    e = make_embeddings()
    garbage = 100 * torch.ones(4, 3, 6, dtype=torch.float64)
    padded = torch.cat([e.image_tokens, garbage], dim=1).requires_grad_()
    mask = torch.arange(8).expand(4, 8) < 5
    logits = concept_attention_logits(padded, e.concepts, 5.0, mask)
    assert_close(logits, concept_attention_logits(e.image_tokens, e.concepts, 5.0))
    (gradient,) = torch.autograd.grad(logits.sum(), padded)
    assert gradient[:, 5:].abs().max() == 0
    assert gradient[:, :5].abs().max() > 0


def test_tokens_that_cancel_give_a_finite_gradient():
    token = torch.nn.functional.normalize(torch.ones(1, 1, 4), dim=-1)
    tokens = torch.cat([token, -token], dim=1).requires_grad_()
    concepts = torch.tensor([[0.5, -0.5, 0.5, -0.5]], requires_grad=True)
    logits = concept_attention_logits(tokens, concepts, 1.0)
    gradients = torch.autograd.grad(logits.sum(), [tokens, concepts])
    assert all(torch.isfinite(each).all() for each in (logits, *gradients))


@pytest.mark.parametrize("autocast", [False, True])
def test_half_precision_is_computed_in_single(autocast):
    e = make_embeddings(tokens=50, width=32)
    tokens, concepts = e.image_tokens.bfloat16(), e.concepts.bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        logits = concept_attention_logits(tokens, concepts, 10.0)
    assert logits.dtype == torch.float32
    assert_close(logits.double(), concept_attention_logits(tokens.double(), concepts.double(), 10.0), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("tokens", "concepts"), [((2, 3, 4), (5, 6)), ((2, 4), (5, 4)), ((2, 3, 4), (4,)), ((2, 3, 4), (1, 5, 4))]
)
def test_shapes_that_do_not_fit(tokens, concepts):
    with pytest.raises(ValueError, match=r"must be \(B, L, d\) and concepts \(N, d\)"):
        concept_attention_logits(torch.zeros(tokens), torch.zeros(concepts))
