"""One face for every backend: a callable from a caption to its concepts that remembers how it was built."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from rebind.concepts.textblob_backend import TextblobBackend
from rebind.types import UserError

#: Backend name -> what builds it from its settings. A backend returns [] for a caption that names nothing.
BACKENDS: dict[str, Callable[..., Callable[[str], list[str]]]] = {"textblob": TextblobBackend}


@dataclass(frozen=True)
class Extractor:
    """Reads the concepts of one caption at a time.

    Attributes:
        backend: name of the backend, for the record.
        settings: every setting of the backend, defaults included, for the record.
        noun_phrases: the backend's function; it may return no phrase at all.
    """

    backend: str
    settings: dict[str, Any]
    noun_phrases: Callable[[str], list[str]] = field(repr=False)

    def __call__(self, caption: str) -> list[str]:
        """The caption's concepts: lower-cased, in order of appearance, each once, at least one.

        A caption without a noun phrase is its own concept.

        Raises:
            UserError: when the caption is blank.
        """
        stripped = caption.strip()
        if not stripped:
            raise UserError("the caption is blank; a caption must hold at least one word to have concepts")
        return self.noun_phrases(stripped) or [stripped]


def build_extractor(backend: str = "textblob", **settings: Any) -> Extractor:
    """Build the extractor named ``backend``.

    Args:
        backend: ``textblob``, the default: offline, nothing to download.
        settings: the backend's own; for ``textblob`` ``keep_numbers`` (True): "two dogs" rather than "dogs".

    Raises:
        UserError: when the backend or a setting is unknown, or a setting has the wrong type.

    Example:
        >>> build_extractor()("A man in a red hat walks two dogs.")
        ['man', 'red hat', 'two dogs']
    """
    if backend not in BACKENDS:
        raise UserError(f"unknown concept backend {backend!r}; the known ones are: {', '.join(sorted(BACKENDS))}")
    build = BACKENDS[backend]
    known = {name: parameter.default for name, parameter in inspect.signature(build).parameters.items()}
    for name, value in settings.items():
        if name not in known:
            raise UserError(f"unknown setting {name!r} of backend {backend!r}; the known ones are: {', '.join(known)}")
        wanted = type(known[name])
        if not isinstance(value, wanted):
            raise UserError(f"setting {name!r} of backend {backend!r} is {value!r}; it must be a {wanted.__name__}")
    complete = {**known, **settings}
    return Extractor(backend, complete, build(**complete))


def extract_concepts(captions: Iterable[str], extractor: Callable[[str], list[str]]) -> Iterator[list[str]]:
    """The concepts of each caption in turn, lazily."""
    return map(extractor, captions)
