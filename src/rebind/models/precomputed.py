"""Embeddings that were made elsewhere, read by key from one file."""

from __future__ import annotations

import zipfile
from collections.abc import Hashable, Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from rebind.types import UserError

_SHOWN = 60  # characters of a key in a sentence


class PrecomputedEmbeddings:
    """A file of vectors, one a picture or text, each under a key of its own.

    A text's key is the text itself, or ``sha256:`` and the hexadecimal digest of its UTF-8 bytes. A picture's key is
    its path or the end of it, from ``val2017/000000000139.jpg`` over ``000000000139.jpg`` to ``000000000139``, the
    longest first; of a rectangle of a picture, such a key with ``#left,top,right,bottom`` behind it; of an encoded
    picture in a shard, ``sha256:`` and the digest of its bytes. A key stands for one picture or text only.

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
        self._owners: dict[str, Hashable] = {}  # key -> the picture or text that was found under it

    def find_images(self, pictures: Sequence[tuple[Path | bytes, tuple[int, ...] | None]]) -> np.ndarray:
        """Embeddings (I, d) float32, L2-normalised, of pictures given as file or bytes, and perhaps a rectangle.

        Raises:
            UserError: naming the first that has no entry, or shares one with another picture or a text.
        """
        return self._find("picture", pictures, [_picture_keys(*picture) for picture in pictures])

    def find_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Embeddings (T, d) float32, L2-normalised.

        Raises:
            UserError: naming the first that has no entry, or shares one with a picture.
        """
        return self._find("text", texts, [[text, f"sha256:{sha256(text.encode()).hexdigest()}"] for text in texts])

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

    def _find(self, what: str, things: Sequence[Hashable], wanted: list[list[str]]) -> np.ndarray:
        found = [next((key for key in keys if key in self._vectors), None) for keys in wanted]
        missing = [keys for keys, key in zip(wanted, found, strict=True) if key is None]
        if missing:
            raise UserError(
                f'{self.file} has no embedding of {len(missing)} of {len(wanted)} {what}s; the first is "'
                f'{missing[0][0][:_SHOWN]}": add it under that key or under "{missing[0][-1]}"'
            )
        for thing, key, keys in zip(things, found, wanted, strict=True):
            if key is not None and self._owners.setdefault(key, thing) != thing:
                other = next((each for each in keys if each != key), key)
                raise UserError(
                    f'{self.file}: the key "{key[:_SHOWN]}" fits {_name(self._owners[key])} and {_name(thing)}; give '
                    f'each one of its own, such as "{other}"'
                )
        rows = [np.asarray(self._vectors[key], dtype=np.float32) for key in found if key is not None]
        vectors = np.stack(rows) if rows else np.zeros((0, self.width), dtype=np.float32)
        with np.errstate(divide="ignore", invalid="ignore"):  # a vector of zeros becomes NaN, which has its sentence
            return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _name(thing: Any) -> str:
    """A picture or text for people."""
    if isinstance(thing, str):
        return f'the text "{thing[:_SHOWN]}"'
    encoded, box = thing
    name = "an encoded picture" if isinstance(encoded, bytes) else f"the picture {encoded}"
    return name if box is None else f"the rectangle {box} of {name}"


def _picture_keys(picture: Path | bytes, box: tuple[int, ...] | None) -> list[str]:
    if isinstance(picture, bytes):
        keys = [f"sha256:{sha256(picture).hexdigest()}"]
    else:
        keys = [str(picture), *("/".join(picture.parts[start:]) for start in range(1, len(picture.parts)))]
        keys.append(picture.stem)
    end = "" if box is None else f"#{','.join(map(str, box))}"
    return [key + end for key in keys]


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
