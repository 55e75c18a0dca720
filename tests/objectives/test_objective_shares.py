"""The shares of all processes sum to the loss of the global batch, value and gradients, for every objective."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import CASES, DIFFERENTIABLE, gradients, leaves, make_embeddings, share
from torch.testing import assert_close

from rebind.objectives import build_objective, objective_names
from rebind.objectives.needs import NEEDS

#: Also those that nobody has thought of yet.
ALL = [*((name, {}) for name in objective_names() if (name, {}) not in CASES), *CASES]
SPLITS = [(0, 4), (0, 1, 4), (0, 1, 2, 4), (0, 2, 2, 4), (0, 0, 4, 4)]


def assert_served(built, e):
    for need in built.needs:
        assert need in NEEDS, f"{need!r} is no need that batches know; they know {', '.join(NEEDS)}"
        missing = [field for field in NEEDS[need] if getattr(e, field) is None]
        assert not missing, f"teach make_embeddings in naive.py to make {', '.join(missing)}"


def assert_shares_sum_to_the_whole(built, e, bounds):
    assert_served(built, e)
    whole = built(e)
    shares = [built(share(e, first, end)) for first, end in pairwise(bounds)]
    assert_close(sum(each.total for each in shares), whole.total, rtol=1e-10, atol=1e-10)
    assert all(each.parts.keys() == whole.parts.keys() for each in shares)
    assert all(each.total.requires_grad for each in shares)  # a process without images still takes part in backward
    for name, part in whole.parts.items():
        assert_close(sum(each.parts[name] for each in shares), part, rtol=1e-10, atol=1e-10)
    each_gradient, wanted = [gradients(each.total, e) for each in shares], gradients(whole.total, e)
    for field in DIFFERENTIABLE:
        assert_close(sum(gradient[field] for gradient in each_gradient), wanted[field], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("bounds", SPLITS, ids=str)
@pytest.mark.parametrize(("name", "given_settings"), ALL, ids=str)
def test_shares_sum_to_the_whole(name, given_settings, bounds):
    """One image with one concept, another with eight, one without negatives; and shares without any image."""
    assert_shares_sum_to_the_whole(build_objective(name, **given_settings), leaves(make_embeddings()), bounds)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    images=st.lists(st.tuples(st.integers(1, 8), st.integers(0, 3)), min_size=1, max_size=7),
    cuts=st.lists(st.floats(0, 1), max_size=3),
    masked=st.booleans(),
    case=st.sampled_from(ALL),
)
def test_any_split_of_any_batch(seed, images, cuts, masked, case):
    counts, negatives = zip(*images, strict=True)
    e = leaves(make_embeddings(counts=counts, negatives=negatives, seed=seed, masked=masked))
    bounds = (0, *sorted(round(cut * len(images)) for cut in cuts), len(images))
    assert_shares_sum_to_the_whole(build_objective(case[0], **case[1]), e, bounds)


@pytest.mark.parametrize(("name", "given_settings"), ALL, ids=str)
def test_parts_sum_to_the_total(name, given_settings):
    terms = build_objective(name, **given_settings)(share(make_embeddings(), 1, 3))
    assert_close(sum(terms.parts.values()), terms.total, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(("name", "given_settings"), ALL, ids=str)
def test_only_what_is_needed_is_read_and_what_is_missing_is_named(name, given_settings):
    built, e = build_objective(name, **given_settings), make_embeddings()
    unread = {field: None for need, fields in NEEDS.items() if need not in built.needs for field in fields}
    assert built(replace(e, **unread)).total == built(e).total
    for need in built.needs:
        with pytest.raises(AssertionError, match=f"the batch was encoded without {need}: .*{NEEDS[need][0]}.* is None"):
            built(replace(e, **dict.fromkeys(NEEDS[need])))


@pytest.mark.parametrize("form", ["softmax", "sigmoid"])
def test_a_share_answers_for_the_pictures_of_its_own_images(form):
    """And an image without negatives adds nothing to the second term."""
    e = leaves(make_embeddings(negatives=(2, 0, 3, 1)))
    owner, built = e.negative_owner[e.negative_image_text], build_objective("tripletclip", form=form)
    for i in range(4):
        part = built(share(e, i, i + 1)).parts["negative_pair"]
        read = gradients(part, e)["negative_image"].any(dim=1)
        assert (part != 0) == read.any() == (owner == i).any()
        if form == "sigmoid":  # by softmax, an own caption also refuses the pictures of others
            assert torch.equal(read, owner == i)


def test_pair_and_concept_work_is_that_of_the_own_rows():
    """Three shares do no more matrix multiplications than the whole."""
    e = make_embeddings(counts=(3,) * 12, width=8)

    def multiplications(built, *given):
        with torch.profiler.profile(with_flops=True) as profile:
            for each in given:
                built(each)
        return sum(event.flops for event in profile.key_averages())

    for name, given_settings in CASES:
        built = build_objective(name, **given_settings)
        shares = [share(e, first, first + 4) for first in (0, 4, 8)]
        assert multiplications(built, *shares) <= 1.01 * multiplications(built, e), name
