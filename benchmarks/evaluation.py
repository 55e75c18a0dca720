"""An evaluation in large batches and from the cache, against one pair at a time and the forward passes it needs.

``python -m benchmarks evaluation`` prints the rows: a sample with SugarCrepe's proportions, 7,511 pairs of 1,560
pictures and 11,844 texts, at 1/26 and 1/52: pictures of COCO's size, texts of SugarCrepe's length, CLIP ViT-B/32 and
SigLIP ViT-B/16 with random weights. One pair at a time is what the scripts of papers do: open and preprocess the
picture, tokenise caption and foil, each padded to the full context, and three forward passes of one row. The model is
loaded already. The time of all of SugarCrepe is the sample's, scaled; from the cache it is measured on as many pictures
and texts, whose embeddings random numbers stand for, and includes the digest of all weights.
"""

from __future__ import annotations

import itertools
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import (
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    PreTrainedTokenizerFast,
    SiglipConfig,
    SiglipImageProcessorPil,
    SiglipModel,
)

from benchmarks.attention import Rows, row
from rebind.benchmarks.embedding import embed_images, embed_texts, images_at_once, texts_at_once
from rebind.benchmarks.embedding_cache import EmbeddingCache
from rebind.models import DualEncoder
from rebind.models.small import build_word_tokenizer

ALL_PICTURES, ALL_PAIRS, ALL_TEXTS = 1_560, 7_511, 11_844
DIFFERENT = 60
TIMED_PAIRS = 24  # of which the time of all pairs is scaled
WORDS = [f"w{number}" for number in range(400)]


