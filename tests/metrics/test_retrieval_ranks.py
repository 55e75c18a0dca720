import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rebind.metrics import image_to_text_ranks, recall_at, text_to_image_ranks
from rebind.metrics import retrieval as retrieval_module


def embeddings_with_ties(seed: int, images: int = 23, texts: int = 60):
    """Small integers, so that similarities are exact and tie often."""
    rng = np.random.default_rng(seed)
    owner = np.concatenate([np.arange(images), rng.integers(0, images, size=texts - images)])
    values = rng.integers(-2, 3, size=(images + texts, 3)).astype(np.float32)
    return values[:images], values[images:], rng.permutation(owner)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("block", [5, 256])
def test_ranks_agree_with_plain_loops(seed, block, monkeypatch):
    monkeypatch.setattr(retrieval_module, "QUERIES_AT_ONCE", block)
    monkeypatch.setattr(retrieval_module, "CANDIDATES_AT_ONCE", block + 2)
    images, texts, owner = embeddings_with_ties(seed)
    similarity = images @ texts.T

    text_rank, text_before = [], []
    for t in range(len(texts)):
        right = similarity[owner[t], t]
        others = [similarity[i, t] for i in range(len(images)) if i != owner[t]]
        text_before.append(1 + sum(o > right for o in others))
        text_rank.append(1 + sum(o >= right for o in others))
    ranks = text_to_image_ranks(images, texts, owner)
    assert ranks.rank.tolist() == text_rank
    assert ranks.before_ties.tolist() == text_before
    assert text_rank != text_before

    image_rank, image_before = [], []
    for i in range(len(images)):
        right = max(similarity[i, t] for t in range(len(texts)) if owner[t] == i)
        others = [similarity[i, t] for t in range(len(texts)) if owner[t] != i]
        image_before.append(1 + sum(o > right for o in others))
        image_rank.append(1 + sum(o >= right for o in others))
    ranks = image_to_text_ranks(images, texts, owner)
    assert ranks.rank.tolist() == image_rank
    assert ranks.before_ties.tolist() == image_before


def test_recall_by_hand_with_two_captions_an_image():
    images = np.eye(3, dtype=np.float32)
    texts = np.array(
        [[1, 0, 0], [0, 1, 0], [0, 0.9, 0.1], [0, 0.2, 0.1], [0.1, 0, 0.8], [0.5, 0, 0.5]], dtype=np.float32
    )
    owner = np.array([0, 0, 1, 1, 2, 2])
    # Image 0 finds its first caption; image 1 prefers text 1, which is image 0's; image 2 finds text 4.
    assert image_to_text_ranks(images, texts, owner).rank.tolist() == [1, 2, 1]
    # Text 1 lies on image 1; text 5 lies between images 0 and 2: a tie, counted against.
    ranks = text_to_image_ranks(images, texts, owner)
    assert ranks.rank.tolist() == [1, 3, 1, 1, 1, 2]
    assert ranks.before_ties.tolist() == [1, 2, 1, 1, 1, 1]
    at1, at2 = recall_at(1, ranks), recall_at(2, ranks)
    assert at1.correct.tolist() == [True, False, True, True, True, False]
    assert at1.tied.tolist() == [False, False, False, False, False, True]
    assert at2.tied.tolist() == [False, True, False, False, False, False]


def test_duplicated_candidates_tie_exactly():
    rng = np.random.default_rng(5)
    images = rng.normal(size=(40, 67)).astype(np.float32)
    images = np.concatenate([images, images])
    texts = rng.normal(size=(80, 67)).astype(np.float32)
    ranks = text_to_image_ranks(images, texts, np.arange(80))
    assert np.array_equal(ranks.rank, ranks.before_ties + 1)
    assert recall_at(1, ranks).correct.sum() == 0
    assert recall_at(1, ranks).tied.sum() == (ranks.before_ties == 1).sum() > 0


