"""ARO's order tasks: a caption against four shufflings of its own words."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rebind.benchmarks.files import image_file, text_field
from rebind.benchmarks.foil_lists import read_rows, texts_field
from rebind.benchmarks.kinds import BenchmarkKind
from rebind.benchmarks.questions import Question, QuestionBenchmark, choose_text
from rebind.types import UserError

PIPELINE = "en_core_web_sm"
SEED = 1
MOST_WORDS = 30
NOUNS = ("NN", "NNS", "NNP", "NNPS")
ADJECTIVES = ("JJ", "JJR", "JJS")
Tagged = Sequence[tuple[str, str]]  # tokens and their Penn Treebank tags


@dataclass(frozen=True)
class WordReaders:
    """What the shufflings need to know of a caption.

    Attributes:
        tag: many captions → the tokens of each with their Penn Treebank tags.
        tokenize: a caption → its tokens.
    """

    tag: Callable[[Iterable[str]], Iterable[Tagged]]
    tokenize: Callable[[str], list[str]]


def official_readers() -> WordReaders:
    """spaCy's ``en_core_web_sm`` and NLTK's ``word_tokenize``, as the official code has them.

    Raises:
        UserError: when one of them, or what it needs, is not installed.
    """
    from nltk import word_tokenize

    try:
        import spacy

        pipeline = spacy.load(PIPELINE, exclude=["parser", "ner", "lemmatizer"])
        word_tokenize("A cat.")
    except (ImportError, OSError, LookupError) as error:
        raise UserError(
            "ARO's order tasks shuffle words with spaCy and NLTK: run pip install 'rebind[spacy]', "
            f"python -m spacy download {PIPELINE} and python -m nltk.downloader punkt_tab"
        ) from error
    return WordReaders(
        lambda captions: ([(token.text, token.tag_) for token in doc] for doc in pipeline.pipe(captions)), word_tokenize
    )


def shuffled(captions: Sequence[str], readers: WordReaders, seed: int = SEED) -> list[list[str]]:
    """The four foils of each caption by the official recipe, in its order and with its random streams.

    Nouns and adjectives among themselves; all other words; words within each three; the threes. All captions of a
    benchmark must be given at once, since the streams run on from caption to caption.

    Args:
        captions: as they stand in the file.
        readers: tagger and tokenizer; other versions of them give other foils.
        seed: of both streams; the official one is 1.

    Source: ARO (arXiv 2210.01936), ``dataset_zoo/perturbations.py`` of its release.
    """
    arrays, lists = np.random.RandomState(seed), random.Random(seed)
    foils = []
    for caption, tagged in zip(captions, readers.tag(captions), strict=True):
        words = np.array([word for word, _ in tagged])
        tags = np.array([tag for _, tag in tagged])
        nouns, adjectives = np.isin(tags, NOUNS), np.isin(tags, ADJECTIVES)
        content = _permuted(_permuted(words, nouns, arrays), adjectives, arrays)
        rest = _permuted(words, ~(nouns | adjectives), arrays)
        tokens = readers.tokenize(caption)
        within = [tokens[start : start + 3] for start in range(0, len(tokens), 3)]
        threes = [list(three) for three in within]
        for three in within:
            lists.shuffle(three)
        lists.shuffle(threes)
        foils.append([" ".join(content), " ".join(rest), _joined(within), _joined(threes)])
    return foils


def cleaned(caption: str, most_words: int = MOST_WORDS) -> str:
    """A caption in lower case without most punctuation, cut to ``most_words``, as the official code shows it."""
    caption = re.sub(r"\s{2,}", " ", re.sub(r'[.!"()*#:;~]', " ", caption.lower()))
    return " ".join(caption.rstrip("\n").strip(" ").split(" ")[:most_words])


def read_order(name: str, annotations: Path, images: Path, readers: WordReaders | None = None) -> QuestionBenchmark:
    """Read a Karpathy test split as BLIP publishes it, ``[{"image", "caption": […]}, …]``, and shuffle its captions.

    A tie is right, since the official code lists the caption first and takes the first of equals. There is one split,
    ``all``.

    Args:
        name: of the benchmark.
        annotations: ``coco_karpathy_test.json`` or ``flickr30k_test.json``.
        images: folder of the image files, of whose names only the last part counts.
        readers: the official ones when None.

    Raises:
        UserError: naming file, item and field when something is missing, or what must be installed.

    Source: ARO (arXiv 2210.01936), https://github.com/mertyg/vision-language-models-are-bows.
    """
    pairs = [
        (image_file(images, Path(text_field(row, "image", where)).name, where), caption)
        for where, row in read_rows(annotations)
        for caption in texts_field(row, "caption", where)
    ]
    foils = shuffled([caption for _, caption in pairs], readers or official_readers())
    questions: list[Question] = [
        choose_text("all", image, [cleaned(text) for text in (caption, *wrong)], first_wins=True)
        for (image, caption), wrong in zip(pairs, foils, strict=True)
    ]
    return QuestionBenchmark(name, questions)


def _permuted(words: np.ndarray, where: np.ndarray, stream: np.random.RandomState) -> np.ndarray:
    words = words.copy()
    words[where] = stream.permutation(words[where])
    return words


def _joined(threes: Sequence[Sequence[str]]) -> str:
    return " ".join(" ".join(three) for three in threes)


_DATASETS = "https://storage.googleapis.com/sfr-vision-language-research/datasets"
KINDS = {
    "aro_coco_order": BenchmarkKind(
        "whether a caption beats four shufflings of its words, on COCO",
        {"annotations": "file coco_karpathy_test.json", "images": "folder of COCO's val2014 images"},
        lambda annotations, images: read_order("aro_coco_order", annotations, images),
        f"{_DATASETS}/coco_karpathy_test.json, and COCO's val2014 images, https://cocodataset.org",
        {"annotations": "coco/coco_karpathy_test.json", "images": "coco/val2014"},
        25010,
        check=lambda **_: official_readers(),
    ),
    "aro_flickr30k_order": BenchmarkKind(
        "whether a caption beats four shufflings of its words, on Flickr30k",
        {"annotations": "file flickr30k_test.json", "images": "folder of the Flickr30k images"},
        lambda annotations, images: read_order("aro_flickr30k_order", annotations, images),
        f"{_DATASETS}/flickr30k_test.json, and the images, https://shannon.cs.illinois.edu/DenotationGraph",
        {"annotations": "flickr30k/flickr30k_test.json", "images": "flickr30k/images"},
        5000,
        check=lambda **_: official_readers(),
    ),
}
