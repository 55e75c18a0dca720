"""Zero-shot classification on any labelled Hugging Face dataset: a folder, in the library's cache, or fetched."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from typing import Any

from rebind.benchmarks.class_names import PLAIN_TEMPLATE
from rebind.benchmarks.contract import Picture
from rebind.benchmarks.kinds import BenchmarkKind
from rebind.benchmarks.recognition import classification
from rebind.benchmarks.zero_shot import ZeroShotBenchmark
from rebind.types import BrokenSample, UserError

SPLIT, LABEL = "test", "label"  # taken where there are several


def read_labelled_dataset(
    data: str | Path,
    classes: Path | None = None,
    templates: Path | None = None,
    *,
    data_config: str | None = None,
    data_split: str | None = None,
    label_column: str | None = None,
) -> ZeroShotBenchmark:
    """Read a Hugging Face dataset with an image column and a column of labels, numbered classes or texts.

    Args:
        data: a folder that its library saved, a folder or file of Parquet, or the name of a dataset of the hub that is
            in the library's cache (see :func:`fetch_dataset`); nothing is downloaded here.
        classes: names of the classes, see :func:`rebind.benchmarks.class_names.class_prompts`; without, the dataset's.
        templates: of the prompts; without, ``a photo of a {}.``
        data_config: of a dataset that has several.
        data_split: without, the only one, or ``test``.
        label_column: without, ``label``, or the only column of numbered classes.

    Raises:
        UserError: when it is not there, split or column cannot be guessed or are not there, or a label is none.
    """
    from rebind.data.broken import BrokenImageError
    from rebind.data.hugging_face import load_rows, load_table

    path = Path(data).expanduser()
    if not path.exists() and not is_cached(str(data), data_config):
        raise UserError(
            f"there is no folder {data}, and no dataset of that name in {_cache()}; add --download to fetch it there "
            "from the Hugging Face hub"
        )
    name = str(path if path.exists() else data)
    with _offline():
        split = data_split or _split(name, path, data_config)
        options: dict[str, Any] = {"config": data_config, "split": split, "streaming": False}
        label = label_column or _label(name, load_rows(name, path, **options).features)
        table = load_table(name, Path(), {"image": None, "caption": label}, **options)
    known = getattr(table.rows.features[label], "names", None)
    found: dict[str, list[Picture]] = {each: [] for each in known or ()}
    for number, row in enumerate(table.rows):
        value = row[label]
        if value is None or (known and not 0 <= value < len(known)):
            raise UserError(f"{data}, row {number}: {value} is no label; choose another --data-split if this has none")
        try:
            picture: Picture = table.picture(row[table.columns.image])
        except BrokenImageError as error:
            picture = BrokenSample(f"{data}, row {number}", str(error))
        found.setdefault(known[value] if known else str(value), []).append(picture)
    return classification("labelled_dataset", found, path, (classes, templates), None)


def fetch_dataset(say: Callable[[str], object], data: str = "", data_config: str | None = None, **_: str) -> None:
    """Fetch a dataset of the hub into the library's cache, unless it is there or ``data`` is a folder.

    Its address and size are printed before.

    Args:
        say: what prints a line.
        data: the name; nothing is done without.
        data_config: of a dataset that has several.

    Raises:
        UserError: when there is no such dataset, it may not be read, the hub is not reached, or the disk is too small.
    """
    import datasets
    from huggingface_hub import HfApi

    if not data or Path(data).expanduser().exists() or is_cached(data, data_config):
        return
    try:
        builder = datasets.load_dataset_builder(data, data_config)
        size = builder.info.download_size
        if size is None:
            size = sum(file.size or 0 for file in HfApi().dataset_info(data, files_metadata=True).siblings or ())
        need, place = size + (builder.info.dataset_size or size), Path(_cache())
        say(f"https://huggingface.co/datasets/{data}: {size:,} bytes → {place}")
        place.mkdir(parents=True, exist_ok=True)
        if need > (free := shutil.disk_usage(place).free):
            raise UserError(
                f"the disk of {place} has {free:,} bytes free, and {data} needs {need:,} (as it is fetched, and as the "
                "library keeps it); free some space, or name another place by the variable HF_HOME"
            )
        builder.download_and_prepare()
    except UserError:
        raise
    except Exception as error:  # the library and those below it raise nearly anything
        raise UserError(f"the dataset {data} cannot be fetched: {_reason(error)}") from error


def is_cached(name: str, config: str | None = None) -> bool:
    """Whether the library has the dataset of that name in its cache, whole."""
    from datasets.naming import camelcase_to_snakecase

    *owner, own = name.split("/")
    folder = Path(_cache(), "___".join([*owner, camelcase_to_snakecase(own)]))
    return any(folder.glob(f"{escape(config) if config else '*'}/*/*/dataset_info.json"))


def _cache() -> str:
    from datasets import config

    return str(config.HF_DATASETS_CACHE)


@contextmanager
def _offline() -> Iterator[None]:
    """The library asks the hub for a newer version of what it has in its cache, and says so, unless told not to."""
    from datasets import config
    from datasets.utils import logging

    before, config.HF_HUB_OFFLINE = config.HF_HUB_OFFLINE, True
    loudness = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        config.HF_HUB_OFFLINE = before
        logging.set_verbosity(loudness)


def _split(name: str, path: Path, config: str | None) -> str:
    import datasets

    try:
        if (path / "state.json").is_file() or path.suffix == ".parquet":  # of one split, which has no name of its own
            return SPLIT if path.is_dir() else "train"
        if (path / "dataset_dict.json").is_file():
            splits = json.loads((path / "dataset_dict.json").read_text(encoding="utf-8"))["splits"]
        else:
            splits = datasets.get_dataset_split_names(name, config)
    except Exception as error:
        raise UserError(f"which splits {name} has cannot be told: {_reason(error)}") from error
    return _only(name, "split", splits, SPLIT, "--data-split")


def _label(name: str, features: Mapping[str, Any]) -> str:
    if LABEL in features:
        return LABEL
    numbered = [column for column, feature in features.items() if getattr(feature, "names", None) is not None]
    return _only(name, "column", numbered or list(features), LABEL, "--label-column")


def _only(name: str, what: str, found: list[str], usual: str, flag: str) -> str:
    if len(found) > 1 and usual not in found:
        raise UserError(f"{name} has no {what} `{usual}`, but {', '.join(found)}; say which to take: {flag} NAME")
    return usual if usual in found else found[0]


def _reason(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")


KINDS: dict[str, BenchmarkKind] = {
    "labelled_dataset": BenchmarkKind(
        "naming the class of an image, for a Hugging Face dataset with labels",
        {
            "data": "folder that the library datasets saved, or of Parquet files, or OWNER/NAME of the Hugging Face "
            "hub (fetched with --download)",
            "data_config": "which one, where the dataset has several",
            "data_split": f"which one (else: the only one, or {SPLIT})",
            "label_column": f"which one (else: {LABEL}, or the only one of numbered classes)",
            "classes": "file of class names (else the dataset's)",
            "templates": f"file of prompt templates (else: {PLAIN_TEMPLATE})",
        },
        read_labelled_dataset,
        words=frozenset({"data", "data_config", "data_split", "label_column"}),
        fetch=fetch_dataset,
    ),
}