def dense_ranks(images, texts, owner):
    """The whole matrix in float64, and masks: what the tiles stand for."""
    similarity = np.array([[float((image.astype(np.float64) * text).sum()) for text in texts] for image in images])
    own = np.arange(len(images))[:, None] == owner
    best = np.where(own, similarity, -np.inf).max(axis=1, keepdims=True)
    right = similarity[owner, np.arange(len(texts))]
    image_greater = (~own & (similarity > best)).sum(axis=1)
    image_ties = (~own & (similarity == best)).sum(axis=1)
    text_greater = (~own & (similarity > right)).sum(axis=0)
    text_ties = (~own & (similarity == right)).sum(axis=0)
    return (1 + image_greater, 1 + image_greater + image_ties), (1 + text_greater, 1 + text_greater + text_ties)


def assert_dense(images, texts, owner):
    expected = dense_ranks(images, texts, owner)
    for function, (before, rank) in zip((image_to_text_ranks, text_to_image_ranks), expected, strict=True):
        ranks = function(images, texts, owner)
        assert ranks.before_ties.tolist() == before.tolist()
        assert ranks.rank.tolist() == rank.tolist()


@st.composite
def crowded_embeddings(draw):
    """Unit vectors of which some repeat exactly and some differ by one rounding, in tiles of odd sizes."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    images, more, width = draw(st.integers(1, 12)), draw(st.integers(0, 20)), draw(st.sampled_from([1, 3, 32, 67]))
    kinds = rng.normal(size=(draw(st.integers(1, 8)), width)).astype(np.float32)
    kinds /= np.linalg.norm(kinds, axis=1, keepdims=True)
    rows = kinds[rng.integers(0, len(kinds), size=2 * images + more)]
    nudged = rng.random(len(rows)) < draw(st.sampled_from([0.0, 0.3, 1.0]))
    rows[nudged, 0] = np.nextafter(rows[nudged, 0], np.float32(2))
    owner = rng.permutation(np.concatenate([np.arange(images), rng.integers(0, images, size=more)]))
    tiles = draw(
        st.tuples(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 64, 1 << 22]), st.sampled_from([0, 0.5, 1]))
    )
    return rows[:images], rows[images:], owner, tiles


@settings(max_examples=150, deadline=None)
@given(crowded_embeddings())
def test_tiles_of_any_size_give_the_ranks_of_the_dense_matrix(case):
    images, texts, owner, tiles = case
    with pytest.MonkeyPatch.context() as patch:
        for name, size in zip(
            ("QUERIES_AT_ONCE", "CANDIDATES_AT_ONCE", "NUMBERS_AT_ONCE", "MOST_NEAR"), tiles, strict=True
        ):
            patch.setattr(retrieval_module, name, size)
        assert_dense(images, texts, owner)


def test_nearly_one_embedding_for_all_is_ranked_by_what_is_left():
    rng = np.random.default_rng(7)
    images = (rng.normal(size=(1, 64)) + 1e-6 * rng.normal(size=(50, 64))).astype(np.float32)
    texts = np.repeat(images, 2, axis=0)
    texts[:, 0] += rng.choice([0, 1e-6], size=100).astype(np.float32)
    assert_dense(images, texts, np.repeat(np.arange(50), 2))


def test_one_embedding_for_every_image_ties_with_all_of_them():
    rng = np.random.default_rng(8)
    images = np.repeat(rng.normal(size=(1, 16)).astype(np.float32), 30, axis=0)
    texts = rng.normal(size=(60, 16)).astype(np.float32)
    ranks = text_to_image_ranks(images, texts, np.repeat(np.arange(30), 2))
    assert set(ranks.rank) == {30}
    assert set(ranks.before_ties) == {1}
    assert_dense(images, texts, np.repeat(np.arange(30), 2))


def test_no_matrix_of_all_similarities_is_made():
    import tracemalloc

    rng = np.random.default_rng(9)
    images = rng.normal(size=(6_000, 2)).astype(np.float32)
    texts = rng.normal(size=(12_000, 2)).astype(np.float32)
    owner = np.arange(12_000) % 6_000
    tracemalloc.start()
    try:
        text_to_image_ranks(images, texts, owner)
        image_to_text_ranks(images, texts, owner)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 6_000 * 12_000 * 4 / 4  # a quarter of the matrix in float32; it does not grow with the matrix
