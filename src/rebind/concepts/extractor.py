"""One face for every backend: from captions to their concepts, by a backend and options that it remembers."""

from __future__ import annotations

import importlib
import inspect
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, Protocol

from rebind.concepts.mentions import Mentions
from rebind.concepts.options import ConceptOptions
from rebind.types import UserError

#: Backend name -> module and class, imported only when the backend is asked for.
BACKENDS = {
    "textblob": "rebind.concepts.textblob_backend:TextblobBackend",
    "spacy": "rebind.concepts.spacy_backend:SpacyBackend",
    "llm": "rebind.concepts.llm_backend:LlmBackend",
}
_OPTIONS = {each.name for each in fields(ConceptOptions)}


class Backend(Protocol):
    """What finds the noun phrases; a class whose constructor takes its settings by name.

    ``read_many`` may also take ``relations``, whether to find those, too, and ``tally``, counts to add to.
    """

    @property
    def version(self) -> str:
        """Of what the answers depend on: library, pipeline, prompt."""

    @property
    def settings(self) -> dict[str, Any]:
        """Those that the answers depend on, as JSON holds them."""

    def read_many(self, captions: Sequence[str]) -> Sequence[Mentions]:
        """What each caption mentions, perhaps nothing."""


@dataclass(frozen=True)
class Extractor:
    """Reads the concepts of captions; can be sent to another process.

    Attributes:
        name: of the backend, for the record.
        settings: all that the concepts depend on, defaults included, for the record: the backend's and the options.
        options: applied to what the backend finds.
        backend: finds it.
    """

    name: str
    settings: dict[str, Any]
    options: ConceptOptions
    backend: Backend = field(repr=False)

    @property
    def version(self) -> str:
        """Of the backend."""
        return self.backend.version

    def __call__(self, caption: str) -> list[str]:
        """The caption's concepts: see :meth:`read_many`."""
        return self.read_many([caption])[0]

    def read_many(self, captions: Iterable[str]) -> list[list[str]]:
        """The concepts of each caption: lower-cased, in order of appearance, each once, at least one.

        A caption without a concept is its own concept.

        Raises:
            UserError: when a caption is blank, or what the backend raises.
        """
        captions = [caption.strip() for caption in captions]
        found = self.find_many(captions)
        return [concepts or [caption] for concepts, caption in zip(found, captions, strict=True)]

    def find_many(self, captions: Sequence[str], tally: Counter[str] | None = None) -> list[list[str]]:
        """As :meth:`read_many`, but empty for a caption that names nothing.

        Args:
            captions: without spaces around them.
            tally: the backend adds what it counts to it, if it counts.
        """
        if not all(captions):
            raise UserError("a caption is blank; it must hold at least one word to have concepts")
        wanted = {"relations": self.options.relations, "tally": tally}
        wanted = {name: value for name, value in wanted.items() if _takes(type(self.backend).read_many, name)}
        return [self.options.choose(mentions) for mentions in self.backend.read_many(captions, **wanted)]


def build_extractor(backend: str = "textblob", **settings: Any) -> Extractor:
    """Build the extractor named ``backend``.

    Args:
        backend: ``textblob``, the default: offline, nothing to download; ``spacy``: any installed pipeline with a
            parser; ``llm``: a language model behind an OpenAI-compatible endpoint.
        settings: options of :class:`rebind.concepts.ConceptOptions`, such as ``keep_numbers``, and the backend's own:
            none for ``textblob``, ``pipeline`` for ``spacy``, ``model``, ``base_url`` and more for ``llm``.

    Raises:
        UserError: when the backend, the package or pipeline it needs, or a setting is unknown, or a setting has the
            wrong type.

    Example:
        >>> build_extractor()("A man in a red hat walks two dogs.")
        ['man', 'red hat', 'two dogs']
    """
    if backend not in BACKENDS:
        raise UserError(f"unknown concept backend {backend!r}; the known ones are: {', '.join(sorted(BACKENDS))}")
    module, _, name = BACKENDS[backend].partition(":")
    build = getattr(importlib.import_module(module), name)
    options = ConceptOptions(**{name: value for name, value in settings.items() if name in _OPTIONS})
    own = _checked(backend, build, {name: value for name, value in settings.items() if name not in _OPTIONS})
    if options.relations and not _takes(build.read_many, "relations"):
        raise UserError(f"backend {backend!r} finds no relations; leave the option 'relations' out, or choose textblob")
    built = build(**own)
    return Extractor(backend, {**built.settings, **options.as_dict()}, options, built)


def _checked(backend: str, build: Callable[..., Backend], settings: dict[str, Any]) -> dict[str, Any]:
    """The backend's own settings, if they are known, complete and of the right types."""
    parameters = inspect.signature(build).parameters
    for name, value in settings.items():
        if name not in parameters:
            everything = ", ".join([*parameters, *sorted(_OPTIONS)])
            raise UserError(f"unknown setting {name!r} of backend {backend!r}; the known ones are: {everything}")
        default = parameters[name].default
        wanted = str if default is inspect.Parameter.empty else type(default)
        fits = isinstance(value, (int, float) if wanted is float else wanted)
        if default is not None and (not fits or (isinstance(value, bool) and wanted is not bool)):
            raise UserError(
                f"setting {name!r} of backend {backend!r} is {value!r}; it must be of type {wanted.__name__}"
            )
    for name, parameter in parameters.items():
        if parameter.default is inspect.Parameter.empty and name not in settings:
            raise UserError(f"backend {backend!r} needs the setting {name!r}")
    return settings


@cache
def _takes(method: Callable[..., Any], name: str) -> bool:
    return name in inspect.signature(method).parameters
