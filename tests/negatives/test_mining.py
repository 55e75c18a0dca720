import sys

import numpy as np
import pytest
import torch

from rebind.negatives import mining
from rebind.negatives.mining import METHODS, Mining, mine, recall_of
from rebind.negatives.neighbours import nearest
from rebind.types import UserError


def clustered(count=4000, width=16, clusters=50, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(clusters, width))
    return (centres[rng.integers(clusters, size=count)] + 0.5 * rng.normal(size=(count, width))).astype(np.float32)


def test_an_index_finds_what_comparing_all_pairs_finds():
    embeddings = clustered() * np.random.default_rng(1).uniform(0.5, 2, size=(4000, 1)).astype(np.float32)
    mined = mine(embeddings, Mining(count=6, method="faiss"))
    exact = nearest(embeddings, 6)
    assert mined.rows.dtype == np.int64
    assert recall_of(mined.rows, exact) >= 0.95
    assert mined.made_by["recall"] == pytest.approx(recall_of(mined.rows, exact), abs=0.03)
    assert 0 < mined.made_by["probes"] <= mined.made_by["lists"] == 4000 // 64
    first = mined.rows[:, 0] == exact[:, 0]
    assert first.mean() > 0.95, "nearest first"


def test_an_index_that_looks_everywhere_is_exact():
    embeddings = np.random.default_rng(2).normal(size=(1500, 24)).astype(np.float32)
    mined = mine(embeddings, Mining(count=5, method="faiss", recall=1.0))
    assert mined.made_by["recall"] == 1.0
    assert recall_of(mined.rows, nearest(embeddings, 5)) > 0.999


def test_what_is_wanted_decides_how_far_it_looks():
    embeddings = np.random.default_rng(2).normal(size=(3000, 24)).astype(np.float32)
    exact = nearest(embeddings, 8)
    probes, recalls = [], []
    for recall in (0.3, 0.6, 0.99):
        mined = mine(embeddings, Mining(method="faiss", recall=recall))
        probes.append(mined.made_by["probes"])
        recalls.append(recall_of(mined.rows, exact))
        assert recalls[-1] > recall - 0.05
    assert probes[0] < probes[-1]
    assert recalls[0] < recalls[-1]


@pytest.mark.parametrize("method", ["exact", "faiss"])
def test_itself_duplicates_and_its_group_are_no_neighbours(method):
    rng = np.random.default_rng(3)
    embeddings = clustered(900, width=6, clusters=12)
    embeddings[100:200] = embeddings[0] * rng.uniform(1, 2, size=(100, 1))  # more than any search asks for at first
    groups = rng.integers(4, size=900)
    found = mine(embeddings, Mining(5, method, duplicates_above=0.98, recall=1.0), groups).rows
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    cosine = unit @ unit.T
    for row, others in enumerate(found):
        assert row not in others
        assert (others >= 0).all(), "enough are left"
        assert (cosine[row, others] <= 0.98 + 1e-6).all()
        assert (groups[others] != groups[row]).all()
    assert recall_of(found, nearest(embeddings, 5, duplicates_above=0.98, groups=groups)) > 0.99


def test_nothing_but_duplicates():
    embeddings = np.tile(np.array([[1.0, 2.0]], dtype=np.float32), (300, 1))
    assert (mine(embeddings, Mining(3, "faiss")).rows == -1).all()


def test_equal_input_gives_equal_neighbours_and_may_lie_on_disk(tmp_path):
    embeddings = clustered()
    mapped = np.memmap(tmp_path / "embeddings", np.float32, "w+", shape=embeddings.shape)
    mapped[:] = embeddings
    again = [mine(each, Mining(method="faiss")) for each in (embeddings, mapped, torch.from_numpy(embeddings))]
    assert all(np.array_equal(again[0].rows, other.rows) for other in again)
    assert all(again[0].made_by == other.made_by for other in again)
    assert np.array_equal(mine(mapped, Mining(method="exact")).rows, nearest(embeddings, 8))


def test_auto_is_exact_while_that_is_quick(monkeypatch):
    embeddings = clustered(500)
    assert mine(embeddings, Mining()).made_by["method"] == "exact"
    monkeypatch.setattr(mining, "MOST_COMPARED", 400)
    assert mine(embeddings, Mining()).made_by["method"] == "faiss"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_handful(method, count):
    found = mine(np.eye(count, 8, dtype=np.float32), Mining(3, method)).rows
    assert found.shape == (count, 3)
    for row, others in enumerate(found.tolist()):
        kept = [other for other in others if other >= 0]
        expected = set(range(count)) - {row}
        assert set(kept) <= expected
        assert len(kept) == min(3, len(expected))


@pytest.mark.parametrize("method", ["exact", "faiss"])
def test_what_has_no_direction(method):
    embeddings = clustered(200)
    embeddings[17] = 0
    with pytest.raises(ValueError, match="zero or not finite"):
        mine(embeddings, Mining(method=method))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"count": 0}, "count must be at least 1"),
        ({"method": "annoy"}, "method must be one of auto, exact, faiss"),
        ({"recall": 1.5}, "recall must be above 0 and at most 1"),
        ({"duplicates_above": 0}, "duplicates_above must be above 0"),
    ],
)
def test_settings_that_make_no_sense(settings, said):
    with pytest.raises(UserError, match=said):
        Mining(**settings)


def test_without_faiss_the_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(UserError, match=r"pip install 'rebind\[mine\]', or choose the method exact"):
        mine(clustered(100), Mining(method="faiss"))
    assert mine(clustered(100), Mining()).rows.shape == (100, 8)
