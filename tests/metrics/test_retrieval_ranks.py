import numpy as np
import pytest

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
