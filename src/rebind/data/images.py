"""Encoded images of any common kind as plain RGB pictures, safely."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib.format import read_array_header_1_0, read_array_header_2_0, read_magic
from PIL import Image, ImageOps

from rebind.data.broken import BrokenImageError

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
_NUMPY = b"\x93NUMPY"
MAX_PIXELS = 100_000_000  # 300 MB once decoded; no camera photo is larger


def decode_image(image: Path | bytes, max_pixels: int = MAX_PIXELS, as_stored: bool = False) -> Image.Image:
    """Decode an image as a viewer would show it: upright, on white where it is transparent, 8 bits a channel.

    EXIF orientation is applied; CMYK, palette, gray, 1-bit and 16-bit pictures are converted; of several frames
    the first is taken.

    Args:
        image: path or encoded bytes of a JPEG, PNG, WebP, GIF, BMP or TIFF picture.
        max_pixels: largest width x height, judged by the header before anything is decoded.
        as_stored: decode as ``Image.open(image).convert("RGB")`` does instead, and a NumPy file of one (H, W, 3) uint8
            video frame in BGR, as OpenCV has it, as ``Image.fromarray(np.load(image)[:, :, [2, 1, 0]])``.

    Returns:
        A PIL image of mode RGB.

    Raises:
        BrokenImageError: with the reason, when the file is missing, of another format, cut short or too large.
    """
    try:
        if isinstance(image, Path) and not image.is_file():
            raise BrokenImageError(f"{image} does not exist or is not a file")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Pillow only warns of is harmless here or refused below
            with io.BytesIO(image) if isinstance(image, bytes) else image.open("rb") as file:
                if as_stored and file.read(len(_NUMPY)) == _NUMPY:
                    return _frame(file, max_pixels)
                return _decode(file, max_pixels, as_stored)
    except BrokenImageError:
        raise
    except Image.UnidentifiedImageError as error:
        raise BrokenImageError("not a JPEG, PNG, WebP, GIF, BMP or TIFF picture") from error
    except Exception as error:  # decoders raise nearly anything on damaged data
        raise BrokenImageError(f"{error or type(error).__name__}") from error


def _decode(file: IO[bytes], max_pixels: int, as_stored: bool) -> Image.Image:
    with Image.open(file, formats=FORMATS) as picture:
        _check_size(picture.width, picture.height, max_pixels)
        picture.load()
        return picture.convert("RGB") if as_stored else _to_rgb(_upright(picture))


def _frame(file: IO[bytes], max_pixels: int) -> Image.Image:
    """A frame of a video that was saved by NumPy; its header is judged before anything is read."""
    file.seek(0)
    header = {(1, 0): read_array_header_1_0, (2, 0): read_array_header_2_0}[read_magic(file)]
    shape, _, dtype = header(file)
    if len(shape) != 3 or shape[2] != 3 or dtype != np.uint8:
        raise BrokenImageError(f"a frame must be uint8 of shape (height, width, 3), not {dtype} of shape {shape}")
    _check_size(shape[1], shape[0], max_pixels)
    file.seek(0)
    return Image.fromarray(np.ascontiguousarray(np.load(file, allow_pickle=False)[:, :, ::-1]))


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise BrokenImageError(f"{width} x {height} pixels are more than the {max_pixels} allowed")


def _upright(picture: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # damaged metadata says nothing about the picture itself
        return picture


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode == "I" or picture.mode.startswith("I;16"):
        picture = _eight_bits(picture)
    elif picture.mode == "F":
        raise BrokenImageError("floating-point pixels have no known range; save the picture with 8 or 16 bits")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    return picture.convert("RGB")


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Scale 0 ... 65535 to 0 ... 255; Pillow's own conversion clips instead."""
    values = np.asarray(picture).astype(np.int64)
    if values.min(initial=0) < 0 or values.max(initial=0) > 65535:
        raise BrokenImageError("pixels of more than 16 bits have no known range; save the picture with 8 or 16 bits")
    return Image.fromarray(((values + 128) // 257).astype(np.uint8))
