"""Hard negatives as annotations and shards write them, checked, and as columns hold them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rebind.data.captions import text_field
from rebind.types import Negative

if TYPE_CHECKING:
    import pyarrow


def require_negatives(values: Any) -> list[dict[str, Any]]:
    """Return the field ``negatives`` of a sample, if it is a list of objects.

    Raises:
        ValueError: when it is not.
    """
    if not isinstance(values, list) or not all(isinstance(each, dict) for each in values):
        raise ValueError('`negatives` must be a list of objects like {"caption": "..."}')
    return values


def read_negative(value: Mapping[str, Any]) -> dict[str, Any]:
    """Caption, family, ``of`` and ``edits`` of one of them; other fields are passed over.

    ``edits`` are for the eye: what is no list of [start, end] in the caption's characters is passed over, too.

    Raises:
        ValueError: saying what is wrong with a field.
    """
    caption, family = text_field(value.get("caption"), "caption"), value.get("family") or ""
    if not isinstance(family, str):
        raise ValueError(f"`family` must be a text, not {type(family).__name__}")
    of = value.get("of") or 0
    if not isinstance(of, int) or not 0 <= of < 2**31:
        raise ValueError(f"`of` must be the number of one of the captions, from 0, not {of!r}")
    return {"caption": caption, "family": family, "of": of, "edits": _edits(value.get("edits"), value["caption"])}


def _edits(value: Any, written: str) -> list[list[int]]:
    """The places of a caption, as it was ``written``, in its stripped text."""
    if not isinstance(value, list) or not all(_is_edit(edit, len(written)) for edit in value):
        return []
    before, length = len(written) - len(written.lstrip()), len(written.strip())
    return [[min(max(place - before, 0), length) for place in edit] for edit in value]


def _is_edit(edit: Any, length: int) -> bool:
    return (
        isinstance(edit, list) and [type(place) for place in edit] == [int, int] and 0 <= edit[0] <= edit[1] <= length
    )


def as_negative(record: Mapping[str, Any], image: Path | bytes | None) -> Negative:
    """What :func:`read_negative` returned, with the picture of it."""
    edits = tuple((start, end) for start, end in record["edits"])
    return Negative(record["caption"], record["family"], image, record["of"], edits)


def as_record(negative: Negative) -> dict[str, Any]:
    """A negative without its picture, as JSON has it; ``of`` and ``edits`` only where they say something."""
    record: dict[str, Any] = {"caption": negative.caption, "family": negative.family}
    if negative.of:
        record["of"] = negative.of
    if negative.edits:
        record["edits"] = [list(edit) for edit in negative.edits]
    return record


def column_type(**picture: str) -> pyarrow.DataType:
    """The Arrow type of a sample's negatives; ``picture`` gives the fields that say where each one's picture is."""
    import pyarrow

    places = [(name, pyarrow.type_for_alias(alias)) for name, alias in picture.items()]
    text, edits = pyarrow.large_string(), pyarrow.list_(pyarrow.list_(pyarrow.int32(), 2))
    fields = [("caption", text), ("family", text), ("of", pyarrow.int32()), ("edits", edits), *places]
    return pyarrow.large_list(pyarrow.struct(fields))
