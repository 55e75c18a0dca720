"""Foils judged by concepts and image tokens, against the equations in plain loops."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_world import paint, write_foils

from rebind.benchmarks import ConceptAttention, FoilBenchmark, build_benchmark, evaluate_model, read_foils
from rebind.benchmarks.concept_attention import add_concept_scores
from rebind.concepts import build_extractor
from rebind.types import UserError

FOILS = [
    ("0.png", "a red circle and a blue box", "a blue circle and a red box"),
    ("0.png", "a red circle on a box", "a box on a red circle"),
    ("1.png", "a green star", "a white star"),
    ("2.png", "a white ring and a box", "a white ring and a star"),
]


@pytest.fixture
def folder(tmp_path):
    for number in range(3):
        paint(tmp_path / f"images/{number}.png", number)
    write_foils(tmp_path / "foils/swap_att.json", FOILS[:2])
    write_foils(tmp_path / "foils/replace_att.json", FOILS[2:])
    return tmp_path


def plainly(encoder, picture, text, scale):
    """The mean over the concepts of a text of the cosine with the tokens pooled by attention to it."""
    with torch.inference_mode():
        inputs = encoder.images([Image.open(picture).convert("RGB")])
        tokens = encoder.encode_image(inputs, with_tokens=True)[1][0].double().numpy()
        cosines = []
        for concept in build_extractor()(text):
            c = encoder.encode_text(encoder.texts([concept]))[0].double().numpy()
            weights = [np.exp(scale * (token @ c)) for token in tokens]
            pooled = sum(w * token for w, token in zip(weights, tokens, strict=True)) / sum(weights)
            cosines.append(pooled @ c / np.linalg.norm(pooled))
    return np.mean(cosines)


def test_outcomes_are_those_of_the_equations(encoder, folder):
    items = read_foils(folder / "foils", folder / "images")
    scores = {score.split: score for score in ConceptAttention(FoilBenchmark("foils", items), 5.0).score(encoder)}
    expected = [
        plainly(encoder, item.image, item.caption, 5.0) > plainly(encoder, item.image, item.foil, 5.0) for item in items
    ]
    assert {score.benchmark for score in scores.values()} == {"foils_by_concepts"}
    same_concepts = [item.caption == FOILS[1][1] for item in items]
    assert scores["swap_att"].ties == 1  # a relation alone is not seen
    wanted = np.array(expected) & ~np.array(same_concepts)
    assert scores["swap_att"].value == wanted[:2].mean()
    assert scores["replace_att"].value == wanted[2:].mean()
    assert scores["micro"].n == 4


def test_they_are_added_to_the_results(encoder, folder):
    encoder.save(folder / "model")
    benchmark = build_benchmark("foils", annotations=folder / "foils", images=folder / "images")
    evaluate_model(folder / "model", [benchmark], folder / "out")
    path = add_concept_scores(folder / "out", str(folder / "model"), [benchmark], 10.0)
    names = [row["benchmark"] for row in json.loads(path.read_text())["scores"]]
    assert names == ["foils"] * 4 + ["foils_by_concepts"] * 4


def test_models_without_image_tokens_are_refused(folder):
    items = read_foils(folder / "foils", folder / "images")
    with pytest.raises(UserError, match="gives no image tokens in the joint space"):
        ConceptAttention(FoilBenchmark("foils", items)).score(object(), "precomputed")
