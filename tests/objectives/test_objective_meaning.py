"""What the objectives mean where their equations leave a choice: nothing there, things said twice, sums."""

from dataclasses import replace

import naive
import pytest
import torch
from naive import gradients, leaves, make_embeddings
from torch.testing import assert_close

from rebind.objectives import build_objective, objective_title
from rebind.types import UserError

NAMES_OF_PARTS = {
    "clip": {"contrastive"},
    "siglip": {"contrastive"},
    "negclip": {"contrastive"},
    "tripletclip": {"contrastive", "negative_pair"},
    "c2lip": {"contrastive", "concept", "attention"},
    "distillation": {"distillation"},
}


@pytest.mark.parametrize("name", NAMES_OF_PARTS)
def test_names_of_the_parts(name):
    assert set(build_objective(name)(make_embeddings()).parts) == NAMES_OF_PARTS[name]


@pytest.mark.parametrize(
    ("name", "given_settings"), [case for case in naive.CASES if case[0] in ["c2lip", "tripletclip"]], ids=str
)
def test_parts_are_the_weighted_terms_and_those_of_no_weight_are_left_out(name, given_settings):
    e = make_embeddings()
    expected = getattr(naive, f"{name}_parts")(e, **given_settings)
    for part, loss in build_objective(name, **given_settings)(e).parts.items():
        assert_close(loss, expected.pop(part), rtol=1e-10, atol=1e-10)
    assert all(loss == 0 for loss in expected.values())


def test_clip_ignores_the_logit_bias():
    for name in ("clip", "negclip", "tripletclip", "distillation"):
        built = build_objective(name)
        assert_close(built(make_embeddings(bias=3.0)).total, built(make_embeddings()).total)


