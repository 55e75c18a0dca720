import json

import pytest
import torch

from rebind.data import open_source
from rebind.data.broken import BrokenNegative, BrokenTally, kind_of
from rebind.data.writing import write_shards
from rebind.types import Batch, BrokenSample, UserError

PNG = b"\x89PNG not decoded here"


def batch(whole, *broken):
    return Batch(
        tuple(f"w{n}" for n in range(whole)), {}, {}, broken=tuple(BrokenSample(k, f"{k} is cut") for k in broken)
    )


def test_few_broken_samples_are_only_counted():
    tally = BrokenTally()
    for _ in range(3):  # epochs
        tally.add(batch(90, *(f"b{n}" for n in range(10))))
        tally.check()
    tally.check(final=True)
    summary = tally.summary()
    assert (summary["seen"], summary["broken"], summary["distinct"]) == (300, 30, 10)
    assert summary["samples"][0] == {"key": "b0", "reason": "b0 is cut"}
    json.dumps(summary)


def test_many_broken_samples_are_an_error():
    tally = BrokenTally()
    tally.add(batch(80, *"abcdefghijk"))
    tally.check()  # 91 seen: too early to judge
    tally.add(batch(9))
    with pytest.raises(
        UserError, match=r"11 of 100 samples seen are broken, more than the tolerated 10% \(a: a is cut; b:"
    ):
        tally.check()


def test_a_short_run_is_judged_at_its_end():
    tally = BrokenTally(max_broken_share=0.5)
    tally.add(batch(1, "a"))
    tally.check(final=True)
    tally.add(batch(0, "b"))
    tally.check()
    with pytest.raises(UserError, match="2 of 3 samples"):
        tally.check(final=True)


def test_twenty_are_named():
    tally = BrokenTally(max_broken_share=1.0)
    tally.add(batch(0, *(f"b{n}" for n in range(50))))
    assert tally.summary()["distinct"] == 50
    assert [sample["key"] for sample in tally.summary()["samples"]] == [f"b{n}" for n in range(20)]


def test_counts_survive_a_restart():
    tally = BrokenTally()
    tally.add(batch(50, "a", "b"))
    resumed = BrokenTally()
    resumed.load_state_dict(json.loads(json.dumps(tally.state_dict())))
    for either in (tally, resumed):
        either.add(batch(50, "b", "c"))
    assert resumed.summary() == tally.summary()
    assert resumed.summary()["distinct"] == 3


def test_incomplete_samples_of_a_source_are_judged_and_named(tmp_path):
    write_shards(tmp_path / "s", [(f"k{n}", PNG, "" if n < 2 else "a cup") for n in range(12)], 100)
    source = open_source(tmp_path / "s")
    with pytest.raises(UserError, match=r"2 of 12 samples in .* are broken, .*shard-00000\.tar:k0: `caption` is empty"):
        BrokenTally(source=source)
    tally = BrokenTally(0.2, source)
    tally.add(batch(10))
    tally.check(final=True)
    assert (tally.summary()["seen"], tally.summary()["broken"], tally.summary()["distinct"]) == (10, 0, 2)


def with_pictures(whole, broken):
    cut = tuple(BrokenNegative(f"w0, negative {n}", "cut short") for n in range(broken))
    return Batch(
        ("w0", "w1"), {}, {}, negative_image_caption=torch.arange(whole), broken=(*cut, BrokenSample("b", "?"))
    )


def test_pictures_of_negatives_are_counted_apart():
    tally = BrokenTally(0.4)
    for _ in range(2):
        tally.add(with_pictures(6, 3))
    tally.check(final=True)
    summary = tally.summary()
    assert (summary["seen"], summary["broken"]) == (6, 2)
    assert (summary["negative_pictures_seen"], summary["broken_negative_pictures"]) == (18, 6)
    assert summary["distinct"] == 4
    assert summary["samples"][0] == {"key": "w0, negative 0", "reason": "cut short"}
    again = BrokenTally(0.4)
    again.load_state_dict(json.loads(json.dumps(tally.state_dict())))
    again.load_state_dict({"seen": 4, "broken": 0, "reasons": {}})  # as version 0.1 saved it
    assert again.summary() == {**summary, "seen": 10}


def test_many_broken_pictures_of_negatives_are_an_error():
    tally = BrokenTally(0.4)
    tally.add(with_pictures(49, 50))
    tally.check()  # 99 seen: too early to judge
    tally.add(with_pictures(1, 0))
    with pytest.raises(
        UserError, match=r"50 of 100 pictures of hard negatives seen are broken, .*40% \(w0, negative 0"
    ):
        tally.check()


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("/data/my photos/a b 17.jpg does not exist or is not a file", "… does not exist or is not a file"),
        ("my photos/of cups/17.jpg does not exist or is not a file", "… does not exist or is not a file"),
        ("/data/two words/shard 3.tar was cut short since it was opened", "… was cut short since it was opened"),
        ("cannot read /data/my photos/3.tar: No such file or directory", "cannot read …: No such file or directory"),
        ("a b/c.png is a link that leads out of the folder", "… is a link that leads out of the folder"),
        ("12 x 9000 pixels are more than the 100 allowed", "… x … pixels are more than the … allowed"),
        ("[Errno 2]: '/tmp/x.jpg'", "[Errno …]: …"),
        ("it has no image (jpg, jpeg, png, webp)", "it has no image (jpg, jpeg, png, webp)"),
    ],
)
def test_reasons_are_counted_without_paths_and_numbers(reason, kind):
    assert kind_of(reason) == kind
