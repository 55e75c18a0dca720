from dataclasses import replace

import naive
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import CASES, CONSTANT, DIFFERENTIABLE, gradients, leaves, make_embeddings
from torch.testing import assert_close

from rebind.objectives import build_objective, objective_names

every_case = pytest.mark.parametrize(("name", "given_settings"), CASES, ids=str)


def assert_gradients_close(actual, wanted, *, relative, absolute):
    for field in DIFFERENTIABLE:
        bound = relative * float(wanted[field].abs().max()) + absolute if wanted[field].numel() else 0
        assert_close(
            actual[field].double(), wanted[field], rtol=0, atol=bound, msg=lambda text, field=field: f"{field}: {text}"
        )


@pytest.mark.parametrize("name", objective_names())
def test_every_objective_has_a_naive_twin_and_a_case(name):
    assert callable(getattr(naive, name, None)), f"write the equation of {name!r} as a function of naive.py"
    assert name in [case for case, _ in CASES], f"add {name!r} to CASES in naive.py"


@pytest.mark.parametrize("masked", [False, True])
@every_case
def test_value_and_every_gradient_are_those_of_the_equations(name, given_settings, masked):
    ours, theirs = leaves(make_embeddings(masked=masked)), leaves(make_embeddings(masked=masked))
    loss = build_objective(name, **given_settings)(ours).total
    expected = naive.loss(name, theirs, **given_settings)
    assert_close(loss, expected, rtol=1e-10, atol=1e-10)
    assert_gradients_close(gradients(loss, ours), gradients(expected, theirs), relative=0, absolute=1e-10)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    images=st.lists(st.tuples(st.integers(1, 6), st.integers(0, 3)), min_size=1, max_size=4),
    masked=st.booleans(),
    case=st.sampled_from(CASES),
)
def test_batches_of_any_make(seed, images, masked, case):
    counts, negatives = zip(*images, strict=True)
    ours = leaves(make_embeddings(counts=counts, negatives=negatives, seed=seed, masked=masked, tokens=3))
    theirs = leaves(ours)
    name, given_settings = case
    loss, expected = build_objective(name, **given_settings)(ours).total, naive.loss(name, theirs, **given_settings)
    assert_close(loss, expected, rtol=1e-9, atol=1e-9)
    assert_gradients_close(gradients(loss, ours), gradients(expected, theirs), relative=0, absolute=1e-9)


@every_case
def test_numerical_gradients(name, given_settings):
    tiny = leaves(make_embeddings(counts=(1, 2), tokens=3, width=3, seed=3))
    built = build_objective(name, **given_settings)

    def loss(*values):
        return built(replace(tiny, **dict(zip(DIFFERENTIABLE, values, strict=True)))).total

    assert torch.autograd.gradcheck(loss, [getattr(tiny, field) for field in DIFFERENTIABLE])


@pytest.mark.parametrize("autocast", [None, torch.bfloat16, torch.float16])
@every_case
def test_single_precision_stays_close_also_under_autocast(name, given_settings, autocast):
    """With a logit scale of 100, where half-precision cosines would move the logits by 0.4."""
    single = leaves(make_embeddings(scale=100.0, bias=-10.0, width=16), torch.float32)
    exact = leaves(single, torch.float64)
    built = build_objective(name, **given_settings)
    expected = built(exact).total
    with torch.autocast("cpu", dtype=autocast, enabled=autocast is not None):
        loss = built(single).total
    assert loss.dtype == torch.float32
    assert_close(loss.double(), expected, rtol=1e-5, atol=1e-5)
    assert_gradients_close(gradients(loss, single), gradients(expected, exact), relative=1e-4, absolute=1e-6)


@pytest.mark.parametrize(("half", "error"), [(torch.bfloat16, 2**-8), (torch.float16, 2**-11)], ids=str)
@every_case
def test_half_precision_embeddings_give_a_single_precision_loss(name, given_settings, half, error):
    """What is lost by rounding the inputs is not the objective's; gradients come back rounded to the inputs' type."""
    rounded = leaves(make_embeddings(width=16), half)
    exact = leaves(rounded, torch.float64)
    built = build_objective(name, **given_settings)
    loss, expected = built(rounded).total, built(exact).total
    assert loss.dtype == torch.float32
    assert_close(loss.double(), expected, rtol=1e-5, atol=1e-5)
    # several roundings meet in one gradient: of each term's own, and of their sum
    assert_gradients_close(gradients(loss, rounded), gradients(expected, exact), relative=4 * error, absolute=error**2)


@pytest.mark.parametrize("scale", [1e4, 1e6])
@every_case
def test_large_logits_stay_finite(name, given_settings, scale):
    e = leaves(make_embeddings(scale=scale, bias=-scale / 10), torch.float32)
    loss = build_objective(name, **given_settings)(e).total
    assert loss.isfinite()
    assert all(gradient.isfinite().all() for gradient in gradients(loss, e).values())


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    counts=st.lists(st.integers(1, 8), min_size=1, max_size=6),
    masked=st.booleans(),
    case=st.sampled_from(CASES),
)
def test_the_order_of_images_concepts_negatives_and_tokens_does_not_matter(seed, counts, masked, case):
    e = make_embeddings(counts=tuple(counts), seed=seed, masked=masked)
    draw = torch.Generator().manual_seed(seed)
    sizes = len(counts), len(e.concepts), len(e.concept_index), e.image_tokens.shape[1]
    images, strings, concepts, tokens = (torch.randperm(n, generator=draw) for n in sizes)
    place = torch.argsort(images)  # where an image went
    hard = torch.argsort(place[e.negative_owner], stable=True)  # owners stay ascending
    shown = torch.argsort(torch.argsort(hard)[e.negative_image_text])
    moved = {name: getattr(e, name)[images] for name in ("image", "text", *CONSTANT[:2])}
    shuffled = replace(
        e,
        **moved,
        image_tokens=e.image_tokens[images][:, tokens],
        image_token_mask=e.image_token_mask[images][:, tokens] if masked else None,
        concepts=e.concepts[strings],
        concept_identity=e.concept_identity[strings],
        concept_index=torch.argsort(strings)[e.concept_index[concepts]],
        concept_owner=place[e.concept_owner[concepts]],
        negative_text=e.negative_text[hard],
        negative_owner=place[e.negative_owner[hard]],
        negative_image=e.negative_image[shown],
        negative_image_text=torch.argsort(hard)[e.negative_image_text[shown]],
    )
    built = build_objective(case[0], **case[1])
    assert_close(built(shuffled).total, built(e).total, rtol=1e-9, atol=1e-9)
