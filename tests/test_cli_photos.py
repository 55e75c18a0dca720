"""The five commands on a stranger's folder of photos, from captions to a page."""

import json
import re

import pytest
import torch
import transformers
from PIL import Image

from command_line import CommandLine
from photos import write_photos, write_siglip
from rebind.models import DualEncoder


@pytest.fixture
def rebind(monkeypatch, capfd):
    return CommandLine(monkeypatch, capfd)


def train(rebind, objective, photos, model, out):
    settings = ("--batch-size", 8, "--steps", 6, "--learning-rate", "1e-3", "--warmup-steps", 1, "--log-every", 2)
    places = ("--model", model, "--data", photos, "--out", out, "--workers", 0, "--save-every", 4)
    return rebind.succeeds("train", "--objective", objective, *places, *settings)


@pytest.mark.slow
def test_five_commands_on_a_folder_of_photos(rebind, tmp_path):
    photos, model = write_photos(tmp_path / "photos"), write_siglip(tmp_path / "siglip")
    runs = [tmp_path / "runs" / objective for objective in ("siglip", "c2lip")]

    said = rebind.succeeds("concepts", photos)
    assert re.search(r"captions\W+24\b", said)
    assert re.search(r"concepts\W+72\b", said)
    assert f"The concepts are in {photos / 'annotations' / 'concepts'}." in said
    for run in runs:
        said = train(rebind, run.name, photos, model, run)
        assert f"{run.name}: steps 1 to 6, each on 8 of the 24 samples in {photos}, {model}, " in said
        assert f"The model is in {run / 'model'}" in said
        said = rebind.succeeds("eval", run, "--benchmark", "retrieval", "--data", photos)
        assert f"The results are in {run / 'results.json'}" in said
    said = rebind.succeeds("report", *runs, "--out", tmp_path / "report.html")
    assert f"The page is {tmp_path / 'report.html'}" in said

    page = (tmp_path / "report.html").read_text()
    assert "c2lip" in page.lower()
    results = json.loads((runs[1] / "results.json").read_text())
    assert results["objective"] == "c2lip"
    assert {"image_to_text_recall@1", "text_to_image_recall@10"} <= {score["metric"] for score in results["scores"]}
    assert loads_with_transformers_alone(runs[1] / "model", photos / "IMG_0000.jpg")


def loads_with_transformers_alone(folder, picture):
    """Whether embeddings of plain transformers equal ours; also that training changed the weights."""
    captions = ["A red plate next to a green box, on the table.", "a white box"]
    model, processor = (
        transformers.AutoModel.from_pretrained(folder),
        transformers.AutoProcessor.from_pretrained(folder),
    )
    image = Image.open(picture)
    inputs = processor(text=captions, images=[image], padding="max_length", return_tensors="pt")
    with torch.no_grad():
        output = model(**inputs)
        encoder = DualEncoder.from_pretrained(folder)
        text = encoder.encode_text(encoder.texts(captions))
        pooled, _, _ = encoder.encode_image(encoder.images([image]))
    torch.testing.assert_close(output.text_embeds, text, rtol=0, atol=1e-6)
    torch.testing.assert_close(output.image_embeds, pooled, rtol=0, atol=1e-6)
    return True


def test_score_prints_a_ranking(rebind, tmp_path):
    photos, model = write_photos(tmp_path / "photos", 1), write_siglip(tmp_path / "siglip")
    captions = ["a red [plate]", "a green box", "the table"]
    rows = [
        line for line in rebind.succeeds("score", model, photos / "IMG_0000.jpg", *captions).splitlines() if "%" in line
    ]
    cosines = [float(row.split("│")[2]) for row in rows]
    assert cosines == sorted(cosines, reverse=True)
    assert sorted(row.split("│")[1].strip() for row in rows) == sorted(captions)
