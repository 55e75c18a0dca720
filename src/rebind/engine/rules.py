"""A fingerprint of the rules that rows are made by: of the files that they are written in, so that none is missed."""

from __future__ import annotations

from functools import cache
from hashlib import blake2b
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
_WRITTEN_IN = (".py", ".txt", ".tsv", ".yaml")


@cache
def rules_digest(*places: str) -> str:
    """16 hex digits that are others when anything in these places is.

    Args:
        places: of the package: files, and folders without the folders in them, e.g. ``negatives/rules``.
    """
    digest = blake2b(digest_size=8)
    for place in (_PACKAGE / each for each in places):
        for file in sorted(place.iterdir()) if place.is_dir() else [place]:
            if file.suffix in _WRITTEN_IN:
                digest.update(f"{file.relative_to(_PACKAGE).as_posix()}\0{file.stat().st_size}\0".encode())
                digest.update(file.read_bytes())
    return digest.hexdigest()
