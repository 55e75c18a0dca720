import numpy as np

from rebind.metrics import class_embeddings, top1_outcomes


def test_prompt_ensemble_is_the_normalised_mean():
    prompts = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8], [0.0, -1.0]])
    classes = class_embeddings(prompts, np.array([0, 0, 1, 2]))
    assert np.allclose(classes, [[0.5**0.5, 0.5**0.5], [0.6, 0.8], [0.0, -1.0]])


def test_prompts_that_cancel_give_zero_rather_than_nan():
    assert class_embeddings(np.array([[1.0, 0.0], [-1.0, 0.0]]), np.array([0, 0])).tolist() == [[0.0, 0.0]]


def test_top1_agrees_with_a_plain_loop_and_counts_ties_as_wrong():
    rng = np.random.default_rng(0)
    images = rng.integers(-2, 3, size=(300, 3)).astype(np.float64)
    classes = rng.integers(-2, 3, size=(6, 3)).astype(np.float64)
    labels = rng.integers(0, 6, size=300)
    outcomes = top1_outcomes(images, classes, labels)
    for i in range(300):
        scores = [float(images[i] @ each) for each in classes]
        rivals = scores[: labels[i]] + scores[labels[i] + 1 :]
        assert outcomes.correct[i] == (scores[labels[i]] > max(rivals))
        assert outcomes.tied[i] == (scores[labels[i]] == max(rivals))
    assert outcomes.tied.any()


def test_two_equal_classes_can_never_be_told_apart():
    rng = np.random.default_rng(1)
    classes = rng.normal(size=(5, 33))
    classes[3] = classes[0]
    outcomes = top1_outcomes(np.repeat(classes[:1], 7, axis=0), classes, np.zeros(7, dtype=int))
    assert outcomes.tied.all()
    assert not outcomes.correct.any()
