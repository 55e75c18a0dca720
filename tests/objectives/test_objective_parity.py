from dataclasses import asdict, replace

import naive
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import DIFFERENTIABLE, Weights, gradients, leaves, make_embeddings
from torch.testing import assert_close

from rebind.objectives import build_objective

C2LIP_SETTINGS = [
    Weights(),
    Weights(concept_weight=4.0, attention_weight=1.0, attention_scale=10.0, positives="string"),
    Weights(concept_weight=0.5, attention_weight=2.0, attention_scale=0.0, normalise_by="positives"),
    Weights(attention_weight=1.0, attention_scale=30.0, positives="string", normalise_by="positives"),
    Weights(concept_weight=0.0, attention_weight=1.0),
    Weights(concept_weight=1.0, attention_weight=0.0),
    Weights(concept_weight=0.0, attention_weight=0.0),
]
CASES = [("clip", None), ("siglip", None), *(("c2lip", weights) for weights in C2LIP_SETTINGS)]


def objective(name, weights):
    return build_objective(name, **(asdict(weights) if weights else {}))


def twin(name, weights, embeddings):
    return getattr(naive, name)(embeddings, *([weights] if weights else []))


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("name", "weights"), CASES)
def test_value_and_every_gradient_are_those_of_the_equations(name, weights, masked):
    ours, theirs = leaves(make_embeddings(masked=masked)), leaves(make_embeddings(masked=masked))
    loss, expected = objective(name, weights)(ours).total, twin(name, weights, theirs)
    assert_close(loss, expected, rtol=1e-10, atol=1e-10)
    actual, wanted = gradients(loss, ours), gradients(expected, theirs)
    for field in DIFFERENTIABLE:
        assert_close(
            actual[field], wanted[field], rtol=1e-10, atol=1e-10, msg=lambda text, field=field: f"{field}: {text}"
        )


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize(("name", "weights"), CASES[:5])
def test_single_precision_stays_close_also_under_autocast(name, weights, autocast):
    """With a logit scale of 100, where half-precision cosines would move the logits by 0.4."""
    exact = leaves(make_embeddings(scale=100.0, bias=-10.0, width=16))
    single = leaves(exact, torch.float32)
    expected = objective(name, weights)(exact).total
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        loss = objective(name, weights)(single).total
    assert loss.dtype == torch.float32
    assert_close(loss.double(), expected, rtol=1e-5, atol=1e-5)
    actual, wanted = gradients(loss, single), gradients(expected, exact)
    for field in DIFFERENTIABLE:
        bound = 1e-4 * float(wanted[field].abs().max()) + 1e-6
        assert_close(actual[field].double(), wanted[field], rtol=0, atol=bound)


@pytest.mark.parametrize(("name", "weights"), CASES)
def test_half_precision_embeddings_give_a_single_precision_loss(name, weights):
    half = leaves(make_embeddings(width=16), torch.bfloat16)
    rounded = leaves(half, torch.float64)  # what is lost by rounding the inputs is not the objective's
    loss, expected = objective(name, weights)(half).total, objective(name, weights)(rounded).total
    assert loss.dtype == torch.float32
    assert_close(loss.double(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("weights", C2LIP_SETTINGS)
def test_parts_of_c2lip_are_the_weighted_terms_and_sum_to_the_total(weights):
    embeddings = make_embeddings()
    terms, expected = objective("c2lip", weights)(embeddings), naive.c2lip_parts(embeddings, weights)
    for name, part in terms.parts.items():
        assert_close(part, expected.pop(name), rtol=1e-10, atol=1e-10)
    assert all(part == 0 for part in expected.values())  # what has no weight is left out
    assert_close(sum(terms.parts.values()), terms.total, rtol=1e-14, atol=0)


def test_names_of_the_parts():
    embeddings = make_embeddings()
    assert set(build_objective("c2lip")(embeddings).parts) == {"contrastive", "concept", "attention"}
    for name in ("clip", "siglip"):
        terms = build_objective(name)(embeddings)
        assert set(terms.parts) == {"contrastive"}
        assert terms.parts["contrastive"] == terms.total


@pytest.mark.parametrize("name", ["clip", "siglip"])
def test_pair_objectives_read_no_concepts(name):
    plain = replace(make_embeddings(), image_tokens=None, concepts=None, concept_owner=None, concept_identity=None)
    built = build_objective(name)
    assert built.needs == frozenset()
    assert built(plain).total == built(make_embeddings()).total


def test_clip_ignores_the_logit_bias():
    assert_close(
        build_objective("clip")(make_embeddings(bias=3.0)).total, build_objective("clip")(make_embeddings()).total
    )


@pytest.mark.parametrize(("name", "weights"), [CASES[0], CASES[1], CASES[3], CASES[5]])
def test_numerical_gradients(name, weights):
    tiny = leaves(make_embeddings(counts=(1, 2), tokens=3, width=3, seed=3))

    def loss(*values):
        return objective(name, weights)(replace(tiny, **dict(zip(DIFFERENTIABLE, values, strict=True)))).total

    assert torch.autograd.gradcheck(loss, [getattr(tiny, field) for field in DIFFERENTIABLE])


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    counts=st.lists(st.integers(1, 8), min_size=1, max_size=6),
    masked=st.booleans(),
    weights=st.sampled_from(C2LIP_SETTINGS),
)
def test_the_order_of_images_concepts_and_tokens_does_not_matter(seed, counts, masked, weights):
    e = make_embeddings(counts=tuple(counts), seed=seed, masked=masked)
    draw = torch.Generator().manual_seed(seed)
    images, concepts, tokens = (
        torch.randperm(n, generator=draw) for n in (len(counts), sum(counts), e.image_tokens.shape[1])
    )
    place = torch.argsort(images)  # where an image went
    shuffled = replace(
        e,
        image=e.image[images],
        text=e.text[images],
        image_tokens=e.image_tokens[images][:, tokens],
        image_token_mask=e.image_token_mask[images][:, tokens] if masked else None,
        concepts=e.concepts[concepts],
        concept_owner=place[e.concept_owner[concepts]],
        concept_identity=1_000 - e.concept_identity[concepts],  # only equality counts
    )
    for name, given_weights in (("clip", None), ("siglip", None), ("c2lip", weights)):
        built = objective(name, given_weights)
        assert_close(built(shuffled).total, built(e).total, rtol=1e-9, atol=1e-9)


def test_a_shared_string_is_a_positive_of_every_image_that_says_it():
    """Two images of the same red cup: only ``string`` rewards both for it."""
    e = make_embeddings(counts=(1, 1))
    same = replace(
        e,
        image=e.concepts[[0, 0]],
        concepts=e.concepts[[0, 0]],
        concept_owner=torch.tensor([0, 1]),
        concept_identity=torch.tensor([7, 7]),
    )
    by_owner = build_objective("c2lip", attention_weight=0.0)(same).parts["concept"]
    by_string = build_objective("c2lip", attention_weight=0.0, positives="string")(same).parts["concept"]
    logit = torch.tensor(4.0 - 1.5, dtype=torch.float64)
    negative, positive = torch.nn.functional.softplus(logit), torch.nn.functional.softplus(-logit)
    assert_close(by_owner, (2 * negative + 2 * positive) / 2)
    assert_close(by_string, 4 * positive / 2)
