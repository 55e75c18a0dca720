import numpy as np
import pytest

from rebind.metrics import class_embeddings, class_ranks, per_class_interval, per_class_weights, recall_at


def test_prompt_ensemble_is_the_normalised_mean():
    prompts = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8], [0.0, -1.0]])
    classes = class_embeddings(prompts, np.array([0, 0, 1, 2]))
    assert np.allclose(classes, [[0.5**0.5, 0.5**0.5], [0.6, 0.8], [0.0, -1.0]])


def test_prompts_that_cancel_give_zero_rather_than_nan():
    assert class_embeddings(np.array([[1.0, 0.0], [-1.0, 0.0]]), np.array([0, 0])).tolist() == [[0.0, 0.0]]


def test_top_k_agrees_with_a_plain_loop_and_counts_ties_as_wrong():
    rng = np.random.default_rng(0)
    images = rng.integers(-2, 3, size=(300, 3)).astype(np.float64)
    classes = rng.integers(-2, 3, size=(9, 3)).astype(np.float64)
    labels = rng.integers(0, 9, size=300)
    ranks = class_ranks(images, classes, labels)
    for k in (1, 5):
        outcomes = recall_at(k, ranks)
        for i in range(300):
            scores = [float(images[i] @ each) for each in classes]
            right = scores.pop(labels[i])
            at_least, above = sum(each >= right for each in scores), sum(each > right for each in scores)
            assert outcomes.correct[i] == (at_least < k)
            assert outcomes.tied[i] == (above < k <= at_least)
        assert outcomes.tied.any()


def test_two_equal_classes_can_never_be_told_apart():
    rng = np.random.default_rng(1)
    classes = rng.normal(size=(5, 33))
    classes[3] = classes[0]
    outcomes = recall_at(1, class_ranks(np.repeat(classes[:1], 7, axis=0), classes, np.zeros(7, dtype=int)))
    assert outcomes.tied.all()
    assert not outcomes.correct.any()


def test_per_class_weights_make_classes_weigh_alike():
    labels = np.array([4, 4, 4, 9, 1, 1])
    correct = np.array([True, False, True, True, False, False])
    assert (correct * per_class_weights(labels)).mean() == pytest.approx((2 / 3 + 1 + 0) / 3)


def test_per_class_interval_is_that_of_images_resampled_within_their_class():
    rng = np.random.default_rng(2)
    labels = np.repeat([0, 1, 2], [5, 30, 200])
    correct = rng.random(235) < np.array([0.4, 0.7, 0.9])[labels]
    means = []
    for _ in range(4000):
        drawn = [rng.choice(correct[labels == each], size=(labels == each).sum()) for each in range(3)]
        means.append(np.mean([each.mean() for each in drawn]))
    low, high = per_class_interval(correct, labels)
    assert (low, high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])), abs=0.02)
    assert per_class_interval(correct, labels) == (low, high)
    assert per_class_interval(np.ones(235, dtype=bool), labels) == (1, 1)
