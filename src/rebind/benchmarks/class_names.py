"""What the classes of a recognition benchmark are called in a prompt, and the templates that make prompts of names.

Neither ImageNet's class names nor its 80 templates come with this package: they are read from files that the user
names, or out of the installed package open_clip_torch, which is read and not imported.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rebind.benchmarks.files import read_json
from rebind.benchmarks.zero_shot import read_classes
from rebind.types import UserError

PLACE = "{}"
PLAIN_TEMPLATE = f"a photo of a {PLACE}."
_METADATA = "zero_shot_metadata.py"
_NAMES, _TEMPLATES = "IMAGENET_CLASSNAMES", "OPENAI_IMAGENET_TEMPLATES"
_SYNSETS = "data/_info/imagenet_synsets.txt"

Names = dict[str, str] | list[str]


def class_prompts(
    labels: Sequence[str], classes: Path | None, templates: Path | None, imagenet: bool = False
) -> dict[str, list[str]]:
    """The prompts of each class, by its label.

    Args:
        labels: distinct labels of the classes, in order: the names of class folders.
        classes: JSON file of names: ``{label: name}``; or ``{"0": [label, name], …}``, whose names have ``_`` for
            spaces; or a list, in the order of all labels; or rebind's ``[{"name": label, "prompts": […]}, …]``, which
            needs no templates. Labels that are numbers (ImageNet-V2's) count the names from 0, synsets in
            alphabetical order.
        templates: one a line, or a JSON list, each with ``{}`` where the name goes.
        imagenet: take from open_clip_torch what is not given, rather than the labels themselves and a plain template.

    Raises:
        UserError: when a file is not of this form, a label has no name, or there is neither file nor open_clip_torch.
    """
    if classes is not None and (prompts := _ready_prompts(classes)) is not None:
        _check_known(labels, prompts, classes)
        return {label: prompts[label] for label in labels}
    if classes is not None or imagenet:
        names = _names_for(labels, _given_names(classes), str(classes or "open_clip_torch"))
    else:
        names = {label: label.replace("_", " ") for label in labels}
    patterns = _given_templates(templates) if templates is not None or imagenet else [PLAIN_TEMPLATE]
    return {label: [pattern.replace(PLACE, names[label]) for pattern in patterns] for label in labels}


def check_imagenet_names(classes: Path | None = None, templates: Path | None = None, **_: Path) -> None:
    """Find out that ImageNet's names or templates are missing or wrong, without its pictures.

    Raises:
        UserError: as :func:`class_prompts`.
    """
    if classes is None or _ready_prompts(classes) is None:
        _given_names(classes)
        _given_templates(templates)


def read_templates(path: Path) -> list[str]:
    """Templates of prompts, one a line or in a JSON list, each with ``{}`` where the name goes.

    Raises:
        UserError: when the file cannot be read, or a template has no place for the name.
    """
    if path.suffix == ".json":
        rows = read_json(path)
    else:
        try:
            rows = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"cannot read {path}: {error}") from error
    if not isinstance(rows, list) or not rows:
        raise UserError(f"{path} must hold one template or more, such as: {PLAIN_TEMPLATE}")
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, str) or PLACE not in row:
            raise UserError(f"{path}, template {number}: {row!r} must be a text with {PLACE} where the name goes")
    return rows


def label_order(label: str) -> tuple[int, int | str]:
    """Sorts labels that are numbers as numbers, before others."""
    return (0, int(label)) if label.isdecimal() else (1, label)


def _given_names(classes: Path | None) -> Names:
    """Of a file, or else of open_clip_torch."""
    if classes is None:
        return _literal(ast.literal_eval, _NAMES, "names of classes", "classes")
    return _read_names(classes)


def _given_templates(templates: Path | None) -> list[str]:
    """Of a file, or else of open_clip_torch."""
    if templates is None:
        return _literal(_patterns, _TEMPLATES, "templates", "templates")
    return read_templates(templates)


def _ready_prompts(path: Path) -> dict[str, list[str]] | None:
    rows = read_json(path)
    return read_classes(path) if isinstance(rows, list) and rows and isinstance(rows[0], dict) else None


def _read_names(path: Path) -> Names:
    rows = read_json(path)
    if isinstance(rows, dict) and rows and all(isinstance(row, list) and len(row) == 2 for row in rows.values()):
        pairs = [rows[key] for key in sorted(rows, key=label_order)]
        rows = {label: name.replace("_", " ") if isinstance(name, str) else name for label, name in pairs}
    values = list(rows.values()) if isinstance(rows, dict) else rows
    if not isinstance(values, list) or not values or not all(isinstance(name, str) and name for name in values):
        raise UserError(f'{path} must be a JSON object {{"n01440764": name, …}} or a list of names, none of them empty')
    return rows


def _names_for(labels: Sequence[str], names: Names, origin: str) -> dict[str, str]:
    if isinstance(names, list):
        if len(labels) == len(names):
            return dict(zip(labels, names, strict=True))
        keys = [str(i) for i in range(len(names))] if labels[0].isdecimal() else _synsets(len(labels), names, origin)
        names = dict(zip(keys, names, strict=True))
    elif labels[0].isdecimal() and labels[0] not in names:
        names = {str(i): names[key] for i, key in enumerate(sorted(names))}
    _check_known(labels, names, origin)
    return {label: names[label] for label in labels}


def _check_known(labels: Sequence[str], known: dict[str, Any], origin: Path | str) -> None:
    for label in labels:
        if label not in known:
            raise UserError(f'{origin} has no name for the class "{label}", only for {len(known)} others')


def _synsets(count: int, names: list[str], origin: str) -> list[str]:
    """The synsets of ImageNet-1k in order, from timm, which open_clip_torch brings along."""
    spec = find_spec("timm")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        file = Path(folder) / _SYNSETS
        synsets = file.read_text(encoding="utf-8").split() if file.is_file() else []
        if len(synsets) == len(names):
            return synsets
    raise UserError(
        f"{origin} lists {len(names)} names for {count} class folders, so which is whose cannot be told; "
        'give classes as a JSON object {"n01440764": name, …}, or install timm, whose list of synsets is then read'
    )


def _literal(read: Any, constant: str, what: str, option: str) -> list[str]:
    """A constant of open_clip's metadata, read without running it."""
    spec = find_spec("open_clip")
    files = [Path(folder) / _METADATA for folder in (spec.submodule_search_locations or ()) if spec] if spec else []
    if not files or not files[0].is_file():
        raise UserError(
            f"the {what} of ImageNet do not come with rebind: give a file of them as `{option}`, or install "
            "open_clip_torch (the extra `openclip`), in which they are then read"
        )
    try:
        for node in ast.parse(files[0].read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and any(getattr(each, "id", "") == constant for each in node.targets):
                return list(read(node.value))
        raise ValueError(f"there is no {constant}")
    except (OSError, ValueError, SyntaxError, AttributeError, TypeError) as error:
        raise UserError(f"{files[0]} is not as expected ({error}); give the {what} as a file: `{option}`") from error


def _patterns(node: Any) -> list[str]:
    """``lambda c: f"a photo of a {c}."`` → ``a photo of a {}.``, for each of a tuple."""
    return [
        "".join(getattr(part, "value", "") if isinstance(part, ast.Constant) else PLACE for part in each.body.values)
        for each in node.elts
    ]
