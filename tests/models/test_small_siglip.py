"""The small SigLIP: stock architecture, its own words, the initial values it is known to learn from."""

import math

import pytest
import torch
from transformers import AutoModel, AutoProcessor, SiglipModel

from rebind.models import build_small_siglip
from rebind.models.small import build_word_tokenizer
from rebind.types import UserError

WORDS = ["a red circle and a blue star", "the Lamp, left of a chair", "two cats"]


def test_same_captions_and_seed_give_the_same_model():
    one, two = build_small_siglip(WORDS, seed=3), build_small_siglip(reversed(WORDS), seed=3)
    for name, value in one.model.state_dict().items():
        assert torch.equal(value, two.model.state_dict()[name])
    assert torch.equal(one.texts(WORDS)["input_ids"], two.texts(WORDS)["input_ids"])
    other = build_small_siglip(WORDS, seed=4)
    assert not torch.equal(other.model.vision_model.head.probe, one.model.vision_model.head.probe)


def test_building_leaves_the_global_random_state_alone():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    build_small_siglip(WORDS)
    assert torch.equal(torch.rand(1), expected)


def test_initial_values():
    model = build_small_siglip([f"w{i}" for i in range(500)], layers=3).model
    assert type(model) is SiglipModel
    text = model.text_model
    assert text.embeddings.token_embedding.weight.std().item() == pytest.approx(0.4, rel=0.05)
    assert model.vision_model.embeddings.position_embedding.weight.std().item() == pytest.approx(0.1, rel=0.15)
    assert model.logit_scale.item() == pytest.approx(math.log(10))
    assert model.logit_bias.item() == -10
    rotations = []
    for layer in text.encoder.layers:
        attention = layer.self_attn
        through = attention.out_proj.weight @ attention.v_proj.weight
        torch.testing.assert_close(through, 3 * torch.eye(64), atol=1e-5, rtol=0)
        rotations.append(attention.out_proj.weight)
    assert not torch.allclose(rotations[0], rotations[1])


def test_pixels_are_centred_on_40_in_units_of_50():
    encoder = build_small_siglip(WORDS)
    pixels = torch.tensor([0, 40, 90, 255], dtype=torch.uint8).view(1, 1, 2, 2).expand(1, 3, 2, 2)
    values = encoder.images.normalise({"pixel_values": pixels})["pixel_values"][0, 0].flatten()
    torch.testing.assert_close(values, torch.tensor([-0.8, 0.0, 1.0, 4.3]), atol=1e-6, rtol=0)


def test_tokenizer_folds_case_splits_punctuation_and_knows_what_it_does_not_know():
    tokenizer = build_word_tokenizer(WORDS, most_tokens=32)
    assert tokenizer.tokenize("The LAMP,left") == ["the", "lamp", ",", "left"]
    assert tokenizer("a zebra")["input_ids"] == [*tokenizer.convert_tokens_to_ids(["a", "<unk>", "</s>"])]
    assert tokenizer.decode(tokenizer("two cats")["input_ids"], skip_special_tokens=True) == "two cats"
    vocabulary = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get)
    assert vocabulary[:3] == ["<pad>", "<unk>", "</s>"]
    assert vocabulary[3:] == sorted(vocabulary[3:])


def test_context_holds_the_longest_caption_and_its_end():
    assert build_small_siglip(["one two three"]).context_length == 4
    encoder = build_small_siglip(["one two three four"])
    assert encoder.context_length == 5
    assert encoder.texts(["one two three four"])["input_ids"].shape == (1, 5)
    assert build_small_siglip([" ".join(["long"] * 100)]).context_length == 32  # the width of a head


def attention_of(encoder, text: str) -> torch.Tensor:
    """(layers, heads, T, T) attention of the text tower."""
    encoder.model.set_attn_implementation("eager")
    output = encoder.model.text_model(**encoder.texts([text]), output_attentions=True)
    return torch.stack(output.attentions)[:, 0]


def test_first_head_starts_out_reading_the_word_before():
    captions = ["a red circle above a blue star and a green heart"]
    attention = attention_of(build_small_siglip(captions), captions[0])[0, 0]
    assert attention.argmax(-1)[1:].tolist() == list(range(len(attention) - 1))
    assert attention.diagonal(-1).min() > 0.8


def test_other_sizes(tmp_path):
    encoder = build_small_siglip(WORDS, image_size=24, patch_size=8, width=32, mlp=40, layers=1, heads=4)
    pooled, tokens, _ = encoder.encode_image({"pixel_values": torch.zeros(2, 3, 24, 24, dtype=torch.uint8)}, True)
    assert pooled.shape == (2, 32)
    assert tokens.shape == (2, 9, 32)
    encoder.save(tmp_path / "small")
    assert AutoModel.from_pretrained(tmp_path / "small").config.vision_config.intermediate_size == 40
    processor = AutoProcessor.from_pretrained(tmp_path / "small")
    ids = processor(text=WORDS, padding="max_length", return_tensors="pt")["input_ids"]
    assert torch.equal(ids, encoder.texts(WORDS)["input_ids"])


@pytest.mark.parametrize("captions", [[], ["", "  "]])
def test_no_words_is_an_error(captions):
    with pytest.raises(UserError, match="vocabulary"):
        build_small_siglip(captions)
