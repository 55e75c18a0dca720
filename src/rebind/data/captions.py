"""Reading the fields of one sample: what counts as a text, and how its captions are put together."""

from __future__ import annotations

from typing import Any


def text_field(value: Any, field: str) -> str:
    """Return ``value`` stripped, if it is a text that says something.

    Raises:
        ValueError: saying what is wrong with the field.
    """
    if not isinstance(value, str):
        raise ValueError(f"`{field}` must be a text, not {type(value).__name__}")
    if not (value := value.strip()):
        raise ValueError(f"`{field}` is empty; write a text there or remove the row")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError(f"`{field}` holds characters that are not valid Unicode") from None
    return value


def key_field(value: Any) -> str:
    """Return a key, given as a text or a whole number.

    Raises:
        ValueError: saying what is wrong with it.
    """
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else text_field(value, "key")


def join_captions(caption: Any, captions: Any) -> tuple[str, ...]:
    """Put ``caption`` before the other ``captions``, each text once. Either may be None.

    Raises:
        ValueError: when there is none, or one is empty or not a text.
    """
    if caption is None and captions is None:
        raise ValueError("neither `caption` nor `captions` is given; write what the image shows")
    if captions is None:
        return (text_field(caption, "caption"),)
    if not isinstance(captions, list):
        raise ValueError(f"`captions` must be a list of texts, not {type(captions).__name__}")
    texts = [text_field(text, "captions") for text in captions]
    if caption is not None and (caption != "" or not texts):
        texts.insert(0, text_field(caption, "caption"))
    if not texts:
        raise ValueError("`captions` is an empty list; give at least one text")
    return tuple(dict.fromkeys(texts))
