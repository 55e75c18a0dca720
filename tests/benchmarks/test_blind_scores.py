import numpy as np
import pytest
from tiny_world import paint

from rebind.benchmarks import build_benchmark, evaluate
from rebind.benchmarks.blind import with_blind
from rebind.benchmarks.contract import mean_score
from rebind.benchmarks.foils import FoilBenchmark, FoilItem
from rebind.metrics import Outcomes


def unit(rng, *shape):
    vectors = rng.normal(size=shape)
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def test_blind_is_the_official_rule_with_the_mean_image(tmp_path):
    rng = np.random.default_rng(0)
    items = [FoilItem("ab"[i % 2], tmp_path / f"{i // 2}.jpg", f"caption {i}", f"foil {i}") for i in range(40)]
    benchmark = FoilBenchmark("foils", items)
    images, texts = unit(rng, 20, 8).repeat(2, axis=0), unit(rng, 80, 8)
    images[[6, 7]] = np.nan
    mean = np.nanmean(images, axis=0)
    mean /= np.linalg.norm(mean)
    prefers_caption = texts[:40] @ mean > texts[40:] @ mean
    kept = np.setdiff1d(np.arange(40), [6, 7])

    scores = with_blind(benchmark, benchmark.score(images, texts), images, texts)
    blind = {score.split: score.blind for score in scores if score.metric == "accuracy"}
    by_category = [prefers_caption[kept[kept % 2 == k]].mean() for k in (0, 1)]
    assert blind["a"] == pytest.approx(by_category[0])
    assert blind["b"] == pytest.approx(by_category[1])
    assert blind["macro"] == pytest.approx(np.mean(by_category))
    assert blind["micro"] == pytest.approx(prefers_caption[kept].mean())
    assert [score.blind for score in scores if score.metric == "coverage"] == [None, None]
    assert [score.value for score in scores] == [score.value for score in benchmark.score(images, texts)]


def test_texts_that_give_themselves_away_are_known_without_the_pictures(encoder, tmp_path):
    """The foils are one and the same, which no image is like: the blind model is right as well."""
    rng = np.random.default_rng(1)
    items = [FoilItem("add_att", tmp_path / f"{i}.jpg", f"caption {i}", "foil") for i in range(30)]
    shared = unit(rng, 8)
    images = shared + 0.1 * unit(rng, 30, 8)
    captions = shared + 0.1 * unit(rng, 30, 8)
    texts = np.concatenate([captions, np.tile(-shared, (30, 1))])
    benchmark = FoilBenchmark("foils", items)
    scores = with_blind(benchmark, benchmark.score(images, texts), images, texts)
    assert {score.blind for score in scores} == {score.value for score in scores} == {1.0}


def test_no_image_is_found_blind_and_every_score_has_chance_and_blind(encoder, world):
    scores, _ = evaluate(encoder, [build_benchmark("world", data=world)])
    assert all(score.blind is not None and score.chance is not None for score in scores)
    assert all(-1e-9 <= score.low - 1e-9 < score.value < score.high + 1e-9 <= 1 + 1e-9 for score in scores)
    found = {score.metric: score.blind for score in scores if score.split == "retrieval"}
    assert found["text_to_image_recall@10"] == 0  # twelve images that are all alike tie, and a tie is wrong
    blind = {score.split: score.blind for score in scores}
    assert blind["replace_obj"] <= 12 / 14  # two of its items tie whatever the image


class TextsAlone:
    """Whether the first of two texts has the larger first number."""

    name = "texts"
    images = ()
    texts = ("a red ring", "a star")

    def score(self, images, texts):
        assert images.shape == (0, texts.shape[1])
        outcome = np.array([texts[0, 0] > texts[1, 0]])
        return [mean_score(self.name, "all", "accuracy", Outcomes(outcome, ~outcome), None, 0.5)]


def test_a_benchmark_without_images_has_no_blind_score(encoder, tmp_path):
    paint(tmp_path / "0.png", 0)
    items = [FoilItem("a", tmp_path / "0.png", "a red ring", "a star")]
    alone = evaluate(encoder, [TextsAlone()])[0]
    beside = evaluate(encoder, [FoilBenchmark("foils", items), TextsAlone()])[0]
    assert alone == [beside[-1]]
    assert alone[0].blind is None
    assert beside[0].blind is not None
