"""Small random checkpoints of every family, each with a real tokenizer of its kind trained on a few captions."""

import io
import json

import sentencepiece
import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from rebind.models import DualEncoder

CAPTIONS = [
    "a red circle and a blue star",
    "A Photo of two dogs, running on the beach!",
    "an umbrella",
    "the man with the yellow helmet rides a bicycle past a stop sign near the old brick building in town today",
]
FAMILIES = ["siglip", "siglip2-fixed", "siglip2-naflex", "clip"]
TOWER = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
CONTEXT = 24
SIZE = 48


def learn_byte_pairs(normalizer, pre_tokenizer, suffix="", **options):
    """The vocabulary and merges of a byte-pair tokenizer trained on the captions."""
    backend = Tokenizer(models.BPE(end_of_word_suffix=suffix))
    backend.normalizer, backend.pre_tokenizer = normalizer, pre_tokenizer
    trainer = trainers.BpeTrainer(vocab_size=400, show_progress=False, end_of_word_suffix=suffix, **options)
    backend.train_from_iterator(CAPTIONS, trainer)
    learned = json.loads(backend.to_str())["model"]
    return learned["vocab"], [tuple(merge) for merge in learned["merges"]]


def siglip_tokenizer(folder):
    trained = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([caption.lower() for caption in CAPTIONS]),
        model_writer=trained,
        vocab_size=64,
        hard_vocab_limit=False,
        pad_id=-1,
        bos_id=-1,
        minloglevel=2,
    )
    path = folder / "spiece.model"
    path.write_bytes(trained.getvalue())
    return transformers.SiglipTokenizer(str(path))


def gemma_tokenizer(kind):
    normalizer = normalizers.Sequence([normalizers.Lowercase(), normalizers.Replace(" ", "▁")])
    specials = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    vocab, merges = learn_byte_pairs(normalizer, pre_tokenizers.Split("▁", "merged_with_next"), special_tokens=specials)
    tokenizer = kind(vocab=vocab, merges=merges, padding_side="left")
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="$A <eos>", special_tokens=[("<eos>", vocab["<eos>"])]
    )
    return tokenizer


def clip_tokenizer():
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    splitter = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    vocab, merges = learn_byte_pairs(normalizers.Lowercase(), splitter, "</w>", initial_alphabet=alphabet)
    for special in ("<|startoftext|>", "<|endoftext|>"):
        vocab[special] = len(vocab)
    return transformers.CLIPTokenizer(vocab=vocab, merges=merges)


def siglip_parts(tokenizer):
    config = transformers.SiglipConfig(
        text_config={
            **TOWER,
            "vocab_size": len(tokenizer),
            "max_position_embeddings": CONTEXT,
            "projection_size": 32,
            "pad_token_id": tokenizer.pad_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "bos_token_id": None,
        },
        vision_config={**TOWER, "image_size": SIZE, "patch_size": 16},
    )
    processor = transformers.SiglipImageProcessorPil(
        size={"height": SIZE, "width": SIZE}, image_mean=[0.5, 0.4, 0.3], image_std=[0.5, 0.25, 0.4]
    )
    return transformers.SiglipModel(config), tokenizer, processor


def naflex_parts():
    tokenizer = gemma_tokenizer(transformers.Siglip2Tokenizer)
    config = transformers.Siglip2Config(
        text_config={
            **TOWER,
            "vocab_size": len(tokenizer),
            "max_position_embeddings": CONTEXT,
            "projection_size": 32,
            "pad_token_id": 0,
            "eos_token_id": 1,
            "bos_token_id": 2,
        },
        vision_config={**TOWER, "num_patches": 16, "patch_size": 16},
    )
    processor = transformers.Siglip2ImageProcessorPil(image_mean=[0.5, 0.4, 0.3], image_std=[0.5, 0.25, 0.4])
    return transformers.Siglip2Model(config), tokenizer, processor


def clip_parts():
    tokenizer = clip_tokenizer()
    config = transformers.CLIPConfig(
        text_config={
            **TOWER,
            "vocab_size": len(tokenizer),
            "max_position_embeddings": CONTEXT,
            "pad_token_id": tokenizer.pad_token_id,
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
        },
        vision_config={**TOWER, "image_size": SIZE, "patch_size": 16},
        projection_dim=24,
    )
    processor = transformers.CLIPImageProcessorPil(
        size={"shortest_edge": SIZE}, crop_size={"height": SIZE, "width": SIZE}
    )
    return transformers.CLIPModel(config), tokenizer, processor


def build_encoders(folder):
    """One untrained encoder of each family; ``folder`` is for scratch files."""
    torch.manual_seed(0)
    parts = {
        "siglip": siglip_parts(siglip_tokenizer(folder)),
        "siglip2-fixed": siglip_parts(gemma_tokenizer(transformers.GemmaTokenizer)),
        "siglip2-naflex": naflex_parts(),
        "clip": clip_parts(),
    }
    return {name: DualEncoder(model.eval(), *rest) for name, (model, *rest) in parts.items()}
