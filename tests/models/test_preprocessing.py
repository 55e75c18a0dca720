"""Images and texts are prepared as the checkpoint's own processors do."""

import pickle

import pytest
import torch
from PIL import Image


def test_normalised_pixels_are_the_image_processors_own(encoder, pictures):
    inputs = encoder.images(pictures)
    assert inputs["pixel_values"].dtype == torch.uint8
    reference = encoder.images.processor(pictures, return_tensors="pt")
    ours = encoder.images.normalise(inputs)
    assert ours.keys() == dict(reference).keys()
    for name, values in reference.items():
        torch.testing.assert_close(ours[name], values, atol=1e-6, rtol=0, check_dtype=False)


def test_pictures_of_the_right_size_skip_the_processor_unchanged(encoders, pictures):
    fitting = [picture for picture in pictures if picture.size == (48, 48)] * 2
    for name in ("siglip", "siglip2-fixed", "clip"):
        images = encoders[name].images
        assert images.untouched_size == (48, 48)
        reference = images.processor(fitting, do_rescale=False, do_normalize=False, return_tensors="pt")
        assert torch.equal(images(fitting)["pixel_values"], reference["pixel_values"])
    assert encoders["siglip2-naflex"].images.untouched_size is None


def test_naflex_keeps_the_shape_of_a_picture(encoders):
    inputs = encoders["siglip2-naflex"].images([Image.new("RGB", (320, 80)), Image.new("RGB", (64, 64))])
    rows, columns = inputs["spatial_shapes"][0].tolist()
    assert columns == pytest.approx(4 * rows, rel=0.1)
    assert inputs["pixel_attention_mask"].sum(1).tolist() == inputs["spatial_shapes"].prod(1).tolist()


def test_texts_have_the_length_the_text_tower_was_trained_on(encoder, captions):
    tokens = encoder.texts(captions[:3])
    if encoder.family == "clip":
        assert tokens["input_ids"].shape == tokens["attention_mask"].shape
        assert tokens["input_ids"].shape[1] < encoder.context_length
    else:
        assert tokens.keys() == {"input_ids"}
        assert tokens["input_ids"].shape == (3, encoder.context_length)
    assert tokens["input_ids"][2, 0] != encoder.texts.pad_token_id, "padding belongs on the right"


def test_long_texts_are_cut_and_keep_their_end(encoder, captions):
    ids = encoder.texts([captions[3] * 3])["input_ids"][0]
    assert len(ids) == encoder.context_length
    assert ids[-1] == encoder.texts.tokenizer.eos_token_id


def test_preprocessing_travels_to_workers(encoder, pictures, captions):
    images, texts = pickle.loads(pickle.dumps((encoder.images, encoder.texts)))
    for ours, theirs in ((encoder.images(pictures), images(pictures)), (encoder.texts(captions), texts(captions))):
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_the_given_tokenizer_is_left_alone(encoders):
    texts = encoders["siglip2-fixed"].texts
    before = texts.tokenizer.model_max_length
    type(texts)(texts.tokenizer, 7, full_length=True)
    assert texts.tokenizer.model_max_length == before
