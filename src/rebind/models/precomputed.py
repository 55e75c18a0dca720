"""Embeddings that were made elsewhere, read by key from one file."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Sequence
from filecmp import cmp
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from rebind.types import UserError

_SHOWN = 60  # characters of a key in a sentence

Picture = tuple[Path | str, tuple[int, ...] | None]  # a file, or the key of an encoded picture; and perhaps a rectangle


class PrecomputedEmbeddings:
    """A file of vectors, one a picture or text, each under a key of its own.

    A text's key is the text itself, or ``sha256:`` and the hexadecimal digest of its UTF-8 bytes. A picture's key is
    its path or the end of it, from ``val2017/000000000139.jpg`` over ``000000000139.jpg`` to ``000000000139``, the
    longest first; of a rectangle of a picture, such a key with ``#left,top,right,bottom`` behind it; of an encoded
    picture in a shard, ``sha256:`` and the digest of its bytes. A key stands for one picture or text only;
    copies of a file are one picture.

    Args:
        file: ``.npz`` (no pickles) or ``.safetensors``; each entry a vector (d,) of any floating-point type.

    Attributes:
        file: where they came from.
        width: d.

    Raises:
        UserError: when the file is not there, is damaged, or its entries are no vectors of one width.
    """

    training = False

    def __init__(self, file: Path) -> None:
        self.file = file
        self._vectors = _read_vectors(file)
        shapes = {key: value.shape for key, value in self._vectors.items()}
        first = next(iter(shapes.values()), ())
        for key, shape in shapes.items():
            if len(shape) != 1 or shape != first or self._vectors[key].dtype.kind != "f":
                raise UserError(
                    f'{file}: the entry "{key[:_SHOWN]}" is {self._vectors[key].dtype} of shape {shape}; '
                    "each entry must be one floating-point vector, all of the same width"
                )
        self.width = first[0] if first else 0
        self._owners: dict[str, Picture | str] = {}  # key -> the picture or text that was found under it

    def find_images(self, pictures: Sequence[tuple[Path | bytes, tuple[int, ...] | None]]) -> np.ndarray:
        """Embeddings (I, d) float32, L2-normalised, of pictures given as file or bytes, and perhaps a rectangle.

        Raises:
            UserError: naming the first that has no entry, or shares one with another picture or a text.
        """
        return self._find(
            "picture",
            [(_digest(picture) if isinstance(picture, bytes) else picture, box) for picture, box in pictures],
        )

    def find_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Embeddings (T, d) float32, L2-normalised.

        Raises:
            UserError: naming the first that has no entry, or shares one with a picture.
        """
        return self._find("text", texts)

    def describe(self) -> dict[str, Any]:
        """The file's name, its digest and what is in it."""
        with self.file.open("rb") as content:
            digest = sha256()
            while block := content.read(1 << 20):
                digest.update(block)
        entries = {"entries": len(self._vectors), "width": self.width}
        return {"kind": "precomputed", "file": self.file.name, "weights": digest.hexdigest()[:32], **entries}

    def to(self, device: Any) -> PrecomputedEmbeddings:
        """Itself: there is nothing to move."""
        return self

    def eval(self) -> PrecomputedEmbeddings:
        """Itself: there is nothing to train."""
        return self

    def train(self, mode: bool = True) -> PrecomputedEmbeddings:
        """Itself: there is nothing to train."""
        return self

    def _find(self, what: str, things: Sequence[Picture | str]) -> np.ndarray:
        wanted = [_keys(thing) for thing in things]
        found = [next((key for key in keys if key in self._vectors), None) for keys in wanted]
        missing = [keys for keys, key in zip(wanted, found, strict=True) if key is None]
        if missing:
            raise UserError(
                f'{self.file} has no embedding of {len(missing)} of {len(wanted)} {what}s; the first is "'
                f'{missing[0][0][:_SHOWN]}": add it under that key or under "{missing[0][-1]}"'
            )
        for thing, key in zip(things, found, strict=True):
            if key is not None and not _same(owner := self._owners.setdefault(key, thing), thing):
                raise UserError(
                    f'{self.file}: the key "{key[:_SHOWN]}" fits {_name(owner)} and {_name(thing)}; give each one of '
                    f'its own, such as "{_other_key(key, thing, owner)}"'
                )
        rows = [np.asarray(self._vectors[key], dtype=np.float32) for key in found if key is not None]
        vectors = np.stack(rows) if rows else np.zeros((0, self.width), dtype=np.float32)
        with np.errstate(divide="ignore", invalid="ignore"):  # a vector of zeros becomes NaN, which has its sentence
            return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _name(thing: Picture | str) -> str:
    """A picture or text for people."""
    if isinstance(thing, str):
        return f'the text "{thing[:_SHOWN]}"'
    picture, box = thing
    name = "an encoded picture" if isinstance(picture, str) else f"the picture {picture}"
    return name if box is None else f"the rectangle {box} of {name}"


def _digest(content: bytes) -> str:
    return f"sha256:{sha256(content).hexdigest()}"


def _keys(thing: Picture | str) -> list[str]:
    """The keys under which a picture or text is looked for, in that order."""
    if isinstance(thing, str):
        return [thing, _digest(thing.encode())]
    picture, box = thing
    if isinstance(picture, str):
        keys = [picture]
    else:
        keys = [str(picture), *("/".join(picture.parts[start:]) for start in range(1, len(picture.parts)))]
        keys.append(picture.stem)
    end = "" if box is None else f"#{','.join(map(str, box))}"
    return [key + end for key in keys]


def _same(one: Picture | str, other: Picture | str) -> bool:
    """Whether two things are one picture, by its file or its bytes however the path is spelled, or one text."""
    if one == other or isinstance(one, str) or isinstance(other, str) or one[1] != other[1]:
        return one == other
    first, second = Path(one[0]), Path(other[0])
    if first.resolve() == second.resolve():
        return True
    return first.is_file() and second.is_file() and cmp(first, second, shallow=False)


def _other_key(key: str, thing: Picture | str, owner: Picture | str) -> str:
    """The shortest key that would tell the first of two things that share one, or else the second, from the other."""
    for one, other in ((thing, owner), (owner, thing)):
        keys = _keys(one)
        if apart := [each for each in keys[: keys.index(key)] if each not in _keys(other)]:
            return apart[-1]
    return key


def _read_vectors(file: Path) -> dict[str, np.ndarray]:
    readers = {".npz": _read_npz, ".safetensors": _read_safetensors}
    if file.suffix not in readers:
        raise UserError(f"{file} must be a .npz or .safetensors file of embeddings")
    if not file.is_file():
        raise UserError(f"{file} does not exist or is not a file; expected embeddings by key")
    try:
        return dict(readers[file.suffix](file))
    except (OSError, ValueError, KeyError, EOFError, TypeError, RuntimeError, zipfile.BadZipFile) as error:
        raise UserError(f"cannot read the embeddings in {file}: {str(error) or type(error).__name__}") from error


def _read_npz(file: Path) -> Iterable[tuple[str, np.ndarray]]:
    with np.load(file, allow_pickle=False) as content:
        yield from ((key, content[key]) for key in content.files)


def _read_safetensors(file: Path) -> Iterable[tuple[str, np.ndarray]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt") as content:  # numpy knows no bfloat16
            for key in content.keys():  # noqa: SIM118  (it is no mapping)
                value = content.get_tensor(key)
                yield key, (value.float() if value.is_floating_point() else value).numpy()
    except SafetensorError as error:
        raise ValueError(str(error)) from error
