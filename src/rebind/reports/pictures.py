"""Example scenes for the page: small pictures as data URIs, and where a model looks drawn over them."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from PIL import Image, ImageOps

SIDE = 256  # pixels of the longer side of every picture on the page

GAZE = mpl.colormaps["inferno"]
DIFFERENCE = LinearSegmentedColormap.from_list("difference", ["#0072b2", "#f7f7f5", "#d04a02"])


def open_picture(path: Path, upright: bool = True) -> Image.Image | None:
    """The picture in RGB, turned ``upright`` or as stored, longer side SIDE pixels; None when it cannot be read."""
    try:
        with Image.open(path) as image:
            picture = (ImageOps.exif_transpose(image) if upright else image).convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None  # Pillow raises any of these on a damaged file; the page then says that the picture is missing
    scale = SIDE / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.LANCZOS)


def data_uri(picture: Image.Image) -> str:
    """The picture as a WebP data URI."""
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=82, method=4)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _enlarge(attention: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(h, w) values over tokens, smoothly enlarged to (H, W) pixels. The token grid is taken to span the picture."""
    field = Image.fromarray(attention.astype(np.float32)).resize(size, Image.Resampling.BICUBIC)
    return np.clip(np.asarray(field), attention.min(), attention.max())  # bicubic overshoots; show no value that is not


def draw_gaze(picture: Image.Image, attention: np.ndarray, low: float, high: float) -> Image.Image:
    """``attention`` (h, w) over the greyed picture, dark at ``low`` and bright at ``high``."""
    share = np.clip((_enlarge(attention, picture.size) - low) / max(high - low, 1e-12), 0, 1)[..., None]
    heat = GAZE(0.06 + 0.88 * share[..., 0])[..., :3] * 255
    return _blend(picture, heat, np.full_like(share, 0.7))


def draw_difference(picture: Image.Image, difference: np.ndarray, reach: float) -> Image.Image:
    """A signed (h, w) map over the greyed picture: blue at −``reach``, orange at +``reach``, clear at zero."""
    signed = np.clip(_enlarge(difference, picture.size) / max(reach, 1e-12), -1, 1)[..., None]
    colour = DIFFERENCE(0.5 + 0.5 * signed[..., 0])[..., :3] * 255
    return _blend(picture, colour, 0.15 + 0.7 * np.abs(signed))


def _blend(picture: Image.Image, colour: np.ndarray, opacity: np.ndarray) -> Image.Image:
    """(H, W, 3) ``colour`` over the picture in grey, ``opacity`` (H, W, 1) between 0 and 1."""
    grey = np.asarray(picture.convert("L"), dtype=float)[..., None]
    return Image.fromarray((colour * opacity + grey * (1 - opacity)).round().astype(np.uint8))
