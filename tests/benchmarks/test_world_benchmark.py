import json

import numpy as np
import pytest
import torch
from PIL import Image

from rebind.benchmarks import build_benchmark, evaluate
from rebind.types import UserError


def plain_cosine(encoder, path, text):
    """One image and one text at a time, as a reader of the papers would write it."""
    with torch.inference_mode(), Image.open(path) as picture:
        image = encoder.encode_image(encoder.images([picture.convert("RGB")]))[0][0]
        return float(image @ encoder.encode_text(encoder.texts([text]))[0])


def by_split(scores):
    return {(score.split, score.metric): score for score in scores}


@pytest.fixture
def scores(encoder, world):
    scores, broken = evaluate(encoder, [build_benchmark("world", data=world)])
    assert broken == ()
    assert {score.benchmark for score in scores} == {"world"}
    return by_split(scores)


def test_foil_accuracy_is_the_official_rule_one_pair_at_a_time(encoder, world, scores):
    right, counts = {}, {}
    for category in ("swap_att", "replace_obj", "held_out"):
        rows = json.loads((world / f"test/foils/{category}.json").read_text()).values()
        outcomes = []
        for row in rows:
            path = world / "test" / row["filename"]
            positive = plain_cosine(encoder, path, row["caption"])
            negative = plain_cosine(encoder, path, row["negative_caption"])
            outcomes.append(1 if positive > negative else 0)
        right[category], counts[category] = sum(outcomes), len(outcomes)
        score = scores[category, "accuracy"]
        assert (score.value, score.n) == (pytest.approx(np.mean(outcomes)), len(outcomes))
        assert 0 <= score.low <= score.value <= score.high <= 1
    assert scores["swap_att", "accuracy"].ties == 0
    assert scores["replace_obj", "accuracy"].ties == 2  # unknown words: wrong, and counted

    macro, micro = scores["macro", "accuracy"], scores["micro", "accuracy"]
    shares = [right[each] / counts[each] for each in ("swap_att", "replace_obj")]  # held_out stays apart
    assert macro.value == pytest.approx(np.mean(shares))
    assert micro.value == pytest.approx((right["swap_att"] + right["replace_obj"]) / 26)
    assert macro.n == micro.n == 26
    assert macro.ties == micro.ties == 2
    assert macro.low < macro.value < macro.high


def test_retrieval_is_the_plain_ranking(encoder, world, scores):
    rows = [json.loads(line) for line in (world / "test/scenes/captions.jsonl").read_text().splitlines()]
    cosines = np.array(
        [[plain_cosine(encoder, world / "test/scenes" / i["image"], t["caption"]) for t in rows] for i in rows]
    )
    for k in (1, 5, 10):
        image_to_text = np.mean([i in np.argsort(-cosines[i])[:k] for i in range(12)])
        text_to_image = np.mean([t in np.argsort(-cosines[:, t])[:k] for t in range(12)])
        assert scores["retrieval", f"image_to_text_recall@{k}"].value == pytest.approx(image_to_text)
        assert scores["retrieval", f"text_to_image_recall@{k}"].value == pytest.approx(text_to_image)
        assert scores["retrieval", f"text_to_image_recall@{k}"].n == 12


@pytest.mark.parametrize("split", ["zero_shot", "retention"])
def test_zero_shot_is_the_plain_argmax_of_the_ensemble(encoder, world, scores, split):
    folder = world / "test" / split
    classes = json.loads((folder / "classes.json").read_text())
    rows = [json.loads(line) for line in (folder / "labels.jsonl").read_text().splitlines()]
    right = 0
    for row in rows:
        logits = []
        for each in classes:
            with torch.inference_mode():
                mean = encoder.encode_text(encoder.texts(each["prompts"])).mean(dim=0)
                with Image.open(folder / row["image"]) as picture:
                    image = encoder.encode_image(encoder.images([picture.convert("RGB")]))[0][0]
            logits.append(float(image @ mean / mean.norm()))
        right += classes[int(np.argmax(logits))]["name"] == row["label"]
    assert scores[split, "top1"].value == pytest.approx(right / len(rows))
    assert scores[split, "top1"].n == len(rows)


def test_the_test_folder_itself_will_do(world):
    assert build_benchmark("world", data=world / "test").images == build_benchmark("world", data=world).images


def test_a_folder_that_is_no_world(tmp_path):
    with pytest.raises(UserError, match=r"is not a world: .*scenes is missing; write one with `rebind world"):
        build_benchmark("world", data=tmp_path)


def test_a_broken_image_drops_its_items_and_is_named(encoder, world):
    broken_file = world / "test/scenes/images/000001.png"
    broken_file.write_bytes(broken_file.read_bytes()[:60])
    scores, broken = evaluate(encoder, [build_benchmark("world", data=world)])
    assert [each.key for each in broken] == [str(broken_file)]
    scored = by_split(scores)
    assert scored["swap_att", "accuracy"].n == 11
    assert scored["replace_obj", "accuracy"].n == 12
    assert scored["replace_obj", "accuracy"].ties == 1
    assert {split for split, metric in scored if metric != "coverage"} == {  # 93 % of the items, too few for the whole
        "swap_att", "replace_obj", "held_out", "zero_shot", "retention"
    }  # fmt: skip
    assert (scored["retrieval", "coverage"].n, scored["retrieval", "coverage"].value) == (12, pytest.approx(11 / 12))
    assert scored["replace_obj", "coverage"].value == pytest.approx(12 / 14)
    assert scored["replace_obj", "coverage"].n == 14
    assert ("zero_shot", "coverage") not in scored


def test_too_many_broken_images_are_an_error(encoder, world):
    for i in range(4):
        (world / f"test/scenes/images/{i:06d}.png").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"4 of 30 images cannot be read, more than 10 %; the first is .*000000.png"):
        evaluate(encoder, [build_benchmark("world", data=world)])
