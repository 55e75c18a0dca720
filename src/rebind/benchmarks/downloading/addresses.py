"""Where the files of benchmarks are published, and which of them are missing below a data root."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from rebind.benchmarks.downloading.archives import ARCHIVE_SUFFIXES
from rebind.benchmarks.kinds import BenchmarkKind
from rebind.types import UserError

HUB = "hf://datasets/"
_SCHEMES = ("http://", "https://", HUB)
_FIELDS = {"address", "files", "member", "sha256"}


@dataclass(frozen=True)
class Source:
    """Where one file or folder of a benchmark is published.

    Attributes:
        place: where it goes, below the data root.
        addresses: one, or those of several archives that are unpacked into one folder.
        member: what is wanted of the archive; see :func:`rebind.benchmarks.downloading.archives.content`.
        sha256: of what is at the address; empty where nobody knows.
    """

    place: str
    addresses: tuple[str, ...]
    member: str = ""
    sha256: str = ""

    @property
    def packed(self) -> bool:
        """Whether an archive is fetched and unpacked."""
        return self.addresses[0].endswith(ARCHIVE_SUFFIXES) and not self.place.endswith(ARCHIVE_SUFFIXES)


@dataclass(frozen=True)
class Missing:
    """What a benchmark lacks below a data root.

    Attributes:
        sources: of what can be downloaded.
        elsewhere: places of what cannot.
    """

    sources: tuple[Source, ...]
    elsewhere: tuple[str, ...]

    @property
    def offer(self) -> str:
        """``1 file and 1 folder from HOST``; empty when nothing is missing, or something cannot be downloaded."""
        if self.elsewhere or not self.sources:
            return ""
        addresses = dict.fromkeys(address for source in self.sources for address in source.addresses)
        hosts = dict.fromkeys("huggingface.co" if each.startswith(HUB) else urlsplit(each).netloc for each in addresses)
        folders = sum(address.endswith("/") for address in addresses)
        counts = {"file": len(addresses) - folders, "folder": folders}
        what = [f"{count} {noun}{'s' * (count > 1)}" for noun, count in counts.items() if count]
        return f"{' and '.join(what)} from {' and '.join(hosts)}"


def read_sources(path: Path | None = None) -> list[Source]:
    """The list of addresses, ``addresses.yaml`` of this package or a file of the same format.

    Raises:
        UserError: naming the file and the place whose entry is wrong.
    """
    import yaml

    name = path or Path(str(files("rebind.benchmarks.downloading").joinpath("addresses.yaml")))
    try:
        entries = yaml.safe_load(name.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"cannot read the list of addresses {name}: {' '.join(str(error).split())}") from error
    if not isinstance(entries, dict):
        raise UserError(f"{name} must hold a mapping: place below the data root → address")
    return [source for place, entry in entries.items() for source in _sources(place, entry, f"{name}, {place}")]


def missing(
    kind: BenchmarkKind, sources: Sequence[Source], root: Path | None = None, given: Collection[str] = ()
) -> Missing:
    """What a benchmark lacks; all that it reads when ``root`` is None.

    Args:
        kind: the benchmark.
        sources: the list of addresses.
        root: the data root.
        given: names of those of its files that lie elsewhere, so that nothing is fetched for them.
    """
    wanted: list[Source] = []
    elsewhere = []
    for file, place in kind.layout.items():
        if file in given or place == ".":
            continue
        parts = [source for source in sources if source.place == place or source.place.startswith(f"{place}/")]
        wanted += [source for source in parts if root is None or not os.path.lexists(root / source.place)]
        there = root is not None and (root / place).exists()
        if not parts and not there and file not in kind.optional:
            elsewhere.append(place)
    return Missing(tuple(dict.fromkeys(wanted)), tuple(elsewhere))


def _sources(place: Any, entry: Any, where: str) -> Iterable[Source]:
    """The sources of one entry of the list."""
    fields = entry if isinstance(entry, dict) else {"address": entry}
    if unknown := sorted(map(str, fields.keys() - _FIELDS)):
        raise UserError(f'{where}: "{unknown[0]}" is not one of {", ".join(sorted(_FIELDS))}')
    addresses = _texts(fields.get("address"), where)
    names = _texts(fields.get("files", []), where)
    member, sha256 = ((_texts(fields.get(each, ""), where) or [""])[0] for each in ("member", "sha256"))
    if not addresses or not all(each.startswith(_SCHEMES) for each in addresses):
        raise UserError(f"{where}: an address must begin with one of {', '.join(_SCHEMES)}")
    if any(each.startswith(HUB) and each.count("/") < HUB.count("/") + 2 for each in addresses):
        raise UserError(f"{where}: an address of the Hugging Face hub must be {HUB}OWNER/NAME/PATH")
    for path in (str(place), *names, member):
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            raise UserError(f'{where}: "{path}" must not lead out of the folder that it is below')
    if names:
        return [Source(f"{place}/{name}", (f"{addresses[0].rstrip('/')}/{name}",)) for name in names]
    source = Source(str(place), tuple(addresses), member, sha256)
    if len(addresses) > 1 and (sha256 or not source.packed):
        raise UserError(f"{where}: several addresses must be those of archives, and have no sha256")
    return [source]


def _texts(value: Any, where: str) -> list[str]:
    texts = value if isinstance(value, list) else [value]
    if not all(isinstance(each, str) for each in texts):
        raise UserError(f"{where}: expected an address, or address, files, member and sha256, which are texts")
    return texts
