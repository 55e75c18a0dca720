"""The official rules of SugarCrepe and SugarCrepe++, written out plainly: one text and one pair at a time."""

import json
from functools import cache

import numpy as np
import torch
from PIL import Image


class OneAtATime:
    """Embeds single texts and pictures, in float64 inside so that no rounding can decide between two captions."""

    def __init__(self, encoder):
        self.encoder = encoder
        self.text, self.image = cache(self._text), cache(self._image)

    @torch.inference_mode()
    def _text(self, text):
        return self.encoder.encode_text(self.encoder.texts([text]))[0].float().numpy().astype(np.float64)

    @torch.inference_mode()
    def _image(self, path):
        with Image.open(path) as picture:
            inputs = self.encoder.images([picture.convert("RGB")])
        return self.encoder.encode_image(inputs)[0][0].float().numpy().astype(np.float64)


def cosine(left, right):
    return float((left * right).sum())


def sugarcrepe(path, images, model):
    """n, how many are right and how many tie, of one category."""
    right = ties = 0
    rows = json.loads(path.read_text()).values()
    for row in rows:
        image = model.image(images / row["filename"])
        positive, negative = (cosine(model.text(row[field]), image) for field in ("caption", "negative_caption"))
        right += 1 if positive > negative else 0
        ties += 1 if positive == negative else 0
    return len(rows), right, ties


def sugarcrepe_pp(path, images, model):
    """For each of the four accuracies of one category: n, how many are right, how many a kinder tie rule would add."""
    counts = {metric: [0, 0, 0] for metric in ("image_text", "first_caption", "second_caption", "text_only")}
    for row in json.loads(path.read_text()):
        p1, p2, neg = (model.text(row[field]) for field in ("caption", "caption2", "negative_caption"))
        p1_p2, p1_neg, p2_neg = cosine(p1, p2), cosine(p1, neg), cosine(p2, neg)
        answers = {"text_only": (p1_p2 > p1_neg and p1_p2 > p2_neg, p1_p2 >= p1_neg and p1_p2 >= p2_neg)}
        if images is not None:
            image = model.image(images / row["filename"])
            cos_p1, cos_p2, cos_neg = cosine(image, p1), cosine(image, p2), cosine(image, neg)
            answers |= {
                "image_text": (cos_p1 > cos_neg and cos_p2 > cos_neg, cos_p1 >= cos_neg and cos_p2 >= cos_neg),
                "first_caption": (cos_p1 > cos_neg, cos_p1 >= cos_neg),
                "second_caption": (cos_p2 > cos_neg, cos_p2 >= cos_neg),
            }
        for metric, (correct, with_ties) in answers.items():
            counts[metric][0] += 1
            counts[metric][1] += correct
            counts[metric][2] += with_ties and not correct
    return {metric: tuple(count) for metric, count in counts.items() if count[0]}
