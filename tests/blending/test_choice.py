"""Which alphas are read, and which of them is kept."""

import pytest

from rebind.blending import Point, choose, parse_alphas
from rebind.blending.alphas import folder_name
from rebind.forgetting import Change, Forgetting
from rebind.types import UserError


def point(alpha, composition, loss, half=0.002):
    """Composition as a share; recognition's loss against a base of 0.8, with half its interval."""
    group = Change("composition", "", "mean", 0.5, composition, -0.1, 0.1, 0, True)
    half = half if alpha else 0.0
    kept = Change("recognition", "photos", "top-1", 0.8, 0.8 - loss, -loss - half, -loss + half, 0, True)
    easy = Change("recognition", "others", "R@1", 0.8, 0.8 + 9 * loss, 0, 18 * loss, 0, True)
    mean = Change("recognition", "", "mean", 0.8, 0.8 + 4 * loss, 0, 8 * loss, 0, True)  # hides the loss
    return Point(alpha, Forgetting((), group, mean, (easy, kept)))


CURVE = [
    point(0, 0.5, 0),
    point(0.25, 0.6, 0.002),
    point(0.5, 0.65, 0.007),
    point(0.75, 0.7, 0.009),
    point(1, 0.8, 0.03),
]


def test_the_most_composition_whose_loss_is_surely_small_is_kept():
    choice = choose(CURVE, 1.0)
    assert choice.point.alpha == 0.5  # at 0.75 the loss is 0.9 points, but may be 1.1
    assert "composition +15.0 points against the base" in choice.why
    assert "the one that changes worst, photos · top-1, changes by −0.7 points (95 % −0.9 to −0.5)" in choice.why
    assert "by the estimates alone it would be alpha 0.75 (composition +20.0, photos · top-1 −0.9 points)" in choice.why
    assert choose(CURVE, 1.2).point.alpha == 0.75
    assert choose(CURVE, 5.0).point.alpha == 1
    assert "by the estimates" not in choose(CURVE, 5.0).why


def test_nothing_sure_leaves_the_base_and_says_what_might_do():
    choice = choose([point(0, 0.5, 0), point(0.5, 0.7, 0.001, half=0.05)], 1.0)
    assert choice.point.alpha == 0
    assert choice.why.startswith("alpha 0, the base itself: there is no other at which it is sure that no task")
    assert "it would be alpha 0.5" in choice.why


def test_tuning_that_binds_no_better_leaves_the_base():
    choice = choose([point(0, 0.5, 0), point(0.5, 0.4, 0), point(1, 0.5, 0)], 1.0)
    assert choice.point.alpha == 0
    assert "composition is best there" in choice.why


def test_of_equal_points_the_one_nearest_to_the_base_is_kept():
    assert choose([point(0, 0.5, 0), point(0.5, 0.6, 0), point(1, 0.6, 0)], 1.0).point.alpha == 0.5


def test_alphas_are_a_range_or_a_list_and_the_base_is_among_them():
    assert parse_alphas("0:1:0.1") == (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    assert parse_alphas("0.2:0.5:0.1") == (0.0, 0.2, 0.3, 0.4, 0.5)
    assert parse_alphas("0.7, 0.3") == (0.0, 0.3, 0.7)
    assert parse_alphas("1") == (0.0, 1.0)
    assert [folder_name(alpha) for alpha in (0, 0.3, 0.125)] == ["alpha-0.00", "alpha-0.30", "alpha-0.125"]


@pytest.mark.parametrize("text", ["", "x", "0:1", "0:1:0", "1:0:0.1", "0:2:0.5", "-0.1", "0:1:0.1,3", "nan", "0:1:nan"])
def test_other_alphas_are_refused(text):
    with pytest.raises(UserError, match=r"alpha is .*; write FIRST:LAST:STEP"):
        parse_alphas(text)


def test_too_many_alphas_are_refused():
    with pytest.raises(UserError, match="1001 points; at most 101"):
        parse_alphas("0:1:0.001")
