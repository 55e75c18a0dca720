"""The outlines of the shapes, drawn once at high resolution as masks in the unit square (y points down)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from PIL import Image, ImageDraw

RESOLUTION = 256
Points = list[tuple[float, float]]
Box = tuple[float, float, float, float]


class Pen:
    """Draws filled outlines given in the unit square; ``fill`` False cuts out of what is there."""

    def __init__(self) -> None:
        self.image = Image.new("L", (RESOLUTION, RESOLUTION), 0)
        self._draw = ImageDraw.Draw(self.image)

    def polygon(self, points: Points, fill: bool = True) -> None:
        """Fill a closed polygon."""
        self._draw.polygon([(x * RESOLUTION, y * RESOLUTION) for x, y in points], fill=255 * fill)

    def ellipse(self, box: Box, fill: bool = True) -> None:
        """Fill the ellipse that touches the box (left, top, right, bottom)."""
        self._draw.ellipse([value * RESOLUTION for value in box], fill=255 * fill)

    def box(self, box: Box, radius: float = 0.0, fill: bool = True) -> None:
        """Fill a rectangle with rounded corners."""
        self._draw.rounded_rectangle([value * RESOLUTION for value in box], radius * RESOLUTION, fill=255 * fill)

    def disc(self, x: float, y: float, radius: float, fill: bool = True) -> None:
        """Fill a circle."""
        self.ellipse((x - radius, y - radius, x + radius, y + radius), fill)


def _regular(corners: int, turn: float = -0.25, inner: float | None = None) -> Points:
    """Corners of a regular polygon, or of a star if the inner radius is given; ``turn`` in whole turns."""
    count = corners if inner is None else 2 * corners
    radii = [0.5 if inner is None or corner % 2 == 0 else inner for corner in range(count)]
    angles = [2 * np.pi * (turn + corner / count) for corner in range(count)]
    return [(0.5 + r * float(np.cos(a)), 0.5 + r * float(np.sin(a))) for r, a in zip(radii, angles, strict=True)]


def _curve(x: Callable[[np.ndarray], np.ndarray], y: Callable[[np.ndarray], np.ndarray]) -> Points:
    t = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    return list(zip(x(t).tolist(), y(t).tolist(), strict=True))


def _heart(pen: Pen) -> None:
    pen.polygon(
        _curve(
            lambda t: 0.5 + 0.49 * np.sin(t) ** 3,
            lambda t: 0.46 - (13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)) / 31,
        )
    )


def _moon(pen: Pen) -> None:
    pen.disc(0.5, 0.5, 0.5)
    pen.disc(0.72, 0.42, 0.42, fill=False)


def _cross(pen: Pen) -> None:
    pen.box((0.33, 0, 0.67, 1), 0.05)
    pen.box((0, 0.33, 1, 0.67), 0.05)


def _ring(pen: Pen) -> None:
    pen.disc(0.5, 0.5, 0.5)
    pen.disc(0.5, 0.5, 0.27, fill=False)


def _arrow(pen: Pen) -> None:
    pen.polygon([(0, 0.34), (0.5, 0.34), (0.5, 0.06), (1, 0.5), (0.5, 0.94), (0.5, 0.66), (0, 0.66)])


def _drop(pen: Pen) -> None:
    pen.disc(0.5, 0.66, 0.34)
    pen.polygon([(0.5, 0), (0.81, 0.53), (0.19, 0.53)])


def _flower(pen: Pen) -> None:
    for x, y in _regular(5, inner=0.1)[::2]:
        pen.disc(0.5 + 0.58 * (x - 0.5), 0.5 + 0.58 * (y - 0.5), 0.22)
    pen.disc(0.5, 0.5, 0.12, fill=False)


def _cloud(pen: Pen) -> None:
    pen.box((0.02, 0.5, 0.98, 0.82), 0.16)
    pen.disc(0.36, 0.46, 0.24)
    pen.disc(0.65, 0.5, 0.2)


def _leaf(pen: Pen) -> None:
    pen.polygon(_curve(lambda t: 0.5 + 0.5 * np.cos(t), lambda t: 0.5 - 0.5 * np.cos(t) + 0.42 * np.sin(t) ** 3 * 0.75))
    pen.polygon([(0.1, 0.93), (0.07, 0.9), (0.62, 0.34), (0.66, 0.38)], fill=False)


def _bolt(pen: Pen) -> None:
    pen.polygon([(0.58, 0), (0.14, 0.58), (0.46, 0.58), (0.36, 1), (0.86, 0.38), (0.52, 0.38), (0.74, 0)])


def _house(pen: Pen) -> None:
    pen.polygon([(0.5, 0.02), (1, 0.48), (0, 0.48)])
    pen.box((0.14, 0.46, 0.86, 0.98))
    pen.box((0.4, 0.64, 0.6, 1), fill=False)


def _tree(pen: Pen) -> None:
    pen.polygon([(0.5, 0), (0.84, 0.46), (0.16, 0.46)])
    pen.polygon([(0.5, 0.24), (0.96, 0.8), (0.04, 0.8)])
    pen.box((0.41, 0.78, 0.59, 1))


def _fish(pen: Pen) -> None:
    pen.ellipse((0, 0.22, 0.76, 0.78))
    pen.polygon([(0.62, 0.5), (1, 0.2), (1, 0.8)])
    pen.disc(0.2, 0.43, 0.055, fill=False)


def _crown(pen: Pen) -> None:
    pen.polygon([(0.02, 0.18), (0.27, 0.5), (0.5, 0.08), (0.73, 0.5), (0.98, 0.18), (0.9, 0.88), (0.1, 0.88)])


def _key(pen: Pen) -> None:
    pen.disc(0.24, 0.5, 0.24)
    pen.disc(0.24, 0.5, 0.1, fill=False)
    pen.box((0.44, 0.42, 1, 0.57))
    pen.box((0.68, 0.5, 0.79, 0.78))
    pen.box((0.89, 0.5, 1, 0.74))


def _bell(pen: Pen) -> None:
    pen.disc(0.5, 0.36, 0.3)
    pen.polygon([(0.2, 0.36), (0.8, 0.36), (0.96, 0.8), (0.04, 0.8)])
    pen.disc(0.5, 0.88, 0.11)


def _cup(pen: Pen) -> None:
    pen.disc(0.74, 0.44, 0.25)
    pen.disc(0.74, 0.44, 0.14, fill=False)
    pen.polygon([(0.04, 0.14), (0.78, 0.14), (0.7, 0.9), (0.12, 0.9)])


def _boat(pen: Pen) -> None:
    pen.polygon([(0, 0.66), (1, 0.66), (0.82, 0.96), (0.18, 0.96)])
    pen.polygon([(0.46, 0.02), (0.46, 0.6), (0.06, 0.6)])
    pen.polygon([(0.54, 0.14), (0.54, 0.6), (0.9, 0.6)])


def _mushroom(pen: Pen) -> None:
    pen.disc(0.5, 0.5, 0.46)
    pen.box((0, 0.52, 1, 1), fill=False)
    pen.box((0.36, 0.5, 0.64, 0.96), 0.06)


def _bottle(pen: Pen) -> None:
    pen.box((0.41, 0, 0.59, 0.4), 0.02)
    pen.polygon([(0.41, 0.24), (0.59, 0.24), (0.73, 0.46), (0.27, 0.46)])
    pen.box((0.27, 0.42, 0.73, 1), 0.05)


_OUTLINES: dict[str, Callable[[Pen], None]] = {
    "circle": lambda pen: pen.disc(0.5, 0.5, 0.5),
    "square": lambda pen: pen.box((0.06, 0.06, 0.94, 0.94), 0.04),
    "triangle": lambda pen: pen.polygon([(0.5, 0.03), (1, 0.93), (0, 0.93)]),
    "star": lambda pen: pen.polygon(_regular(5, inner=0.21)),
    "diamond": lambda pen: pen.polygon([(0.5, 0), (0.86, 0.5), (0.5, 1), (0.14, 0.5)]),
    "hexagon": lambda pen: pen.polygon(_regular(6)),
    "heart": _heart, "moon": _moon, "cross": _cross, "ring": _ring, "arrow": _arrow, "drop": _drop,
    "flower": _flower, "cloud": _cloud, "leaf": _leaf, "bolt": _bolt, "house": _house, "tree": _tree,
    "fish": _fish, "crown": _crown, "key": _key, "bell": _bell, "cup": _cup, "boat": _boat,
    "mushroom": _mushroom, "bottle": _bottle,
}  # fmt: skip


@cache
def outline(shape: str) -> Image.Image:
    """The shape as an 8-bit mask of ``RESOLUTION`` pixels a side, white where the shape is."""
    pen = Pen()
    _OUTLINES[shape](pen)
    return pen.image
