import itertools

import numpy as np
import pytest

from rebind.benchmarks.contract import Crop
from rebind.benchmarks.questions import Contest, Question, QuestionBenchmark, choose_image, choose_text, match_two
from rebind.types import UserError


@pytest.fixture
def pictures(tmp_path):
    return [tmp_path / f"{i}.png" for i in range(40)]


def rows_of(scores):
    return {(score.split, score.metric): score for score in scores}


def test_two_images_and_two_captions_are_judged_as_winoground_says(pictures):
    # Every combination of four similarities out of three values: 81 items, each with images and texts of its own.
    names = [f"{number} {i}" for number in range(81) for i in range(2)]
    questions = []
    images, texts = [], []
    expected = {"text": [], "image": [], "group": []}
    for number, (c0_i0, c0_i1, c1_i0, c1_i1) in enumerate(itertools.product([0.0, 0.5, 1.0], repeat=4)):
        files = [pictures[0].with_name(f"{number}-{i}.png") for i in range(2)]
        questions += match_two("all", files, names[2 * number : 2 * number + 2])
        images += [[1, 0], [0, 1]]
        texts += [[c0_i0, c0_i1], [c1_i0, c1_i1]]
        text = c0_i0 > c1_i0 and c1_i1 > c0_i1
        image = c0_i0 > c0_i1 and c1_i1 > c1_i0
        for metric, right in (("text", text), ("image", image), ("group", text and image)):
            expected[metric].append(right)
    benchmark = QuestionBenchmark("b", questions)
    assert (len(benchmark.images), len(benchmark.texts)) == (162, 162)
    order = {text: row for row, text in enumerate(names)}
    files = {f"{number}-{i}.png": 2 * number + i for number in range(81) for i in range(2)}
    scores = rows_of(
        benchmark.score(
            np.array(images, np.float32)[[files[path.name] for path in benchmark.images]],
            np.array(texts, np.float32)[[order[text] for text in benchmark.texts]],
        )
    )
    for metric, chance in (("text", 1 / 4), ("image", 1 / 4), ("group", 1 / 6)):
        score = scores["all", metric]
        assert score.correct.tolist() == expected[metric]
        assert (score.n, score.chance) == (81, chance)
        assert score.ties > 0


@pytest.mark.parametrize("right", [0, 1, 2])
def test_the_first_of_equals_is_taken_where_the_official_code_takes_argmax(pictures, right):
    values = list(itertools.product([0.0, 1.0], repeat=3))
    for first_wins in (True, False):
        questions = [
            choose_text("s", pictures[i], [f"{i} {k}" for k in range(3)], right, first_wins=first_wins)
            for i in range(len(values))
        ]
        benchmark = QuestionBenchmark("b", questions)
        images = np.eye(8, dtype=np.float32)
        by_text = {f"{i} {k}": images[i] * value for i, row in enumerate(values) for k, value in enumerate(row)}
        score = rows_of(benchmark.score(images, np.array([by_text[text] for text in benchmark.texts])))["s", "accuracy"]
        alone = [row[right] == max(row) and row.count(max(row)) == 1 for row in values]
        argmax = [int(np.argmax(row)) == right for row in values]
        assert score.correct.tolist() == (argmax if first_wins else alone)
        assert score.ties == sum(row[right] == max(row) and row.count(max(row)) > 1 for row in values)
        assert score.chance == 1 / 3


def test_a_text_may_choose_among_images(pictures):
    question = choose_image("s", "a cat", pictures[:4], 2)
    benchmark = QuestionBenchmark("b", [question])
    text = np.array([[0.0, 0.0, 1.0, 0.5]], np.float32)
    images = np.eye(4, dtype=np.float32)[[pictures.index(image) for image in benchmark.images]]
    score = rows_of(benchmark.score(images, text))["s", "accuracy"]
    assert (score.value, score.ties, score.chance) == (1.0, 0, 1 / 4)


def test_averages_and_their_chance(pictures):
    questions = [choose_text("a", pictures[0], ["right", "wrong"]) for _ in range(3)]
    questions += [choose_text("b", pictures[1], ["wrong", "right", "other", "more"])]
    questions += [choose_text("apart", pictures[2], ["wrong", "right"])]
    benchmark = QuestionBenchmark("b", questions, frozenset(["apart"]))
    value = {"right": 1.0, "wrong": 0.5, "other": 0.1, "more": 0.2}
    texts = np.array([[value[text]] for text in benchmark.texts], np.float32)
    scores = rows_of(benchmark.score(np.ones((3, 1), np.float32), texts))
    assert list(scores) == [(split, "accuracy") for split in ("a", "b", "apart", "macro", "micro")]
    assert [scores[split, "accuracy"].value for split in ("a", "b", "apart", "macro", "micro")] == [1, 0, 0, 0.5, 0.75]
    assert [scores[split, "accuracy"].n for split in ("macro", "micro")] == [4, 4]
    assert scores["macro", "accuracy"].chance == (1 / 2 + 1 / 4) / 2
    assert scores["micro", "accuracy"].chance == (3 / 2 + 1 / 4) / 4
    for score in scores.values():
        assert score.correct.mean() == pytest.approx(score.value)
    assert len(set(scores["micro", "accuracy"].clusters)) == 2  # questions about one image are one cluster


def test_crops_of_one_file_are_one_cluster_and_two_pictures(pictures):
    crops = [Crop(pictures[0], (0, 0, side, side)) for side in (5, 6)]
    benchmark = QuestionBenchmark("b", [choose_text("s", crop, ["a", "b"]) for crop in crops])
    assert benchmark.images == crops
    score = benchmark.score(np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32))[0]
    assert len(set(score.clusters)) == 1


def test_questions_without_their_images_are_left_out_and_counted(pictures):
    questions = [choose_text("s", picture, ["a", "b"]) for picture in pictures[:4]]
    questions += [Question("s", (Contest(("a", "b"), ("a", "c")),), 1 / 2, "text_only", "x") for _ in range(2)]
    benchmark = QuestionBenchmark("b", questions)
    images = np.ones((4, 1), np.float32)
    images[1] = np.nan
    scores = rows_of(benchmark.score(images, np.array([[2.0], [1.0], [0.0]], np.float32)))
    assert (scores["s", "accuracy"].n, scores["s", "accuracy"].value) == (3, 1.0)
    assert scores["s", "text_only"].n == 2
    assert (scores["s", "coverage"].value, scores["s", "coverage"].n) == (0.75, 4)
    assert scores["micro", "accuracy"].n == 3
    with pytest.raises(UserError, match="b, s: none of its 4 items has an image that can be read"):
        benchmark.score(np.full((4, 1), np.nan, np.float32), np.ones((3, 1), np.float32))


def test_questions_of_texts_alone_need_no_images():
    benchmark = QuestionBenchmark("b", [Question("s", (Contest(("a", "b"), ("a", "c")),), 1 / 2, "text_only", "x")])
    assert benchmark.images == []
    scores = benchmark.score(np.zeros((0, 2), np.float32), np.array([[1, 0], [1, 0], [0, 1]], np.float32))
    assert [(score.split, score.value) for score in scores] == [("s", 1), ("macro", 1), ("micro", 1)]
