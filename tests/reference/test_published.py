"""The table of published numbers: whole, sourced, and consistent in itself."""

import pytest

from rebind.benchmarks import BENCHMARKS
from rebind.reference import PublishedNumber, reference, references
from rebind.types import UserError

TABLE = references()


def value(name, number):
    return next(each.value for each in TABLE[name].numbers if each.name == number)


def test_every_number_has_a_benchmark_a_source_and_a_protocol():
    assert sum(len(each.numbers) for each in TABLE.values()) >= 40
    for name, each in TABLE.items():
        assert each.name == name
        assert each.benchmark in BENCHMARKS, name
        assert "arXiv" in each.source or "github.com" in each.source
        assert len(each.protocol) > 20
        assert 0 < each.tolerance <= 1
        assert each.numbers
        assert all(0 < number.value < 100 for number in each.numbers)
        assert each.checkpoint is None or each.checkpoint.count("/") == 1


def test_recall_grows_with_k():
    for name, each in TABLE.items():
        for direction in ("text → image", "image → text"):
            found = [number.value for number in each.numbers if number.name.startswith(direction)]
            assert found == sorted(found), name


def test_two_sources_say_the_same_of_siglip():
    """The digest of C2LIP gives mean R@5 of 95.2 and 78.9 for SigLIP B/16; open_clip's table both directions."""
    for benchmark, mean in (("flickr30k", 95.2), ("coco", 78.9)):
        directions = [value(f"siglip-b16/{benchmark}", f"{way} R@5") for way in ("text → image", "image → text")]
        assert sum(directions) / 2 == pytest.approx(mean, abs=0.06)


def test_the_counts_of_sugarcrepe_add_up():
    groups = {number.name: number.n for number in TABLE["c2lip/sugarcrepe"].numbers}
    single = {number.name: number.n for number in TABLE["tripletclip-1m/sugarcrepe"].numbers}
    assert sum(groups.values()) == sum(single.values()) == 7511
    for group, count in groups.items():
        assert sum(n for name, n in single.items() if name.startswith(group)) == count


def test_a_number_finds_the_scores_it_is_the_mean_of():
    mean = PublishedNumber("swap", ("accuracy",), 50.0, ("swap_att", "swap_obj"))
    held = [("sugarcrepe", split, "accuracy") for split in ("swap_att", "swap_obj", "add_att")]
    assert mean.keys("sugarcrepe", held) == (held[0], held[1])
    assert mean.keys("sugarcrepe", held[:1]) is None
    assert mean.keys("foils", held) is None


def test_without_splits_it_is_the_only_score_of_that_metric():
    both = PublishedNumber("mean R@5", ("text_to_image_recall@5", "image_to_text_recall@5"), 50.0)
    held = [("coco", "test", metric) for metric in ("text_to_image_recall@5", "image_to_text_recall@5", "coverage")]
    assert both.keys("coco", held) == tuple(held[:2])
    assert both.keys("coco", held[:1]) is None
    assert both.keys("coco", []) is None
    assert both.keys("coco", [*held, ("coco", "val", "image_to_text_recall@5")]) is None


def test_a_name_that_is_not_there_gets_the_names_alike():
    assert reference("c2lip/coco").model == "C2LIP B/16"
    with pytest.raises(UserError, match='no published number "siglip/coco"; perhaps siglip-b16/coco'):
        reference("siglip/coco")
