"""From the path a user types to a source."""

from __future__ import annotations

import glob
import os
import re
from pathlib import Path

from rebind.data.folder import FolderSource
from rebind.data.rows import READERS
from rebind.data.shards import ShardSource
from rebind.data.source import Source
from rebind.types import UserError

CAPTION_FILES = tuple(f"{stem}{suffix}" for stem in ("captions", "metadata") for suffix in READERS)
ANNOTATIONS = "annotations"  # the folder beside a source that holds what was found out about it
SOURCE_FILES = (".yaml", ".yml")
EXPECTED = "captions.jsonl|csv|tsv|parquet, metadata.jsonl|csv|tsv|parquet, or WebDataset .tar shards"


def open_source(path: str | Path) -> Source:
    """Open captioned images, whatever they are kept in.

    Args:
        path: a folder with one captions file (``captions`` or ``metadata``, ``.jsonl|.csv|.tsv|.parquet``) or with tar
            shards; such a file or shard itself; a pattern of shards: ``train-{000..015}.tar``, ``train-*.tar``; or a
            source file, ``.yaml``, that describes another kind of source.

    Returns:
        The source. No image is touched.

    Raises:
        UserError: naming what is missing or wrong, with its file, row and field.

    Example:
        >>> source = open_source("photos")
        >>> source[0].captions
        ('a red cup on a blue table',)
    """
    path = Path(path)
    try:
        if path.is_dir():
            return _open_folder(path)
        if path.exists():
            return _open_file(path)
        if set("{*?[") & set(str(path)):
            return _open_pattern(path)
    except OSError as error:
        raise UserError(f"cannot read {error.filename or path}: {error.strerror}") from error
    raise UserError(f"{path} does not exist; give a folder, a captions file or .tar shards")


def _open_folder(path: Path) -> Source:
    names = sorted(os.listdir(path))
    files = [name for name in names if name in CAPTION_FILES]
    shards = [path / name for name in names if name.endswith(".tar") and not name.startswith(".")]
    if len(files) + bool(shards) > 1:
        found = ", ".join(files + [shard.name for shard in shards[:1]])
        raise UserError(f"{path} holds several sources ({found}); give the path of the one you mean")
    if shards:
        return ShardSource(shards, path, path, path / ANNOTATIONS)
    if not files:
        raise UserError(f"{path} holds no captions; expected one of {EXPECTED}")
    return FolderSource(path / files[0], path, path / ANNOTATIONS)


def _open_file(path: Path) -> Source:
    # Several files of one folder (train.csv, test.csv) keep their annotations apart.
    annotations = path.parent / ANNOTATIONS
    if path.name not in CAPTION_FILES:
        annotations /= path.stem
    if path.suffix in SOURCE_FILES:
        from rebind.data.source_files import open_source_file  # brings libraries that most sources do without

        return open_source_file(path, annotations)
    if path.suffix == ".tar":
        return ShardSource([path], path, path.parent, annotations)
    if path.suffix in READERS:
        return FolderSource(path, path, annotations)
    raise UserError(f"{path} is no source of captioned images; expected {EXPECTED}")


def _open_pattern(pattern: Path) -> Source:
    import braceexpand

    try:
        parts = list(braceexpand.braceexpand(str(pattern)))
    except ValueError as error:
        raise UserError(f"the pattern {pattern} cannot be expanded: {error}") from None
    shards = [Path(name) for part in parts for name in (_matches(part) if glob.has_magic(part) else [part])]
    if not shards:
        raise UserError(f"no file matches the pattern {pattern}")
    for shard in shards:
        if shard.suffix != ".tar":
            raise UserError(f"the pattern {pattern} gives {shard}, which is no .tar shard")
        if not shard.is_file():
            raise UserError(f"the pattern {pattern} gives {shard}, which does not exist")
    root = Path(os.path.commonpath([shard.parent for shard in shards]))
    return ShardSource(shards, pattern, root, root / ANNOTATIONS / re.sub(r"[^\w.-]+", "_", pattern.name))


def _matches(pattern: str) -> list[str]:
    """Files that fit, sorted. Wildcards do not lead into folders of annotations, whose pictures are no samples."""
    spelled = Path(pattern).parts.count(ANNOTATIONS)
    return [name for name in sorted(glob.glob(pattern)) if Path(name).parts.count(ANNOTATIONS) == spelled]
