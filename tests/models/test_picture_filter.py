import numpy as np
import pytest
import torch
from PIL import Image

from rebind.models.picture_filter import PictureFilter
from rebind.models.scoring import score_captions

CAPTIONS = ["a red circle and a blue star", "an umbrella", "two dogs on the beach"]
ORIGINALS = ["a blue circle and a red star", "a bicycle", "A Photo of two dogs, running on the beach!"]


@pytest.fixture(scope="module")
def drawn():
    noise = np.random.default_rng(5)
    return [Image.fromarray(noise.integers(0, 256, (40, 30, 3), dtype=np.uint8)) for _ in CAPTIONS]


def test_cosines_are_those_of_each_picture_with_its_own_captions(encoder, drawn):
    verdicts = PictureFilter(encoder)(drawn, CAPTIONS, ORIGINALS)
    for picture, caption, original, verdict in zip(drawn, CAPTIONS, ORIGINALS, verdicts, strict=True):
        alone = {score.caption: score.cosine for score in score_captions(encoder, picture, [caption, original])}
        assert verdict.caption == pytest.approx(alone[caption], abs=1e-5)
        assert verdict.original == pytest.approx(alone[original], abs=1e-5)


def test_what_stays_is_nearer_to_its_own_caption_by_the_margin(encoder, drawn):
    verdicts = PictureFilter(encoder)(drawn, CAPTIONS, ORIGINALS)
    turned = PictureFilter(encoder)(drawn, ORIGINALS, CAPTIONS)
    for verdict, other in zip(verdicts, turned, strict=True):
        assert verdict.fault == ("" if verdict.caption > verdict.original else "nearer to the original caption")
        assert {verdict.fault, other.fault} == {"", "nearer to the original caption"}, "one of the two stays"
    gaps = sorted(abs(verdict.caption - verdict.original) for verdict in verdicts)
    for margin, stay in ((gaps[0] / 2, 3), ((gaps[0] + gaps[1]) / 2, 2), ((gaps[1] + gaps[2]) / 2, 1), (1.9, 0)):
        judge = PictureFilter(encoder, margin=margin)
        both = [*judge(drawn, CAPTIONS, ORIGINALS), *judge(drawn, ORIGINALS, CAPTIONS)]
        assert sum(not verdict.fault for verdict in both) == stay


def test_a_caption_is_no_nearer_than_itself(encoder, drawn):
    assert all(verdict.fault for verdict in PictureFilter(encoder)(drawn, CAPTIONS, CAPTIONS))


def test_the_least_cosine(encoder, drawn):
    kept = [verdict for verdict in PictureFilter(encoder)(drawn, CAPTIONS, ORIGINALS) if not verdict.fault]
    above = PictureFilter(encoder, minimum=1.0)(drawn, CAPTIONS, ORIGINALS)
    assert sum(verdict.fault == "too unlike its caption" for verdict in above) == len(kept)
    assert PictureFilter(encoder, minimum=-1.0)(drawn, CAPTIONS, ORIGINALS) == PictureFilter(encoder)(
        drawn, CAPTIONS, ORIGINALS
    )
    assert not torch.is_grad_enabled() or encoder.logit_scale.requires_grad, "gradients are as they were"
