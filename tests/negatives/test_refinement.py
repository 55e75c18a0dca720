import json
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest

from rebind.negatives.blind import BlindScore, CaptionModel, Pairs, length_gaps
from rebind.negatives.refinement import balance, refine

DATA = Path(__file__).parents[3] / "shared" / "data"


def accuracy(gaps):
    return (np.sign(gaps).mean() + 1) / 2


def sugarcrepes_rule(first, second, grid=50):
    """How many pairs SugarCrepe's rule keeps: as many of each cell of a grid of two gaps as of the mirrored cell."""
    cells = Counter(zip(np.floor(first * grid).astype(int), np.floor(second * grid).astype(int), strict=True))
    return sum(min(count, cells[-1 - one, -1 - other]) for (one, other), count in cells.items())


def test_every_judge_is_balanced_at_every_certainty_and_more_is_kept_than_by_mirrored_cells():
    rng = np.random.default_rng(0)
    gaps = np.clip(rng.normal(0.15, 0.3, (1500, 2)), -0.99, 0.99)
    samples = np.arange(1500)
    kept = balance(gaps, samples, rng.random(1500))
    assert accuracy(gaps).min() > 0.65
    for judge in gaps[kept].T:
        assert accuracy(judge) == pytest.approx(0.5, abs=0.01)
        for low, high in ((0, 0.1), (0.1, 0.25), (0.25, 1)):
            degree = judge[(np.abs(judge) >= low) & (np.abs(judge) < high)]
            assert accuracy(degree) == pytest.approx(0.5, abs=0.12)
    assert len(kept) > sugarcrepes_rule(*gaps.T)


def test_one_candidate_of_a_sample_at_most_and_a_choice_keeps_more():
    rng = np.random.default_rng(1)
    gaps = rng.normal(0.7, 1, (1200, 1))
    samples = np.repeat(np.arange(400), 3)
    preference = rng.random(1200)
    kept = balance(gaps, samples, preference)
    assert np.bincount(samples[kept]).max() == 1
    assert accuracy(gaps[kept]) == pytest.approx(0.5, abs=0.01)
    first = np.arange(0, 1200, 3)
    assert len(kept) > 1.4 * len(balance(gaps[first], samples[first], preference[first]))


def test_a_limit_takes_the_preferred_and_stays_balanced():
    rng = np.random.default_rng(2)
    gaps, preference = rng.normal(0.3, 1, (2000, 2)), rng.random(2000)
    kept = balance(gaps, np.arange(2000), preference, limit=200)
    assert 195 <= len(kept) <= 200
    assert np.abs(accuracy(gaps[kept][:, 0]) - 0.5) < 0.03
    assert preference[kept].mean() > 0.8
    assert balance(gaps, np.arange(2000), preference, limit=200).tolist() == kept.tolist()


def test_large_choices_are_made_block_by_block(monkeypatch):
    monkeypatch.setattr("rebind.negatives.refinement._LARGEST_PROGRAM", 300)
    rng = np.random.default_rng(3)
    gaps, samples = rng.normal(0.4, 1, (2000, 1)), np.repeat(np.arange(1000), 2)
    kept = balance(gaps, samples, rng.random(2000), limit=333)
    assert np.bincount(samples[kept]).max() == 1
    assert 300 < len(kept) <= 333
    assert np.abs(accuracy(gaps[kept]) - 0.5) < 0.03


def test_what_is_not_allowed_is_not_kept_and_the_rest_stays():
    rng = np.random.default_rng(4)
    gaps, preference, samples = rng.normal(0.4, 1, (1500, 2)), rng.random(1500), np.repeat(np.arange(750), 2)
    kept = balance(gaps, samples, preference)
    allowed = ~np.isin(np.arange(1500), kept[::50])
    rest = balance(gaps, samples, preference, allowed=allowed)
    assert allowed[rest].all()
    assert len(set(rest) & set(kept)) > 0.9 * len(kept)
    assert np.abs(accuracy(gaps[rest][:, 0]) - 0.5) < 0.02


def test_nothing_gives_nothing():
    assert balance(np.zeros((0, 1)), np.zeros(0), np.zeros(0)).tolist() == []
    assert balance(np.ones((5, 1)), np.arange(5), np.zeros(5)).tolist() == []
    assert balance(np.zeros((5, 1)), np.arange(5), np.zeros(5)).tolist() == [0, 1, 2, 3, 4]


