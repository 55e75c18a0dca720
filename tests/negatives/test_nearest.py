import numpy as np
import pytest
import torch

from rebind.negatives import neighbours
from rebind.negatives.neighbours import nearest


def naive(embeddings, count):
    """Sort all cosines, in float64."""
    unit = embeddings.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    cosine = unit @ unit.T
    np.fill_diagonal(cosine, -2)
    return np.argsort(-cosine, axis=1)[:, :count], -np.sort(-cosine, axis=1)[:, :count]


@pytest.mark.parametrize("chunk", [1, 7, 32, 100, 1000])
def test_nearest_is_what_sorting_all_cosines_gives(chunk):
    embeddings = np.random.default_rng(3).normal(size=(100, 6)) * np.tile([[1.0], [3.0]], (50, 1))
    embeddings = embeddings.astype(np.float32)
    expected, cosines = naive(embeddings, 9)
    assert np.diff(-cosines, axis=1).min() > 1e-6, "the order is no matter of rounding"
    found = nearest(embeddings, 8, chunk)
    assert found.dtype == np.int64
    assert np.array_equal(found, expected[:, :8])
    assert np.array_equal(nearest(torch.from_numpy(embeddings).requires_grad_(), 8, chunk), found)


@pytest.mark.parametrize("chunk", [2, 100])
def test_the_same_thing_twice_is_no_neighbour_of_itself(chunk):
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(12, 16)).astype(np.float32)
    embeddings[[3, 7]] = 2 * embeddings[1] + rng.normal(size=16).astype(np.float32) * 1e-7
    found = nearest(embeddings, 11, chunk)
    same = {1, 3, 7}
    for row in range(12):
        listed = [other for other in found[row].tolist() if other >= 0]
        assert set(listed) == set(range(12)) - (same if row in same else {row})
        assert found[row].tolist() == listed + [-1] * (11 - len(listed))


def test_nothing_is_its_own_neighbour_however_products_round(monkeypatch):
    monkeypatch.setattr(neighbours, "SAME", 2.0)
    found = nearest(np.random.default_rng(0).normal(size=(9, 4)), 8, chunk=4)
    assert all(sorted([row, *others]) == list(range(9)) for row, others in enumerate(found.tolist()))


def test_fewer_others_than_wanted():
    assert nearest(np.eye(3, dtype=np.float32)[:1], 2).tolist() == [[-1, -1]]
    found = nearest(np.array([[1, 0], [0, 1]], dtype=np.float32), 3)
    assert found.tolist() == [[1, -1, -1], [0, -1, -1]]
    assert nearest(np.empty((0, 4), dtype=np.float32), 3).shape == (0, 3)


@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf])
def test_what_has_no_direction_has_no_neighbours(bad):
    embeddings = np.ones((3, 2), dtype=np.float32)
    embeddings[1] = bad
    with pytest.raises(ValueError, match="zero or not finite"):
        nearest(embeddings, 1)


@pytest.mark.parametrize("chunk", [3, 100])
def test_duplicates_and_members_of_a_group_are_left_out(chunk):
    rng = np.random.default_rng(1)
    embeddings = rng.normal(size=(40, 3)).astype(np.float32)
    groups = rng.integers(6, size=40)
    order, cosine = naive(embeddings, 39)
    found = nearest(embeddings, 5, chunk, duplicates_above=0.9, groups=groups)
    for row in range(40):
        kept = [
            other
            for other, value in zip(order[row].tolist(), cosine[row].tolist(), strict=True)
            if value <= 0.9 and groups[other] != groups[row]
        ]
        assert found[row].tolist() == (kept + [-1] * 5)[:5]
    some = np.array([31, 2, 7])
    asked = nearest(embeddings, 5, chunk, duplicates_above=0.9, groups=groups, rows=some)
    assert np.array_equal(asked, found[some])
