"""Scenes to pictures, many at once: each shape is drawn once per size and position, and scenes are put together."""

from __future__ import annotations

from functools import cache

import numpy as np
from PIL import Image, ImageFilter

from rebind.world.scenes import GRID, JITTER, SIZES, Scenes
from rebind.world.shapes import outline
from rebind.world.vocabulary import ALL_COLOURS, ALL_SHAPES

PICTURE_SIZE = 48  # pixels a side, of the pictures that models see
_EXTENT = (0.74, 0.82)  # of a cell, per size
_SHADOW = 0.45
_PALETTE = np.array(list(ALL_COLOURS.values()), dtype=np.float32)


def render(scenes: Scenes, size: int = PICTURE_SIZE) -> np.ndarray:
    """Draw scenes.

    Args:
        scenes: n scenes.
        size: pixels a side, a multiple of three.

    Returns:
        (n, size, size, 3) uint8 sRGB pictures.
    """
    cell = size // GRID
    pictures = _grounds(size)[scenes.ground % len(_grounds(size))]  # (n, size, size, 3) float32
    count = len(scenes)
    cells = pictures.reshape(count, GRID, cell, GRID, cell, 3)
    for place in range(scenes.shape.shape[1]):
        rows = np.flatnonzero(scenes.shape[:, place] >= 0)
        alpha, light, shadow = _objects(scenes.shape[rows, place], scenes.look[rows, place], cell)
        down, across = np.divmod(scenes.cell[rows, place], GRID)
        under = cells[rows, down, :, across]  # (m, cell, cell, 3)
        under *= (1 - _SHADOW * shadow)[..., None]
        colour = _PALETTE[scenes.colour[rows, place]][:, None, None] * light[..., None]
        under += alpha[..., None] * (colour - under)
        cells[rows, down, :, across] = under
    return np.clip(pictures.reshape(count, size, size, 3) + 0.5, 0, 255).astype(np.uint8)


def _objects(shapes: np.ndarray, looks: np.ndarray, cell: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(m, cell, cell) coverage, brightness and shadow of m objects; each distinct one is drawn once."""
    looks_per_shape = SIZES * JITTER**2
    kinds, index = np.unique(shapes * looks_per_shape + looks, return_inverse=True)
    drawn = [_object(ALL_SHAPES[kind // looks_per_shape], int(kind % looks_per_shape), cell) for kind in kinds]
    layers = np.stack(drawn) if drawn else np.zeros((0, 3, cell, cell), dtype=np.float32)
    picked = layers[index]
    return picked[:, 0], picked[:, 1], picked[:, 2]


@cache
def _object(shape: str, look: int, cell: int) -> np.ndarray:
    """(3, cell, cell): coverage, brightness (lit from the upper left, darker towards the edge) and soft shadow."""
    extent = round(cell * _EXTENT[look // JITTER**2] * 4) / 4
    down, across = divmod(look % JITTER**2, JITTER)
    slack = cell - extent
    left, top = (slack * (0.2 + 0.4 * step / (JITTER - 1)) for step in (across, down))
    sharp = 4  # draw larger, then reduce: clean edges at any size
    mask = outline(shape).resize([round(extent * sharp)] * 2, Image.Resampling.BOX)
    canvas = Image.new("L", (cell * sharp, cell * sharp), 0)
    canvas.paste(mask, (round(left * sharp), round(top * sharp)))
    inside = canvas.filter(ImageFilter.GaussianBlur(cell * sharp * 0.035))
    shifted = Image.new("L", canvas.size, 0)
    shifted.paste(canvas, (round(cell * sharp * 0.04), round(cell * sharp * 0.06)))
    shadow = shifted.filter(ImageFilter.GaussianBlur(cell * sharp * 0.04))
    layers = [_reduce(image, cell) for image in (canvas, inside, shadow)]
    ramp = np.linspace(0, 1, cell, dtype=np.float32)
    sun = 1.12 - 0.24 * (ramp[:, None] + ramp[None, :]) / 2
    return np.stack([layers[0], sun * (0.72 + 0.28 * np.clip(2 * layers[1] - 0.9, 0, 1)), layers[2]])


def _reduce(image: Image.Image, size: int) -> np.ndarray:
    return np.asarray(image.resize((size, size), Image.Resampling.BOX), dtype=np.float32) / 255


@cache
def _grounds(size: int) -> np.ndarray:
    """(8, size, size, 3) dark slate backgrounds, slightly different in tint, lighter towards one side."""
    ramp = np.linspace(-1, 1, size, dtype=np.float32)
    tints = np.array([[44, 50, 62], [50, 48, 62], [42, 54, 60], [52, 52, 58]], dtype=np.float32)
    slopes = ((7, 4), (-7, 4))
    vignette = 1 - 0.16 * (ramp[:, None] ** 2 + ramp[None, :] ** 2)
    fields = [vignette + (down * ramp[:, None] + across * ramp[None, :]) / 100 for down, across in slopes]
    return np.stack([tint * field[..., None] for tint in tints for field in fields])
