"""Folders as sentence-transformers writes them, around a small random BERT."""

import json

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from rebind.benchmarks import BENCHMARKS, FoilBenchmark, FoilItem, evaluate
from rebind.benchmarks.embedding import embed_images, embed_texts
from rebind.benchmarks.embedding_cache import EmbeddingCache
from rebind.models import load_encoder
from rebind.types import UserError

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "red", "blue", "star", "and", "ring", "query", ":"]
TEXTS = ["a red star", "a", "A blue ring and a red star and a ring", "blue star"]


def write_json(path, value):
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value))


def write_folder(folder, pooling, modules=("Transformer", "Pooling", "Normalize")):
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
    BertModel(BertConfig(vocab_size=len(WORDS), max_position_embeddings=32, **sizes)).save_pretrained(folder)
    backend = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    backend.normalizer = normalizers.Lowercase()
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    specials = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=backend, model_max_length=32, **specials).save_pretrained(folder)
    names = {"Transformer": "", "Pooling": "1_Pooling", "Normalize": "2_Normalize", "Dense": "2_Dense"}
    write_json(
        folder / "modules.json",
        [
            {"idx": i, "name": str(i), "path": names[kind], "type": f"sentence_transformers.models.{kind}"}
            for i, kind in enumerate(modules)
        ],
    )
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": 8, "do_lower_case": False})
    write_json(folder / "1_Pooling/config.json", pooling)
    return folder


MEAN = {"word_embedding_dimension": 16, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}
CLS = {"word_embedding_dimension": 16, "pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
NAMED = {"embedding_dimension": 16, "pooling_mode": "mean", "include_prompt": True}


@torch.no_grad()
def plainly(folder, text, pooling):
    model = BertModel.from_pretrained(folder).eval()
    ids = [2, *[WORDS.index(word) for word in text.lower().split()][:6], 3]
    hidden = model(input_ids=torch.tensor([ids])).last_hidden_state[0]
    vector = hidden[0] if pooling is CLS else hidden.mean(dim=0)
    return (vector / vector.norm()).numpy()


@pytest.mark.parametrize("pooling", [MEAN, CLS, NAMED], ids=["mean", "cls", "named"])
def test_embeddings_are_those_of_the_plain_model(tmp_path, pooling):
    encoder = load_encoder(f"sentence:{write_folder(tmp_path, pooling)}")
    embedded = embed_texts(encoder, TEXTS, cache=EmbeddingCache(tmp_path / "cache", encoder))
    assert np.allclose(embedded, [plainly(tmp_path, text, pooling) for text in TEXTS], atol=1e-6)
    assert encoder.context_length == 8
    assert encoder.describe()["pooling"] == ("cls" if pooling is CLS else "mean")
    assert not encoder.training


def test_a_default_prompt_goes_before_every_text(tmp_path):
    write_folder(tmp_path, MEAN)
    write_json(
        tmp_path / "config_sentence_transformers.json", {"prompts": {"q": "query : "}, "default_prompt_name": "q"}
    )
    embedded = embed_texts(load_encoder(f"sentence:{tmp_path}"), ["a red star"])
    assert np.allclose(embedded[0], plainly(tmp_path, "query : a red star", MEAN), atol=1e-6)


def test_it_has_no_images(tmp_path):
    encoder = load_encoder(f"sentence:{write_folder(tmp_path, MEAN)}")
    assert embed_images(encoder, []).embeddings.shape == (0, 16)
    with pytest.raises(UserError, match="embeds texts only"):
        encoder.images([])


@pytest.mark.parametrize(
    ("pooling", "modules", "said"),
    [
        (
            {**MEAN, "pooling_mode_max_tokens": True},
            ("Transformer", "Pooling"),
            "pooling mean and pooling_mode_max_tok",
        ),
        ({}, ("Transformer", "Pooling"), "pooling of no kind"),
        (MEAN, ("Transformer", "Pooling", "Dense"), "is made of Transformer, Pooling, Dense; supported are"),
    ],
)
def test_other_modules_are_refused(tmp_path, pooling, modules, said):
    with pytest.raises(UserError, match=said):
        load_encoder(f"sentence:{write_folder(tmp_path, pooling, modules)}")


@pytest.mark.parametrize("name", ["modules.json", "1_Pooling/config.json", "config.json", "model.safetensors"])
@pytest.mark.parametrize("damage", ["gone", "cut"])
def test_a_damaged_folder_is_one_sentence(tmp_path, name, damage):
    file = write_folder(tmp_path, MEAN) / name
    file.write_bytes(file.read_bytes()[:9])
    if damage == "gone":
        file.unlink()
    with pytest.raises(UserError, match=r"cannot (read|load)"):
        load_encoder(f"sentence:{tmp_path}")


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match="does not exist; give its folder or the name of a hub model"):
        load_encoder(f"sentence:{tmp_path / 'none'}")


def test_benchmarks_with_pictures_are_refused_before_anything_is_embedded(tmp_path):
    encoder = load_encoder(f"sentence:{write_folder(tmp_path, MEAN)}")
    encoder.texts = None  # not asked for
    benchmark = FoilBenchmark("foils", [FoilItem("swap_att", tmp_path / "none.jpg", "a red star", "a star")])
    with pytest.raises(UserError, match=r"embeds texts only.* such as sugarcrepe\+\+_text"):
        evaluate(encoder, [benchmark])
    assert "sugarcrepe++_text" in BENCHMARKS