@dataclass(frozen=True)
class Sample:
    """Pictures, pairs of them with two texts each, and all texts."""

    pictures: list[Path]
    pairs: list[tuple[Path, tuple[str, str]]]
    texts: list[str]
    share: int

    @classmethod
    def drawn(cls, folder: Path, share: int) -> Sample:
        """So small a share of SugarCrepe, its pictures written into a folder."""
        folder.mkdir(exist_ok=True)
        pictures = write_pictures(folder, ALL_PICTURES // share)
        texts = draw_texts(ALL_TEXTS // share)
        ends = itertools.cycle(texts)
        pairs = [(pictures[i % len(pictures)], (next(ends), next(ends))) for i in range(ALL_PAIRS // share)]
        return cls(pictures, pairs, texts, share)


def draw_texts(count: int) -> list[str]:
    """So many different texts of 11 words or so, from 6 to 25, as SugarCrepe's are."""
    draw = np.random.default_rng(0)
    lengths = np.clip(draw.normal(11, 2.5, count).round().astype(int), 6, 25)
    return [" ".join(draw.choice(WORDS, length)) for length in lengths]


def write_pictures(folder: Path, count: int) -> list[Path]:
    """JPEG files of 640 x 480 pixels and about 150 kB."""
    draw = np.random.default_rng(0)
    files = [folder / f"{number:012d}.jpg" for number in range(count)]
    for number, file in enumerate(files):
        if number >= DIFFERENT:  # others are the same with another end: only decoded to fill the cache
            file.write_bytes(files[number % DIFFERENT].read_bytes() + str(number).encode())
            os.utime(file, (0, 0))
            continue
        coarse = Image.fromarray(draw.integers(0, 256, (60, 80, 3), dtype=np.uint8)).resize((640, 480))
        grain = draw.normal(0, 12, (480, 640, 3))
        Image.fromarray(np.clip(np.asarray(coarse) + grain, 0, 255).astype(np.uint8)).save(file, quality=90)
        os.utime(file, (0, 0))
    return files


def clip_b32() -> DualEncoder:
    """CLIP ViT-B/32 with random weights and a tokenizer of words, the end of a text its last id."""
    names = ["<pad>", "<start>", *WORDS, "<end>"]
    backend = Tokenizer(WordLevel({name: number for number, name in enumerate(names)}, unk_token="<pad>"))
    backend.pre_tokenizer = Whitespace()
    ends = [(name, names.index(name)) for name in ("<start>", "<end>")]
    backend.post_processor = TemplateProcessing(single="<start> $A <end>", special_tokens=ends)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>", eos_token="<end>")
    ids = {"eos_token_id": tokenizer.eos_token_id, "bos_token_id": 1, "pad_token_id": 0}
    torch.manual_seed(0)
    return DualEncoder(CLIPModel(CLIPConfig(text_config=ids)), tokenizer, CLIPImageProcessorPil()).eval()


def siglip_b16() -> DualEncoder:
    """SigLIP ViT-B/16-224 with random weights."""
    torch.manual_seed(0)
    model = SiglipModel(SiglipConfig(text_config={"bos_token_id": None, "eos_token_id": 2}))
    processor = SiglipImageProcessorPil(size={"height": 224, "width": 224})
    return DualEncoder(model, build_word_tokenizer([" ".join(WORDS)], most_tokens=64), processor).eval()


def one_pair(encoder: DualEncoder, picture: Path, texts: Sequence[str], context: int) -> list[float]:
    """Cosines of a picture with its caption and its foil, with transformers alone, as the scripts of papers do it."""
    with Image.open(picture) as opened:
        pixels = encoder.images.processor(opened.convert("RGB"), return_tensors="pt")
    image = encoder.model.get_image_features(**pixels).pooler_output[0]
    cosines = []
    for text in texts:
        padded = encoder.texts.tokenizer(
            [text], padding="max_length", truncation=True, max_length=context, return_tensors="pt"
        )
        found = encoder.model.get_text_features(**padded).pooler_output[0]
        cosines.append(torch.cosine_similarity(image, found, dim=0).item())
    return cosines


def bare_passes(encoder: DualEncoder, sample: Sample) -> Callable[[], None]:
    """The forward passes alone, on inputs that are there already, in the batches of the evaluation."""
    pixels = torch.randint(256, (len(sample.pictures), 3, 224, 224), dtype=torch.uint8)
    tokens = encoder.texts(sample.texts)
    ids, mask = tokens["input_ids"], tokens.get("attention_mask")
    lengths = torch.full((len(ids),), ids.shape[1]) if mask is None else mask.sum(dim=1)
    blocks = lengths.argsort(descending=True).split(texts_at_once(encoder))
    batches = [{name: value[block, : lengths[block].max()] for name, value in tokens.items()} for block in blocks]

    def run() -> None:
        for part in pixels.split(images_at_once(encoder)):
            encoder.encode_image({"pixel_values": part})
        for batch in batches:
            encoder.encode_text(batch)

    return run


def seconds(run: Callable[[], object]) -> float:
    """Of one run."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def evaluation(encoder: DualEncoder, sample: Sample, kept: Path | None = None) -> np.ndarray:
    """Cosines of all pairs, as an evaluation finds them; (pairs, 2)."""
    cache = None if kept is None else EmbeddingCache(kept, encoder)
    images = embed_images(encoder, [picture for picture, _ in sample.pairs], cache=cache).embeddings
    texts = embed_texts(encoder, [text for _, both in sample.pairs for text in both], cache=cache)
    return (texts.reshape(len(images), 2, -1) @ images[:, :, None])[:, :, 0]


def fill_cache(encoder: DualEncoder, sample: Sample, folder: Path) -> None:
    """Keep random embeddings of a sample, under the keys that the model's own would have."""
    towers = encoder.encode_image, encoder.encode_text
    draw = torch.Generator().manual_seed(0)

    def embeddings(inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        return torch.randn(len(next(iter(inputs.values()))), encoder.width, generator=draw)

    encoder.encode_image = lambda inputs: (embeddings(inputs), None, None)  # type: ignore[method-assign,assignment]
    encoder.encode_text = embeddings  # type: ignore[method-assign,assignment]
    evaluation(encoder, sample, folder)
    encoder.encode_image, encoder.encode_text = towers  # type: ignore[method-assign]


@torch.inference_mode()
def measured(name: str, encoder: DualEncoder, sample: Sample, folder: Path) -> Rows:
    """The rows of one model; what is compared is timed in turns, twice, and the quicker run counts."""
    timed = sample.pairs[:TIMED_PAIRS]
    bare = bare_passes(encoder, sample)
    cosines = np.array([one_pair(encoder, *pair, encoder.context_length) for pair in timed[:2]])
    if not np.allclose(cosines, evaluation(encoder, replace(sample, pairs=timed[:2])), atol=1e-5):
        raise RuntimeError("the evaluation and one pair at a time do not give the same cosines")
    everything = Sample.drawn(folder / "all", 1)
    fill_cache(encoder, everything, folder / "cache")
    runs: dict[str, Callable[[], object]] = {
        "pairs": lambda: [one_pair(encoder, *pair, encoder.context_length) for pair in timed],
        "bare": bare,
        "whole": lambda: evaluation(encoder, sample),
        "again": lambda: evaluation(encoder, everything, folder / "cache"),
    }
    times = [{each: seconds(run) for each, run in runs.items()} for _ in range(2)]
    best = {each: min(time[each] for time in times) for each in runs}
    pairwise = best["pairs"] * len(sample.pairs) / len(timed)
    about = {"sample": f"1/{sample.share}", "pictures": len(sample.pictures), "pairs": len(sample.pairs)}
    about |= {"texts": len(sample.texts), "threads": torch.get_num_threads()}
    ratios = {
        "one pair at a time / evaluation": pairwise / best["whole"],
        "evaluation / bare forward passes": best["whole"] / best["bare"],
        "all of SugarCrepe, evaluation / from the cache": sample.share * best["whole"] / best["again"],
    }
    rows = [row(f"{name}: {what}", "cpu", ratio, "×", about) for what, ratio in ratios.items()]
    all_of_it = {"evaluation": sample.share * best["whole"], "from the cache": best["again"]}
    return [*rows, *(row(f"{name}: all of SugarCrepe, {what}", "cpu", t, "s", about) for what, t in all_of_it.items())]


def measure() -> Rows:
    """All rows."""
    rows: Rows = []
    for name, build, share in (("CLIP ViT-B/32", clip_b32, 26), ("SigLIP ViT-B/16", siglip_b16, 52)):
        with tempfile.TemporaryDirectory() as folder:
            sample = Sample.drawn(Path(folder), share)
            rows += measured(name, build(), sample, Path(folder))
    return rows
