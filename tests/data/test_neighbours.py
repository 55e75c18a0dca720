import numpy as np
import pytest

from rebind.data import open_source
from rebind.data.annotation_files import write_annotation
from rebind.data.dataset import EpochShuffle
from rebind.data.neighbours import NeighbourShuffle, read_neighbours
from rebind.types import UserError


def look_alikes(count, width=8, seed=0):
    """Nearest of random points on a sphere, nearest first."""
    points = np.random.default_rng(seed).normal(size=(count, 5))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    cosine = points @ points.T
    np.fill_diagonal(cosine, -2)
    return np.argsort(-cosine, axis=1)[:, :width].astype(np.int32)


def epoch_of(order, epoch):
    order.set_epoch(epoch)
    pairs = list(order)
    assert {number for _, number in pairs} == {epoch}
    return [index for index, _ in pairs]


def share_beside_nearest(indices, neighbours, batch_size):
    """Of the samples, how many have their nearest neighbour in their batch."""
    batch = np.empty(len(indices), dtype=int)
    batch[indices] = np.arange(len(indices)) // batch_size
    return float(np.mean(batch == batch[neighbours[:, 0]]))


@pytest.mark.parametrize(("count", "batch_size", "group"), [(200, 16, 2), (203, 15, 2), (64, 16, 4), (7, 16, 3)])
def test_every_sample_once(count, batch_size, group):
    order = NeighbourShuffle(look_alikes(count), batch_size, seed=1, group_size=group)
    assert len(order) == count
    epochs = [epoch_of(order, epoch) for epoch in range(3)]
    assert all(sorted(indices) == list(range(count)) for indices in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    again = NeighbourShuffle(look_alikes(count), batch_size, seed=1, group_size=group)
    assert [epoch_of(again, epoch) for epoch in (2, 1, 0)] == epochs[::-1]
    assert epoch_of(NeighbourShuffle(look_alikes(count), batch_size, seed=2), 0) != epochs[0]


def test_batches_hold_look_alikes():
    neighbours = look_alikes(600)
    hard, random = NeighbourShuffle(neighbours, 16), EpochShuffle(600)
    shares = [share_beside_nearest(epoch_of(order, 3), neighbours, 16) for order in (hard, random)]
    assert shares[0] > 0.4
    assert shares[1] < 0.06


@pytest.mark.parametrize("batch_size", [2, 4, 10])
def test_pairs_never_straddle_the_border_of_a_batch(batch_size):
    """With neighbours that are mutual and batches of even size, every pair is whole."""
    neighbours = (np.arange(40) ^ 1)[:, None]
    indices = epoch_of(NeighbourShuffle(neighbours, batch_size), 0)
    batches = [indices[start : start + batch_size] for start in range(0, 40, batch_size)]
    assert all({index ^ 1 for index in batch} == set(batch) for batch in batches)


def test_a_sample_at_the_end_of_a_batch_stays_alone():
    """In batches of odd size at most one pair a batch is parted."""
    indices = epoch_of(NeighbourShuffle((np.arange(30) ^ 1)[:, None], 5), 0)
    batches = [set(indices[start : start + 5]) for start in range(0, 30, 5)]
    assert sum(index ^ 1 in batch for batch in batches for index in batch) >= 30 - 2 * len(batches)


def test_an_epoch_grows_no_easier():
    """Pairs are found early in the permutation; they must not stay there."""
    neighbours = look_alikes(2000, width=2)
    indices = epoch_of(NeighbourShuffle(neighbours, 20), 0)
    paired = np.array([b in neighbours[a] for a, b in zip(indices[::2], indices[1::2], strict=True)])
    first, last = paired[:500].mean(), paired[500:].mean()
    assert paired.mean() > 0.3
    assert abs(first - last) < 0.1


def test_samples_without_neighbours():
    neighbours = np.full((50, 3), -1)
    neighbours[4, 0], neighbours[9, :2] = 5, (4, 30)
    indices = epoch_of(NeighbourShuffle(neighbours, 10), 0)
    assert sorted(indices) == list(range(50))
    none = NeighbourShuffle(np.empty((50, 0), dtype=np.int32), 10)
    assert sorted(epoch_of(none, 1)) == list(range(50))


@pytest.fixture
def source(photos, write_rows):
    write_rows(photos / "captions.jsonl", [{"key": k, "image": "red.png", "caption": k} for k in "abcd"])
    return open_source(photos)


def test_neighbours_are_read_by_key(source):
    write_annotation(source, "neighbours", [("c", ["a"]), ("gone", ["b"]), ("a", ["a", "d", "c"]), ("b", [])], {})
    neighbours = read_neighbours(source)
    assert neighbours.tolist() == [[3, 2], [-1, -1], [0, -1], [-1, -1]]
    assert neighbours.dtype == np.int32


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (None, "does not exist; write it with `rebind neighbours .*photos --model MODEL`"),
        ([("z", ["a"])], "none of the keys in .* write it with `rebind neighbours"),
        ([("a", "b")], "key 'a': `neighbours` must be a list of keys, not str"),
        ([("a", ["b", "e"])], "key 'a': the neighbour 'e' is no key of .*photos; write the file anew"),
        ([("a", [["b"]])], r"key 'a': the neighbour \['b'\] is no key"),
    ],
)
def test_bad_neighbours_are_named(source, rows, message):
    if rows is not None:
        write_annotation(source, "neighbours", rows, {})
    with pytest.raises(UserError, match=rf"neighbours\.jsonl.*{message}|{message}"):
        read_neighbours(source)
