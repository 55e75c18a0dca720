"""The JSON in what a model has written."""

from __future__ import annotations

import json
import re
from typing import Any

_THOUGHTS = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL)


class Unusable(ValueError):  # noqa: N818  not an error of the program: an answer that is put aside and counted
    """An answer that cannot be used.

    Attributes:
        reason: a few words, the same for all answers of its kind, so that they can be counted.
        detail: what the server said, if it did.
        final: whether asking again is pointless.
    """

    def __init__(self, reason: str, detail: str = "", final: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.detail, self.final = reason, detail, final


def json_in(text: str) -> Any:
    """The JSON object in an answer, whatever thoughts, fences or pleasantries stand around it.

    Raises:
        Unusable: when there is none.
    """
    answer = _THOUGHTS.sub("", text)
    start = answer.find("{")
    if start < 0:
        raise Unusable("not JSON")
    try:
        value, _ = json.JSONDecoder().raw_decode(answer, start)
    except (json.JSONDecodeError, RecursionError):
        raise Unusable("not JSON") from None
    return value
