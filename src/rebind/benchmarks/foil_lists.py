"""Lists of images, captions and foils in JSON, JSONL or CSV, whatever their fields are called."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from rebind.benchmarks.contract import Picture
from rebind.benchmarks.files import image_file, read_json, read_json_lines, text_field
from rebind.benchmarks.kinds import BenchmarkKind
from rebind.benchmarks.questions import Question, QuestionBenchmark, choose_text
from rebind.types import UserError

NAME = "foil_list"
Row = tuple[str, Mapping[str, Any]]  # where it stands, for sentences; and its fields


@dataclass(frozen=True)
class Fields:
    """What the fields of a foil list are called.

    Attributes:
        caption: the true caption.
        foils: one or more fields, each a text or a list of texts.
        image: the file name of the image.
        category: the split; None when the list is one split.
    """

    caption: str
    foils: tuple[str, ...]
    image: str = "image"
    category: str | None = None


def read_rows(path: Path) -> list[Row]:
    """Read a list of objects: a JSON list, a JSON object of objects, JSONL, or CSV or TSV with a header.

    Raises:
        UserError: when the file cannot be read, is of another kind or shape, or is empty.
    """
    rows: Iterable[tuple[Any, Any]]
    if path.suffix in (".csv", ".tsv"):
        rows = enumerate(_read_table(path), start=2)  # the header is line 1
        kind = "line"
    elif path.suffix == ".jsonl":
        rows, kind = enumerate(read_json_lines(path), start=1), "row"
    else:
        value = read_json(path)
        if not isinstance(value, list | dict):
            raise UserError(f"{path} must hold a JSON list of objects, or an object of objects")
        rows, kind = (value.items(), "item") if isinstance(value, dict) else (enumerate(value), "item")
    named = [(f'{path}, {kind} "{key}"' if isinstance(key, str) else f"{path}, {kind} {key}", row) for key, row in rows]
    if not named:
        raise UserError(f"{path} holds no rows")
    for where, row in named:
        if not isinstance(row, Mapping):
            raise UserError(f"{where}: expected an object with named fields, found {type(row).__name__}")
    return named


def ask(
    rows: Iterable[Row],
    fields: Fields,
    picture: Callable[[str, Mapping[str, Any]], Picture],
    split: str = "all",
    *,
    first_wins: bool = False,
) -> list[Question]:
    """One question a row: the caption against all of its foils.

    Args:
        rows: of :func:`read_rows`.
        fields: what is read of them.
        picture: makes the picture of a row from where it stands and its fields.
        split: the category where ``fields.category`` is None.
        first_wins: a tie of caption and foil is right; otherwise it is wrong.

    Raises:
        UserError: naming file, row and field when something is missing.
    """
    questions = []
    for where, row in rows:
        foils = [foil for field in fields.foils for foil in texts_field(row, field, where)]
        texts = [text_field(row, fields.caption, where), *foils]
        category = text_field(row, fields.category, where) if fields.category else split
        questions.append(choose_text(category, picture(where, row), texts, first_wins=first_wins))
    return questions


def texts_field(row: Mapping[str, Any], field: str, where: str) -> list[str]:
    """The texts of a field that holds one, or a list of one or more.

    Raises:
        UserError: when it holds anything else.
    """
    value = row.get(field)
    if not isinstance(value, list):
        return [text_field(row, field, where)]
    if not value or not all(isinstance(each, str) and each.strip() for each in value):
        raise UserError(f'{where}: the field "{field}" must be a text or a list of texts, none of them empty')
    return value


def pictures_in(folder: Path, field: str) -> Callable[[str, Mapping[str, Any]], Path]:
    """Make pictures of rows whose ``field`` is a file name below ``folder``."""
    return lambda where, row: image_file(folder, text_field(row, field, where), where)


def read_foil_list(path: Path) -> QuestionBenchmark:
    """Read a foil list by a small YAML or JSON file that says where it is and what its fields are called.

    ``annotations`` and ``images`` are a file and a folder, relative to that file; ``image``, ``caption``, ``foils``
    (a name or a list of names) and ``category`` (may be left out) are field names; ``ties`` is ``wrong`` (if left
    out) or ``right``.

    Raises:
        UserError: when a key is missing, unknown or wrong, or a row of the list is.
    """
    known = {"annotations", "images", "image", "caption", "foils", "category", "ties"}
    try:
        spec = yaml.safe_load(path.read_text(encoding="utf-8"))  # JSON is YAML
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"cannot read {path}: {' '.join(str(error).split())}") from error
    if not isinstance(spec, dict) or not spec.keys() <= known:
        raise UserError(f"{path} must be a mapping with the keys {', '.join(sorted(known))}, and no others")
    ties = spec.get("ties", "wrong")
    if ties not in ("wrong", "right"):
        raise UserError(f'{path}: "ties" must be wrong or right')
    annotations, images, image, caption = (
        text_field(spec, key, str(path)) for key in ("annotations", "images", "image", "caption")
    )
    category = text_field(spec, "category", str(path)) if "category" in spec else None
    fields = Fields(caption, tuple(texts_field(spec, "foils", str(path))), image, category)
    pictures = pictures_in(path.parent / images, image)
    rows = read_rows(path.parent / annotations)
    return QuestionBenchmark(NAME, ask(rows, fields, pictures, first_wins=ties == "right"))


def _listed_files(data: Path) -> list[Path]:
    """The file that says where a foil list is, and the list."""
    return [data, data.parent / yaml.safe_load(data.read_text(encoding="utf-8"))["annotations"]]


def _read_table(path: Path) -> list[dict[str, str]]:
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ","))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"cannot read {path}: {error}") from error


KINDS = {
    NAME: BenchmarkKind(
        "whether a caption beats its foils, in a list of your own",
        {"data": "YAML or JSON file with annotations, images, and the names of the fields image, caption and foils"},
        lambda data: read_foil_list(data),
        annotations=_listed_files,
    )
}
