import numpy as np

from rebind.metrics import foil_outcomes


def test_foils_by_hand():
    images = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], dtype=np.float32)
    captions = np.array([[0.8, 0.6], [0.6, 0.8], [0.6, 0.8]], dtype=np.float32)
    foils = np.array([[0.6, 0.8], [0.8, 0.6], [-0.6, 0.8]], dtype=np.float32)
    outcomes = foil_outcomes(images, captions, foils)
    assert outcomes.correct.tolist() == [True, False, False]
    assert outcomes.tied.tolist() == [False, False, True]


def test_equal_embeddings_always_tie_whatever_their_place_and_width():
    rng = np.random.default_rng(0)
    for width in (3, 64, 129, 768):
        images = rng.normal(size=(37, width)).astype(np.float32)
        texts = rng.normal(size=(37, width)).astype(np.float32)
        # the same numbers elsewhere in memory
        outcomes = foil_outcomes(images, texts, np.concatenate([texts[:1], texts])[1:])
        assert outcomes.tied.all()
        assert not outcomes.correct.any()


def test_foils_agree_with_one_pair_at_a_time():
    rng = np.random.default_rng(1)
    images, captions, foils = rng.integers(-2, 3, size=(3, 200, 4)).astype(np.float32)
    outcomes = foil_outcomes(images, captions, foils)
    right = ties = 0
    for image, caption, foil in zip(images, captions, foils, strict=True):
        right += np.dot(image, caption) > np.dot(image, foil)
        ties += np.dot(image, caption) == np.dot(image, foil)
    assert (outcomes.correct.sum(), outcomes.tied.sum()) == (right, ties)
    assert ties > 0
