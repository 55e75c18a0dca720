"""Sources of shards opened with and without an index: whatever comes of it must be the same."""

import os
import tempfile
from pathlib import Path

import pytest

from rebind.data import open_source
from rebind.types import UserError


def settle(path):
    """Let the shards below a path be a while old, as they must be for an index to be kept of them."""
    folder = next(folder for folder in (Path(path), *Path(path).parents) if folder.is_dir())
    for tar in folder.rglob("*.tar"):
        state = tar.stat()
        if state.st_mtime > 1e9:  # once only: a shard that is written again has another time again
            os.utime(tar, ns=(state.st_atime_ns, state.st_mtime_ns - 10**18))


def outcome(path):
    """The source, and everything that can be asked of it; or what was wrong."""
    try:
        source = open_source(path)
    except UserError as error:
        return error, str(error)
    rows = range(len(source))
    said = [source.has_concepts, source.has_negatives, source.broken, list(source.skipped.items()), list(source.keys)]
    return source, [*said, list(source), [source.originals(row) for row in rows], list(source.urls())]


def open_again_and_again(path):
    """Open a source without a cache, then with an empty one, then with what that has left there."""
    settle(path)
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as cache:
        outcomes = []
        for place in ("none", cache, cache):
            patch.setenv("REBIND_CACHE", place)
            outcomes.append(outcome(path))
    assert outcomes[0][1] == outcomes[1][1] == outcomes[2][1]
    if isinstance(outcomes[2][0], UserError):
        raise outcomes[2][0]
    return outcomes[2][0]
