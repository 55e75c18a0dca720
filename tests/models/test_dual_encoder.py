"""Embeddings are the model's own; image tokens are what the pooling head says of one token alone."""

import copy

import pytest
import torch
import torch.nn.functional as F
from transformers import CLIPConfig, CLIPModel

from rebind.models import DualEncoder
from rebind.models.image_tokens import attend_alone, image_tokens
from rebind.types import UserError


@torch.no_grad()
def test_embeddings_are_normalised_and_of_the_joint_width(encoder, pictures, captions):
    image, tokens, mask = encoder.encode_image(encoder.images(pictures), with_tokens=True)
    text = encoder.encode_text(encoder.texts(captions))
    assert image.shape == text.shape == (4, encoder.width)
    assert tokens.shape[0] == 4
    assert tokens.shape[2] == encoder.width
    for vectors in (image, text, tokens):
        torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(vectors.shape[:-1]))
    assert (mask is None) == (encoder.family != "siglip2")
    assert tokens.shape[1] == (9 if mask is None else mask.shape[1]), "48 / 16 squared; CLIP's class token left out"


@torch.no_grad()
def test_pooled_embedding_does_not_depend_on_asking_for_tokens(encoder, pictures):
    inputs = encoder.images(pictures)
    pooled, tokens, mask = encoder.encode_image(inputs)
    assert tokens is None
    assert mask is None
    assert torch.equal(pooled, encoder.encode_image(inputs, with_tokens=True)[0])


@torch.no_grad()
@pytest.mark.parametrize("name", ["siglip", "siglip2-naflex"])
def test_siglip_token_is_the_head_looking_at_it_alone(encoders, name):
    head = copy.deepcopy(encoders[name].model.vision_model.head)
    for vector in (head.attention.in_proj_bias, head.attention.out_proj.bias, head.mlp.fc2.bias):
        torch.nn.init.normal_(vector)  # zero at the start, which would hide a forgotten bias
    hidden = torch.randn(3, 7, 32)
    tokens = attend_alone(head, hidden)
    for index in range(7):
        torch.testing.assert_close(tokens[:, index], head(hidden[:, index : index + 1]), atol=1e-6, rtol=1e-5)


@torch.no_grad()
def test_naflex_token_is_the_head_with_all_others_masked(encoders):
    head = encoders["siglip2-naflex"].model.vision_model.head
    hidden = torch.randn(1, 5, 32)
    tokens = attend_alone(head, hidden)
    for index in range(5):
        only = F.one_hot(torch.tensor([index]), 5)
        torch.testing.assert_close(tokens[:, index], head(hidden, only), atol=1e-6, rtol=1e-5)


@torch.no_grad()
def test_clip_tokens_pass_through_what_the_class_token_passes_through(encoders, pictures):
    encoder = encoders["clip"]
    pixels = encoder.images.processor(pictures, return_tensors="pt")
    output = encoder.model.get_image_features(**pixels)
    hidden = output.last_hidden_state
    swapped = torch.cat([hidden[:, 1:], hidden[:, :1]], dim=1)  # the class token in a patch's place
    torch.testing.assert_close(image_tokens(encoder.model, swapped)[:, -1], output.pooler_output)
    assert image_tokens(encoder.model, hidden).shape == (4, 9, encoder.width)


@torch.no_grad()
def test_naflex_padding_does_not_reach_the_embedding(encoders, pictures):
    encoder = encoders["siglip2-naflex"]
    inputs = encoder.images(pictures)
    dirty = {**inputs, "pixel_values": inputs["pixel_values"].clone()}
    dirty["pixel_values"][inputs["pixel_attention_mask"] == 0] = 255
    torch.testing.assert_close(encoder.encode_image(dirty)[0], encoder.encode_image(inputs)[0])


@torch.no_grad()
def test_clip_reads_the_end_of_each_text_whatever_the_batch(encoders, captions):
    encoder = encoders["clip"]
    together = encoder.encode_text(encoder.texts(captions))
    for row, caption in enumerate(captions):
        ids = torch.tensor([encoder.texts.tokenizer(caption, truncation=True)["input_ids"]])
        hidden = encoder.model.text_model(input_ids=ids).last_hidden_state
        alone = F.normalize(encoder.model.text_projection(hidden[:, -1]), dim=-1)  # nothing but its end comes last
        torch.testing.assert_close(together[row : row + 1], alone, atol=1e-6, rtol=0)


def with_end_id(encoder, end):
    settings = encoder.model.config.to_dict()
    settings["text_config"]["eos_token_id"] = end
    return CLIPModel(CLIPConfig(**settings)), encoder.texts.tokenizer, encoder.images.processor


@torch.no_grad()
def test_clip_configurations_that_call_the_end_2_still_work(encoders, captions):
    encoder = encoders["clip"]
    old = DualEncoder(*with_end_id(encoder, 2)).eval()
    old.model.load_state_dict(encoder.model.state_dict())
    texts = encoder.texts(captions)
    torch.testing.assert_close(old.encode_text(texts), encoder.encode_text(texts))


def test_clip_with_another_end_of_text_is_refused(encoders):
    with pytest.raises(UserError, match="model looks for id 49407"):
        DualEncoder(*with_end_id(encoders["clip"], 49407))


def test_logit_scale_and_bias_are_scalars_that_learn(encoder):
    assert encoder.logit_scale.shape == encoder.logit_bias.shape == ()
    torch.testing.assert_close(encoder.logit_scale, encoder.model.logit_scale.exp().squeeze())
    assert encoder.logit_scale.requires_grad
    assert encoder.logit_bias.requires_grad == (encoder.family != "clip")


def test_gradients_reach_both_towers(encoder, pictures, captions):
    encoder.zero_grad()
    pooled, tokens, _ = encoder.encode_image(encoder.images(pictures), with_tokens=True)
    text = encoder.encode_text(encoder.texts(captions))
    direction = torch.randn(encoder.width, generator=torch.Generator().manual_seed(0))
    ((pooled + tokens.mean(1) + text) @ direction * encoder.logit_scale + encoder.logit_bias).sum().backward()
    without = {name for name, parameter in encoder.named_parameters() if parameter.grad is None}
    assert without == set()
    encoder.zero_grad()


@torch.no_grad()
def test_autocast_gives_float32_embeddings_close_to_the_exact_ones(encoder, pictures, captions):
    images, texts = encoder.images(pictures), encoder.texts(captions)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = encoder.encode_text(texts), *encoder.encode_image(images, with_tokens=True)[:2]
    exact = encoder.encode_text(texts), *encoder.encode_image(images, with_tokens=True)[:2]
    for low, high in zip(rough, exact, strict=True):
        assert low.dtype == torch.float32
        torch.testing.assert_close(low, high, atol=0.05, rtol=0)


def test_configuration_is_left_alone(encoders):
    encoder = encoders["siglip"]
    before = encoder.model.config.to_dict()
    DualEncoder(encoder.model, encoder.texts.tokenizer, encoder.images.processor)
    assert encoder.model.config.to_dict() == before