@pytest.mark.parametrize(("form", "plain"), [("softmax", "clip"), ("sigmoid", "siglip")])
def test_without_any_negatives_it_is_the_plain_objective(form, plain):
    e = leaves(make_embeddings(negatives=(0,)))
    assert e.negative_text.shape == (0, 6)
    expected = build_objective(plain)(e).total
    for name in ("negclip", "tripletclip"):
        loss = build_objective(name, form=form)(e).total
        assert_close(loss, expected, rtol=1e-14, atol=0)
        assert_close(gradients(loss, e), gradients(expected, e), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("form", ["softmax", "sigmoid"])
def test_without_pictures_tripletclip_is_negclip(form):
    whole = make_embeddings()
    e = leaves(replace(whole, negative_image=whole.negative_image[:0], negative_image_text=torch.tensor([]).long()))
    loss, expected = build_objective("tripletclip", form=form)(e).total, build_objective("negclip", form=form)(e).total
    assert_close(loss, expected, rtol=1e-14, atol=0)
    assert_close(gradients(loss, e), gradients(expected, e), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("form", ["softmax", "sigmoid"])
def test_with_one_pictured_negative_an_image_the_roles_of_tripletclip_can_be_swapped(form):
    """The paper's case, where L(v, t, v′, t′) is symmetric."""
    e = make_embeddings(negatives=(1,))
    e = replace(e, negative_image=torch.nn.functional.normalize(e.image + 0.5 * e.text, dim=-1))
    e = replace(e, negative_image_text=torch.arange(4))
    swapped = replace(e, image=e.negative_image, text=e.negative_text, negative_image=e.image, negative_text=e.text)
    built = build_objective("tripletclip", form=form)
    assert_close(built(swapped).total, built(e).total, rtol=1e-12, atol=0)
    assert_close(built(swapped).parts["contrastive"], built(e).parts["negative_pair"], rtol=1e-12, atol=0)


@pytest.mark.parametrize("form", ["softmax", "sigmoid"])
def test_a_hard_negative_pushes_only_through_what_sees_it(form):
    e = leaves(make_embeddings())
    pushed = gradients(build_objective("negclip", form=form)(e).total, e)
    assert (pushed["negative_text"].norm(dim=1) > 0).all()
    assert not pushed["negative_image"].any()


def test_a_shared_string_is_a_positive_of_every_image_that_says_it():
    """Two images of the same red cup: only ``string`` rewards both for it."""
    e = make_embeddings(counts=(1, 1))
    same = replace(
        e,
        image=e.concepts[[0, 0]],
        concepts=e.concepts[:1],
        concept_identity=torch.tensor([7]),
        concept_index=torch.tensor([0, 0]),
        concept_owner=torch.tensor([0, 1]),
    )
    by_owner = build_objective("c2lip", attention_weight=0.0)(same).parts["concept"]
    by_string = build_objective("c2lip", attention_weight=0.0, positives="string")(same).parts["concept"]
    logit = torch.tensor(4.0 - 1.5, dtype=torch.float64)
    negative, positive = torch.nn.functional.softplus(logit), torch.nn.functional.softplus(-logit)
    assert_close(by_owner, (2 * negative + 2 * positive) / 2)
    assert_close(by_string, 4 * positive / 2)


def test_encoding_each_string_once_changes_nothing():
    e = leaves(make_embeddings(counts=(5, 8, 6), seed=4))
    assert len(e.concepts) < len(e.concept_index)
    each = replace(e, concepts=e.concepts[e.concept_index], concept_index=torch.arange(len(e.concept_index)))
    for normalise_by in ("concepts", "positives"):
        built = build_objective("c2lip", attention_weight=1.0, normalise_by=normalise_by)
        once, again = built(e).total, built(each).total
        assert_close(once, again, rtol=1e-12, atol=0)
        assert_close(gradients(once, e), gradients(again, e), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("positives", ["owner", "string"])
def test_a_concept_that_one_image_says_twice_counts_twice(positives):
    e = make_embeddings(counts=(2, 1))
    e = replace(e, concept_index=torch.tensor([0, 0, 1]), concept_owner=torch.tensor([0, 0, 1]))
    e = replace(e, concepts=make_embeddings().concepts[:2], concept_identity=torch.tensor([3, 9]))
    for normalise_by in ("concepts", "positives"):
        given = {"positives": positives, "normalise_by": normalise_by, "attention_weight": 1.0}
        assert_close(build_objective("c2lip", **given)(e).total, naive.c2lip(e, **given), rtol=1e-12, atol=0)


def test_a_sum_is_the_weighted_sum():
    weights = {"c2lip": 1.0, "tripletclip": 0.5, "siglip": 0}
    given = {"tripletclip": {"form": "sigmoid"}}
    e = make_embeddings()
    summed, c2lip = build_objective(weights, **given), build_objective("c2lip")
    triplet = build_objective("tripletclip", form="sigmoid")
    assert summed.needs == c2lip.needs | triplet.needs
    terms = summed(e)
    assert_close(terms.total, c2lip(e).total + 0.5 * triplet(e).total, rtol=1e-14, atol=0)
    assert list(terms.parts) == [
        "c2lip.contrastive",
        "c2lip.concept",
        "c2lip.attention",
        "tripletclip.contrastive",
        "tripletclip.negative_pair",
    ]
    assert_close(terms.parts["tripletclip.negative_pair"], 0.5 * triplet(e).parts["negative_pair"])


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("c2lip", "c2lip"),
        ({"c2lip": 1.0}, "c2lip"),
        ({"c2lip": 1, "tripletclip": 0.5, "clip": 0.0}, "c2lip + 0.5 tripletclip"),
        ({"clip": 2, "distillation": 10.0}, "2 clip + 10 distillation"),
    ],
)
def test_title(name, title):
    assert objective_title(name) == title


@pytest.mark.parametrize("match", ["similarities", "embeddings"])
def test_distillation_is_at_rest_at_the_reference(match):
    e = make_embeddings()
    same = {"reference_image": e.image, "reference_text": e.text, "reference_logit_scale": e.logit_scale}
    e = leaves(replace(e, **same))
    loss = build_objective("distillation", match=match)(e).total
    assert_close(loss, torch.zeros_like(loss), rtol=0, atol=1e-14)
    pull = gradients(loss, e)["image"]
    along = (pull * e.image).sum(dim=1, keepdim=True) * e.image  # normalising the embeddings takes this away
    assert_close(pull, along, rtol=0, atol=1e-14)


def test_distillation_from_another_width():
    e, wider = make_embeddings(), make_embeddings(width=9, seed=1)
    e = leaves(replace(e, reference_image=wider.image, reference_text=wider.text))
    assert_close(build_objective("distillation")(e).total, naive.distillation(e), rtol=1e-12, atol=0)
    with pytest.raises(
        UserError, match=r"distillation: match 'embeddings' .* widths, not 9 of the reference and 6 of the model"
    ):
        build_objective("distillation", match="embeddings")(e)
