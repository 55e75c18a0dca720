"""A stranger's folder: JPEG photos, a CSV of captions, and a small random SigLIP with a real tokenizer."""

import csv
import io

import numpy as np
import sentencepiece
import torch
import transformers
from PIL import Image, ImageDraw

COLOURS = ["red", "green", "blue", "yellow", "white", "black"]
THINGS = {"plate": "ellipse", "box": "rectangle"}
TOWER = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
SIZE = 48


def photo(left, right):
    """A noisy picture of two things side by side, each (colour, shape)."""
    noise = np.random.default_rng(len(left[0]) + 7 * len(right[0])).integers(90, 160, (60, 80, 3), dtype=np.uint8)
    picture = Image.fromarray(noise)
    draw = ImageDraw.Draw(picture)
    for place, (colour, shape) in zip((5, 45), (left, right), strict=True):
        getattr(draw, shape)((place, 15, place + 30, 45), fill=colour)
    return picture


def write_photos(folder, count=24):
    """Write ``count`` JPEGs and ``captions.csv``; returns the folder."""
    folder.mkdir()
    pairs = [(left, right) for left in COLOURS for right in COLOURS if left != right][:count]
    with (folder / "captions.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "caption"])
        for number, (left, right) in enumerate(pairs):
            photo((left, "ellipse"), (right, "rectangle")).save(folder / f"IMG_{number:04}.jpg", quality=90)
            rows.writerow([f"IMG_{number:04}.jpg", f"A {left} plate next to a {right} box, on the table."])
    return folder


def write_siglip(folder):
    """Save a random ``SiglipModel`` with a sentencepiece tokenizer, as on the hub; returns the folder."""
    trained = io.BytesIO()
    words = [f"a {colour} {thing} next to a {colour} {thing} on the table" for colour in COLOURS for thing in THINGS]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(words),
        model_writer=trained,
        vocab_size=80,
        hard_vocab_limit=False,
        pad_id=-1,
        bos_id=-1,
        minloglevel=2,
    )
    folder.mkdir()
    (folder / "spiece.model").write_bytes(trained.getvalue())
    tokenizer = transformers.SiglipTokenizer(str(folder / "spiece.model"), model_max_length=64)
    ids = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id, "bos_token_id": None}
    text = {**TOWER, **ids, "vocab_size": len(tokenizer), "max_position_embeddings": 64, "projection_size": 32}
    vision = {**TOWER, "image_size": SIZE, "patch_size": 16}
    torch.manual_seed(0)
    model = transformers.SiglipModel(transformers.SiglipConfig(text_config=text, vision_config=vision))
    images = transformers.SiglipImageProcessorPil(size={"height": SIZE, "width": SIZE})
    model.save_pretrained(folder)
    transformers.SiglipProcessor(image_processor=images, tokenizer=tokenizer).save_pretrained(folder)
    return folder
