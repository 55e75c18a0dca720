"""Retrieval on the test sets that papers quote, each read from its official files: short captions and long ones."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rebind.benchmarks.files import image_file, read_json, read_json_lines, text_field
from rebind.benchmarks.kinds import BenchmarkKind
from rebind.benchmarks.retrieval import RetrievalBenchmark
from rebind.types import UserError

SPLIT = "test"
CAPTIONS_AN_IMAGE = 5
SHAREGPT4V_IMAGES = 1000
_CHARACTERS_AT_ONCE = 1 << 22
_LONGEST_ROW = 1 << 24  # characters; a file with a longer one is no file of captions
_BETWEEN_ROWS = " \t\r\n,"

Pair = tuple[Path, tuple[str, ...]]


def read_karpathy(annotations: Path, images: Path, name: str) -> RetrievalBenchmark:
    """Read the test split of Karpathy's ``dataset_coco.json`` or ``dataset_flickr30k.json``.

    A few pictures of COCO have six captions or seven; the first five count, as in VSE++ and after it.

    Args:
        annotations: ``{"images": [{"split", "filename", "sentences": [{"raw"}, …]}, …], "dataset"}``.
        images: the folder of the pictures.
        name: ``coco`` or ``flickr30k``, as in the file's ``dataset``.

    Raises:
        UserError: naming file, image and field; when it is another dataset's file; when it has no test split.

    Source: Karpathy & Fei-Fei, arXiv 1412.2306.
    """
    content = read_json(annotations)
    rows = content.get("images") if isinstance(content, dict) else None
    if not isinstance(rows, list):
        raise UserError(f'{annotations} must be a JSON object with a list "images", as dataset_{name}.json is')
    if content.get("dataset", name) != name:
        raise UserError(f'{annotations} is the file of "{content["dataset"]}"; expected dataset_{name}.json')
    pairs = []
    for number, row in enumerate(rows):
        where = f"{annotations}, image {number}"
        if text_field(row, "split", where) != SPLIT:
            continue
        sentences = row.get("sentences")
        if not isinstance(sentences, list) or not sentences:
            raise UserError(f'{where}: "sentences" must be a list of one {{"raw"}} or more')
        captions = tuple(text_field(sentence, "raw", where) for sentence in sentences[:CAPTIONS_AN_IMAGE])
        pairs.append((image_file(images, text_field(row, "filename", where), where), captions))
    return _benchmark(name, pairs, annotations, f'an image whose split is "{SPLIT}"')


def read_urban1k(data: Path) -> RetrievalBenchmark:
    """Read Urban-1k: ``caption/N.txt``, whose first line is the caption of ``image/N.jpg``.

    Raises:
        UserError: naming the folder or file that is missing or empty.

    Source: Long-CLIP, arXiv 2403.15378.
    """
    for part in ("caption", "image"):
        if not (data / part).is_dir():
            raise UserError(f"{data / part} is no folder; expected Urban-1k with its folders caption and image")
    pairs = []
    for file in sorted((data / "caption").glob("*.txt")):
        try:
            lines = file.read_text(encoding="utf-8").strip().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"cannot read {file}: {error}") from error
        if not lines:
            raise UserError(f"{file} is empty; expected a caption in its first line")
        pairs.append((data / "image" / f"{file.stem}.jpg", (lines[0],)))
    return _benchmark("urban1k", pairs, data / "caption", "a .txt file")


def read_docci(annotations: Path, images: Path) -> RetrievalBenchmark:
    """Read the test split of ``docci_descriptions.jsonlines``: ``{"split", "image_file", "description"}`` a line.

    Raises:
        UserError: naming file, row and field; when there is no test split.

    Source: arXiv 2404.19753.
    """
    pairs = []
    for where, row in _lines(annotations):
        if text_field(row, "split", where) == SPLIT:
            caption = text_field(row, "description", where)
            pairs.append((image_file(images, text_field(row, "image_file", where), where), (caption,)))
    return _benchmark("docci", pairs, annotations, f'a row whose split is "{SPLIT}"')


def read_iiw(annotations: Path, images: Path) -> RetrievalBenchmark:
    """Read IIW-400's ``data.jsonl``: the human description ``IIW`` of DOCCI's picture ``image/key``.

    Args:
        annotations: the file.
        images: DOCCI's folder ``images_aar``.

    Raises:
        UserError: naming file, row and field.

    Source: ImageInWords, arXiv 2405.02793.
    """
    pairs = []
    for where, row in _lines(annotations):
        image = image_file(images, f"{text_field(row, 'image/key', where)}.jpg", where)
        pairs.append((image, (text_field(row, "IIW", where),)))
    return _benchmark("iiw", pairs, annotations, "a row")


def read_sharegpt4v(annotations: Path, images: Path) -> RetrievalBenchmark:
    """Read the first 1,000 rows of ``share-captioner_coco_lcs_sam_1246k_1107.json``, which Long-CLIP keeps for testing.

    A caption is what ``conversations[1]`` says, its line breaks turned to spaces. The rest of the file, of more than a
    gigabyte, is not read.

    Args:
        annotations: the file.
        images: the folder in which ``sam/images`` lies.

    Raises:
        UserError: naming file, row and field; when there are fewer rows.

    Source: ShareGPT4V, arXiv 2311.12793; as a test set: Long-CLIP, arXiv 2403.15378.
    """
    pairs = []
    for number, row in enumerate(_first_rows(annotations, SHAREGPT4V_IMAGES)):
        where = f"{annotations}, row {number}"
        image = image_file(images, text_field(row, "image", where), where)
        turns = row.get("conversations")
        if not isinstance(turns, list) or len(turns) < 2:
            raise UserError(f'{where}: "conversations" must be a list of a question and its answer')
        pairs.append((image, (text_field(turns[1], "value", where).replace("\n", " "),)))
    return _benchmark("sharegpt4v", pairs, annotations, "a row")


def read_dci(data: Path) -> RetrievalBenchmark:
    """Read all 7,805 pictures of ``densely_captioned_images``: short caption, line break, extra caption.

    Args:
        data: the folder with ``splits.json``, ``annotations/`` and ``photos/``.

    Raises:
        UserError: naming file and field.

    Source: DCI, arXiv 2312.08578 (its "extended" caption); as a test set: LoTLIP, arXiv 2410.05249.
    """
    splits = read_json(data / "splits.json")
    if not isinstance(splits, dict) or not all(isinstance(names, list) for names in splits.values()):
        raise UserError(f"{data / 'splits.json'} must be a JSON object: split → list of file names")
    pairs = []
    for name in dict.fromkeys(name for names in splits.values() for name in names):
        file = image_file(data / "annotations", str(name), str(data / "splits.json"))
        row = read_json(file)
        image = image_file(data / "photos", text_field(row, "image", str(file)), str(file))
        caption = f"{text_field(row, 'short_caption', str(file))}\n{row.get('extra_caption') or ''}".strip()
        pairs.append((image, (caption,)))
    return _benchmark("dci", pairs, data / "splits.json", "the name of a file")


def _benchmark(name: str, pairs: Sequence[Pair], file: Path, wanted: str) -> RetrievalBenchmark:
    if len(pairs) < 2:
        raise UserError(f"{file} gives {len(pairs)} test images, and retrieval needs two or more; each is {wanted}")
    pictures, captions = zip(*pairs, strict=True)
    return RetrievalBenchmark(name, pictures, captions)


def _lines(path: Path) -> Iterable[tuple[str, Any]]:
    return ((f"{path}, row {number}", row) for number, row in enumerate(read_json_lines(path), start=1))


def _first_rows(path: Path, count: int) -> list[Any]:
    """The first values of a JSON list, read without the rest of the file."""
    wanted = UserError(f"{path} must hold a JSON list of {count} rows or more; it is cut short or another file")
    decoder = json.JSONDecoder()
    rows: list[Any] = []
    try:
        with path.open(encoding="utf-8") as file:
            opening, _, text = file.read(_CHARACTERS_AT_ONCE).partition("[")
            while len(rows) < count:
                text = text.lstrip(_BETWEEN_ROWS)
                try:
                    row, end = decoder.raw_decode(text)
                    rows.append(row)
                    text = text[end:]
                except ValueError:
                    more = file.read(_CHARACTERS_AT_ONCE)
                    if opening.strip() or not more or len(text) > _LONGEST_ROW:
                        raise wanted from None
                    text += more
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {path}: {error}") from error
    return rows


_KARPATHY = "caption_datasets.zip at cs.stanford.edu/people/karpathy/deepimagesent"
_DOCCI = "google.github.io/docci"


def _long(what: str) -> str:
    return f"finding each other among {what}, described at length; many models cut such texts short"


KINDS: dict[str, BenchmarkKind] = {
    "coco": BenchmarkKind(
        "finding each other among 5,000 pictures and 25,000 captions of COCO (Karpathy's test split)",
        {"annotations": "file dataset_coco.json", "images": "folder of COCO's val2014 images"},
        partial(read_karpathy, name="coco"),
        f"{_KARPATHY}; val2014 at cocodataset.org",
        {"annotations": "karpathy/dataset_coco.json", "images": "coco/val2014"},
        5000,
    ),
    "flickr30k": BenchmarkKind(
        "finding each other among 1,000 pictures and 5,000 captions of Flickr30k (Karpathy's test split)",
        {"annotations": "file dataset_flickr30k.json", "images": "folder of all Flickr30k images"},
        partial(read_karpathy, name="flickr30k"),
        f"{_KARPATHY}; images by the form at shannon.cs.illinois.edu/DenotationGraph",
        {"annotations": "karpathy/dataset_flickr30k.json", "images": "flickr30k/images"},
        1000,
    ),
    "urban1k": BenchmarkKind(
        _long("1,000 street scenes"),
        {"data": "folder Urban1k with the folders caption and image"},
        read_urban1k,
        "huggingface.co/datasets/BeichenZhang/Urban1k",
        {"data": "urban1k"},
        1000,
    ),
    "docci": BenchmarkKind(
        _long("5,000 pictures with many look-alikes"),
        {"annotations": "file docci_descriptions.jsonlines", "images": "folder images of docci_images.tar.gz"},
        read_docci,
        _DOCCI,
        {"annotations": "docci/docci_descriptions.jsonlines", "images": "docci/images"},
        5000,
    ),
    "iiw": BenchmarkKind(
        _long("400 pictures (IIW-400)"),
        {"annotations": "file data.jsonl of IIW-400", "images": "folder images_aar of docci_images_aar.tar.gz"},
        read_iiw,
        f"github.com/google/imageinwords (datasets/IIW-400); images at {_DOCCI}",
        {"annotations": "iiw/IIW-400/data.jsonl", "images": "docci/images_aar"},
        400,
    ),
    "sharegpt4v": BenchmarkKind(
        _long("1,000 pictures of SA-1B"),
        {
            "annotations": "file share-captioner_coco_lcs_sam_1246k_1107.json",
            "images": "folder in which sam/images lies",
        },
        read_sharegpt4v,
        "huggingface.co/datasets/Lin-Chen/ShareGPT4V; SA-1B at ai.meta.com",
        {"annotations": "sharegpt4v/share-captioner_coco_lcs_sam_1246k_1107.json", "images": "sharegpt4v"},
    ),
    "dci": BenchmarkKind(
        _long("7,805 pictures of SA-1B"),
        {"data": "folder densely_captioned_images with splits.json, annotations and photos"},
        read_dci,
        "github.com/facebookresearch/DCI (dci.tar.gz); photos from sa_000138.tar of SA-1B",
        {"data": "dci/densely_captioned_images"},
        7805,
    ),
}