def planted(count=900, seed=0, longer=False):
    """Foils that are given away, four in five, by the word that they put in."""
    rng = np.random.default_rng(seed)
    words = np.array(["dog", "cat", "man", "bus", "cup", "hat", "tree", "boat"])
    told, other = np.array(["unicorn", "dragon", "ghost"]), np.array(["lamp", "chair", "bird"])
    pairs = []
    for number in range(count):
        one, near = rng.choice(words, 2)
        lucky = rng.random() < 0.2
        true, false = (rng.choice(told), rng.choice(other)) if lucky else (rng.choice(other), rng.choice(told))
        tail = " and more" if longer and rng.random() < 0.99 else ""
        pairs.append(
            (f"a {one} and a {true} near a {near}", f"a {one} and a {false} near a {near}{tail}", f"key {number}")
        )
    return Pairs(*map(list, zip(*pairs, strict=True)))


def test_what_gives_foils_away_no_longer_does():
    pairs = planted()
    model = CaptionModel(pairs.captions, pairs.samples)
    refinement = refine(pairs, length_gaps(pairs) | model(pairs), np.zeros(len(pairs)))
    assert list(refinement.before) == [
        "length",
        "likelihood",
        "likelihood_per_word",
        "classifier",
        "classifier_retrained",
    ]
    assert refinement.before["classifier"].accuracy > 0.75
    assert (refinement.before["classifier"].n, refinement.after["classifier"].n) == (900, len(refinement.kept))
    assert refinement.after["classifier"].accuracy == pytest.approx(0.5, abs=0.02)
    assert refinement.after["classifier_retrained"].accuracy < 0.55
    assert refinement.after["likelihood"].accuracy == pytest.approx(0.5, abs=0.02)
    assert 200 < len(refinement.kept) == refinement.balanced < 500
    told = ["unicorn" in foil or "dragon" in foil or "ghost" in foil for foil in np.array(pairs.foils)[refinement.kept]]
    assert np.mean(told) == pytest.approx(0.5, abs=0.03)  # as a judge of our own sees it
    assert refinement.one_sided == ()
    again = refine(pairs, length_gaps(pairs) | model(pairs), np.zeros(len(pairs)))
    assert again.kept.tolist() == refinement.kept.tolist()


def test_what_no_choice_can_mend_is_named_and_the_rest_is_balanced():
    pairs = planted(longer=True)
    gaps = length_gaps(pairs) | CaptionModel(pairs.captions, pairs.samples)(pairs)
    refinement = refine(pairs, gaps, np.zeros(len(pairs)), limit=50)
    assert refinement.one_sided[0] == "length"
    assert refinement.one_sided[-1] == "classifier"
    assert refinement.after["length"].accuracy > 0.9
    assert "likelihood_per_word" in refinement.one_sided or refinement.after[
        "likelihood_per_word"
    ].accuracy == pytest.approx(0.5, abs=0.05)
    assert len(refinement.kept) <= 50


@pytest.mark.annotations
def test_on_sugarcrepe_itself():
    """Its replacements and swaps can be told blindly by who has read COCO; a choice of them cannot."""
    captions = json.loads((DATA / "coco_captions" / "captions_val2017.json").read_text())["annotations"]
    texts, keys = [row["caption"] for row in captions], [f"{row['image_id']:012d}.jpg" for row in captions]
    model, unseen = CaptionModel(texts, keys), CaptionModel(texts, keys, order=4)
    reached = defaultdict(list)
    for family in ("swap_att", "replace_att", "replace_obj", "replace_rel"):
        rows = json.loads((DATA / "sugarcrepe" / f"{family}.json").read_text()).values()
        pairs = Pairs(*([row[field] for row in rows] for field in ("caption", "negative_caption", "filename")))
        refinement = refine(pairs, length_gaps(pairs) | model(pairs), np.zeros(len(pairs)))
        assert refinement.before["likelihood"].accuracy > 0.6
        assert {name: score.accuracy for name, score in refinement.after.items() if score.accuracy > 0.55} == {}
        assert len(refinement.kept) > 0.4 * refinement.before["likelihood"].n
        held_out = unseen(pairs)["likelihood_per_word"][refinement.kept]
        reached["order 4"].append(BlindScore.of(held_out, np.array(pairs.samples)[refinement.kept]).accuracy)
    assert max(reached["order 4"]) < 0.55
