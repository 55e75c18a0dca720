"""A SigLIP small enough to train on a processor in minutes, built around any set of captions."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    PreTrainedTokenizerFast,
    SiglipConfig,
    SiglipImageProcessorPil,
    SiglipModel,
    SiglipTextConfig,
    SiglipVisionConfig,
)

from rebind.models.dual_encoder import DualEncoder
from rebind.models.initial_values import set_initial_values
from rebind.types import UserError

PAD, UNKNOWN, END = "<pad>", "<unk>", "</s>"
PIXEL_MEAN, PIXEL_STD = 40 / 255, 50 / 255  # pictures on a dark ground


def build_small_siglip(
    captions: Iterable[str],
    image_size: int = 48,
    patch_size: int = 16,
    width: int = 64,
    mlp: int = 256,
    layers: int = 2,
    heads: int = 2,
    seed: int = 0,
) -> DualEncoder:
    """Build an untrained stock ``SiglipModel`` and a word-level tokenizer for the words of the captions.

    Args:
        captions: the texts whose words make the vocabulary, and whose longest sets the context length; what goes
            beyond ``width / heads`` tokens is cut off.
        image_size: side of the square images in pixels.
        patch_size: side of a patch in pixels.
        width: width of both towers and of the joint space.
        mlp: hidden width of the MLPs.
        layers: transformer layers in each tower.
        heads: attention heads in each tower.
        seed: of the initial values; equal seeds and captions give equal models.

    Returns:
        The encoder, logit scale 10 and logit bias -10: whoever trains it sets the bias from the batch size.

    Raises:
        UserError: when no caption holds a word.
    """
    tokenizer = build_word_tokenizer(captions, most_tokens=width // heads)
    text = SiglipTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=mlp,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        max_position_embeddings=tokenizer.model_max_length,
        projection_size=width,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    vision = SiglipVisionConfig(
        hidden_size=width,
        intermediate_size=mlp,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        image_size=image_size,
        patch_size=patch_size,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = SiglipModel(SiglipConfig(text_config=text.to_dict(), vision_config=vision.to_dict()))
        set_initial_values(model)
    image_processor = SiglipImageProcessorPil(
        size={"height": image_size, "width": image_size}, image_mean=[PIXEL_MEAN] * 3, image_std=[PIXEL_STD] * 3
    )
    return DualEncoder(model, tokenizer, image_processor)


def build_word_tokenizer(captions: Iterable[str], most_tokens: int) -> PreTrainedTokenizerFast:
    """Build a lower-casing word-level tokenizer whose vocabulary is every word and punctuation mark of the captions.

    The vocabulary is sorted, so that it does not depend on the order of the captions. Texts end in ``</s>`` and are
    padded with ``<pad>``; the context length is the longest caption and its end, at most ``most_tokens``.

    Raises:
        UserError: when no caption holds a word.
    """
    normaliser = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    splitter = pre_tokenizers.Whitespace()  # runs of word characters, runs of punctuation
    words: set[str] = set()
    longest = 0
    for caption in captions:
        pieces = [word for word, _ in splitter.pre_tokenize_str(normaliser.normalize_str(caption))]
        words.update(pieces)
        longest = max(longest, len(pieces))
    if not words:
        raise UserError("cannot build a vocabulary: there is no caption with a word in it; give at least one")

    vocabulary = {word: index for index, word in enumerate([PAD, UNKNOWN, END, *sorted(words - {PAD, UNKNOWN, END})])}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    backend.normalizer = normaliser
    backend.pre_tokenizer = splitter
    backend.post_processor = processors.TemplateProcessing(single=f"$A {END}", special_tokens=[(END, vocabulary[END])])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token=PAD,
        unk_token=UNKNOWN,
        eos_token=END,
        model_max_length=min(longest + 1, most_tokens),
        padding_side="right",
        model_input_names=["input_ids"],
    )
