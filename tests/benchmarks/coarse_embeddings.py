"""Embeddings without a model: a few coarse numbers for each picture and text, so that ties are common."""

import re
import zlib

import numpy as np


def vector(thing):
    name = re.sub(r"/\S*/test_[^/]*/", "", str(thing))  # wherever the temporary folder of this run lies
    return np.random.default_rng(zlib.crc32(name.encode())).integers(-1, 2, 3).astype(np.float32)


def similarity(left, right):
    return float(vector(left) @ vector(right))


def scores_of(benchmark):
    """The benchmark's scores by (split, metric)."""
    images = np.array([vector(image) for image in benchmark.images]).reshape(-1, 3)
    scores = benchmark.score(images, np.array([vector(text) for text in benchmark.texts]))
    assert {score.benchmark for score in scores} == {benchmark.name}
    return {(score.split, score.metric): score for score in scores}
