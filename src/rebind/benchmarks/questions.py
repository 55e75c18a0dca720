"""Questions that a model answers by what it finds more alike: caption or foil, one of k, two images, two captions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import InitVar, dataclass, field, replace
from typing import Any

import numpy as np

from rebind.benchmarks.contract import Crop, Picture, macro_score, mean_score, readable_rows
from rebind.metrics import Outcomes
from rebind.types import Score

CONTESTS_AT_ONCE = 8192
Pair = tuple[Picture | str, str]  # a picture and a text, or two texts


@dataclass(frozen=True)
class Contest:
    """The right pair must be more alike than the wrong one.

    Attributes:
        right: what belongs together.
        wrong: what does not.
        tie_is_right: whether equal similarities pass; a matter of each benchmark's official rule.
    """

    right: Pair
    wrong: Pair
    tie_is_right: bool = False


@dataclass(frozen=True)
class Question:
    """One item of a benchmark under one metric, answered rightly when every contest is won.

    Attributes:
        split: category of the item.
        contests: one or more.
        chance: probability of a right answer by guessing.
        metric: metric name of the scores.
        cluster: questions with the same label are resampled together; the first picture's file when empty.
    """

    split: str
    contests: tuple[Contest, ...]
    chance: float
    metric: str = "accuracy"
    cluster: str = ""


def choose_text(
    split: str,
    image: Picture,
    texts: Sequence[str],
    right: int = 0,
    *,
    first_wins: bool = False,
    metric: str = "accuracy",
) -> Question:
    """Which of k texts describes the image?

    Args:
        split: category of the item.
        image: the picture.
        texts: two or more.
        right: place of the true one.
        first_wins: the first of equals is taken, as ``argmax`` does; otherwise a tie is wrong.
        metric: metric name.
    """
    pairs: list[Pair] = [(image, text) for text in texts]
    return Question(split, _against_all(pairs, right, first_wins), 1 / len(pairs), metric)


def choose_image(
    split: str,
    text: str,
    images: Sequence[Picture],
    right: int = 0,
    *,
    first_wins: bool = False,
    metric: str = "accuracy",
) -> Question:
    """Which of k images does the text describe? Arguments as for :func:`choose_text`."""
    pairs: list[Pair] = [(image, text) for image in images]
    return Question(split, _against_all(pairs, right, first_wins), 1 / len(pairs), metric)


def match_two(split: str, images: Sequence[Picture], texts: Sequence[str]) -> list[Question]:
    """Two images and their two captions, under the three metrics of Winoground; every tie is wrong.

    ``text``: each image prefers its caption (chance 1/4); ``image``: each caption prefers its image (1/4); ``group``:
    both (1/6).

    Source: Winoground (arXiv 2204.03162), section 3.
    """
    (first, second), (one, other) = images, texts
    text = (Contest((first, one), (first, other)), Contest((second, other), (second, one)))
    image = (Contest((first, one), (second, one)), Contest((second, other), (first, other)))
    return [
        Question(split, text, 1 / 4, "text"),
        Question(split, image, 1 / 4, "image"),
        Question(split, text + image, 1 / 6, "group"),
    ]


def _against_all(pairs: Sequence[Pair], right: int, first_wins: bool) -> tuple[Contest, ...]:
    others = (k for k in range(len(pairs)) if k != right)
    return tuple(Contest(pairs[right], pairs[k], first_wins and right < k) for k in others)


@dataclass(frozen=True, eq=False)
class QuestionBenchmark:
    """The share of right answers per split and metric, with ``macro`` (splits weigh alike) and ``micro`` averages.

    Attributes:
        name: benchmark name of the scores.
        questions: one or more; taken apart into a table when the benchmark is made.
        apart: splits that are scored but kept out of the averages.
    """

    name: str
    questions: InitVar[Sequence[Question]]
    apart: frozenset[str] = frozenset()
    _table: _Table = field(init=False, repr=False)

    def __post_init__(self, questions: Sequence[Question]) -> None:
        object.__setattr__(self, "_table", _Table.of(questions))

    @property
    def images(self) -> list[Picture]:
        """The distinct pictures."""
        return self._table.images

    @property
    def texts(self) -> list[str]:
        """The distinct texts."""
        return self._table.texts

    def score(self, images: np.ndarray, texts: np.ndarray) -> list[Score]:
        """Score (I, d) image and (T, d) text embeddings; questions about one image are resampled together."""
        margins, outcomes = self._table.judge(images, texts)
        splits, metrics, clusters = self._table.splits, self._table.metrics, self._table.clusters
        scores = []
        averaged: dict[str, list[np.ndarray]] = {}  # metric -> rows of each split
        for split in dict.fromkeys(splits.tolist()):
            coverage: list[Score] = []
            within = np.flatnonzero(splits == split)
            for metric in dict.fromkeys(metrics[within].tolist()):
                rows = within[metrics[within] == metric]
                readable, lacking = readable_rows(self.name, split, margins[rows, None])
                rows = rows[readable]
                chance = _mean(self._table.chances[rows])
                scores.append(mean_score(self.name, split, metric, outcomes[rows], clusters[rows], chance))
                coverage += lacking
                if split not in self.apart:
                    averaged.setdefault(metric, []).append(rows)
            if coverage:
                scores.append(min(coverage, key=lambda score: score.value))
        averages = [self._averages(metric, outcomes, rows) for metric, rows in averaged.items()]
        return [*scores, *(macro for macro, _ in averages), *(micro for _, micro in averages)]

    def _averages(self, metric: str, outcomes: Outcomes, by_split: list[np.ndarray]) -> tuple[Score, Score]:
        rows = np.concatenate(by_split)
        chances = self._table.chances
        clusters, chance = self._table.clusters[rows], _mean(chances[rows])
        micro = mean_score(self.name, "micro", metric, outcomes[rows], clusters, chance)
        macro = macro_score(micro, self._table.splits[rows])
        return replace(macro, chance=_mean(np.array([_mean(chances[each]) for each in by_split]))), micro


@dataclass(frozen=True, eq=False)
class _Table:
    """Q questions of C contests as arrays.

    Attributes:
        images: the I distinct pictures.
        texts: the T distinct texts.
        pairs: (2C, 2) rows of pictures and, after them, texts: the right and the wrong pair of each contest in turn.
        tie_is_right: (C,) bool.
        starts: (Q,) first contest of each question.
        splits: (Q,) categories.
        metrics: (Q,) names.
        chances: (Q,) probabilities.
        clusters: (Q,) numbers of what is resampled together, in order of appearance.
    """

    images: list[Picture]
    texts: list[str]
    pairs: np.ndarray
    tie_is_right: np.ndarray
    starts: np.ndarray
    splits: np.ndarray
    metrics: np.ndarray
    chances: np.ndarray
    clusters: np.ndarray

    @classmethod
    def of(cls, questions: Sequence[Question]) -> _Table:
        contests = [contest for question in questions for contest in question.contests]
        pairs = [pair for contest in contests for pair in (contest.right, contest.wrong)]
        images = list(dict.fromkeys(left for left, _ in pairs if not isinstance(left, str)))
        texts = list(dict.fromkeys(text for pair in pairs for text in pair if isinstance(text, str)))
        row: dict[Picture | str, int] = {thing: i for i, thing in enumerate([*images, *texts])}
        number: dict[Any, int] = {}
        return cls(
            images,
            texts,
            np.array([(row[left], row[text]) for left, text in pairs]),
            np.array([contest.tie_is_right for contest in contests]),
            np.cumsum([0, *(len(question.contests) for question in questions)])[:-1],
            np.array([question.split for question in questions]),
            np.array([question.metric for question in questions]),
            np.array([question.chance for question in questions]),
            np.array([number.setdefault(_cluster(question), len(number)) for question in questions]),
        )

    def judge(self, images: np.ndarray, texts: np.ndarray) -> tuple[np.ndarray, Outcomes]:
        """The (Q,) smallest lead of a right pair over a wrong one, NaN without the images; and the Q outcomes."""
        similarity = np.concatenate(list(self._similarities(np.concatenate([images, texts]))))
        right, wrong = similarity[::2], similarity[1::2]
        passed = (right > wrong) | ((right == wrong) & self.tie_is_right)
        correct, certain, possible = (
            np.logical_and.reduceat(each, self.starts) for each in (passed, right > wrong, right >= wrong)
        )
        # Tied are the questions that another tie rule would have decided otherwise.
        outcomes = Outcomes(correct=correct, tied=possible & ~certain)
        return np.minimum.reduceat(right - wrong, self.starts), outcomes

    def _similarities(self, things: np.ndarray) -> Iterator[np.ndarray]:
        """Row by row in float64: equal embeddings give equal sums, which a matrix product does not promise."""
        for start in range(0, len(self.pairs), CONTESTS_AT_ONCE):
            left, right = self.pairs[start : start + CONTESTS_AT_ONCE].T
            yield (things[left].astype(np.float64) * things[right]).sum(axis=1)


def _cluster(question: Question) -> Any:
    left = question.contests[0].right[0]
    return question.cluster or (left.path if isinstance(left, Crop) else left)


def _mean(chances: np.ndarray) -> float:
    """The mean; of equal numbers, that number without rounding."""
    return float(chances[0] if (chances == chances[0]).all() else chances.mean())
