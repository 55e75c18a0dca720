"""Writing captioned images as others read them: an image folder or WebDataset shards."""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path

from rebind.storage import atomic_path
from rebind.types import UserError

CaptionedBytes = tuple[str, bytes, str]
"""Key, encoded PNG or JPEG image, caption."""


def write_folder_source(out: Path, samples: Iterable[CaptionedBytes]) -> None:
    """Write ``out/images/<key>.png|jpg`` and ``out/captions.jsonl``; the folder appears when it is whole.

    Args:
        out: a folder that does not exist yet, or is empty.
        samples: keys of letters, digits, ``_`` and ``-``, all different; encoded images; captions.

    Raises:
        UserError: when ``out`` holds something, or the disk is full.
    """
    with _new_folder(out) as folder:
        (folder / "images").mkdir()
        with (folder / "captions.jsonl").open("w", encoding="utf-8") as rows:
            for key, image, caption in samples:
                name = f"images/{_stem(key)}.{_extension(image)}"
                (folder / name).write_bytes(image)
                rows.write(json.dumps({"key": key, "image": name, "caption": caption}, ensure_ascii=False) + "\n")


def write_shards(out: Path, samples: Iterable[CaptionedBytes], samples_per_shard: int) -> None:
    """Write ``out/shard-00000.tar`` and so on, with members ``<key>.png|jpg`` and ``<key>.txt``.

    Equal samples give equal bytes. Arguments and errors are those of :func:`write_folder_source`.
    """
    rest = iter(samples)
    with _new_folder(out) as folder:
        for number, first in enumerate(rest):
            with open_shard(folder / shard_name(number)) as add:
                for key, image, caption in chain([first], islice(rest, samples_per_shard - 1)):
                    add(f"{_stem(key)}.{_extension(image)}", image)
                    add(f"{_stem(key)}.txt", caption.encode())


def shard_name(number: int) -> str:
    """``shard-00000.tar`` and so on."""
    return f"shard-{number:05d}.tar"


@contextmanager
def open_shard(file: Path) -> Iterator[Callable[[str, bytes], None]]:
    """Yield a function that adds a member, name and content, to a new tar archive; equal members give equal bytes."""

    def add(name: str, content: bytes) -> None:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        shard.addfile(member, io.BytesIO(content))

    with tarfile.open(file, "w", format=tarfile.USTAR_FORMAT) as shard:
        yield add


@contextmanager
def _new_folder(out: Path) -> Iterator[Path]:
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise UserError(f"{out} exists already; choose another folder or remove it")
    with atomic_path(out, folder=True) as folder:
        folder.mkdir()
        yield folder


def _stem(key: str) -> str:
    if not re.fullmatch(r"[\w-]+", key):
        raise ValueError(f"the key {key!r} cannot name a file; use letters, digits, _ and -")
    return key


def _extension(image: bytes) -> str:
    return "png" if image.startswith(b"\x89PNG") else "jpg"
