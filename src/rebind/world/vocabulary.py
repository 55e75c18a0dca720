"""The words of the world: shapes, colours and relations, and which of them only pre-training shows."""

from __future__ import annotations

#: Shapes that occur in pre-training and in the tuning data.
SHAPES = (
    "circle", "square", "triangle", "star", "heart", "moon", "cross", "ring", "diamond", "hexagon",
    "arrow", "drop", "flower", "cloud", "leaf", "bolt", "house", "tree", "fish", "crown",
)  # fmt: skip

#: Colours that occur in pre-training and in the tuning data, with their sRGB values.
COLOURS = {
    "red": (226, 52, 48),
    "orange": (250, 140, 30),
    "yellow": (252, 220, 60),
    "lime": (170, 230, 50),
    "green": (40, 160, 70),
    "teal": (20, 140, 145),
    "cyan": (90, 220, 240),
    "blue": (50, 90, 225),
    "purple": (130, 60, 190),
    "magenta": (225, 50, 180),
    "pink": (250, 170, 195),
    "white": (245, 245, 240),
}

#: Shapes and colours that only pre-training shows; the retention set asks whether tuning forgot them.
RETENTION_SHAPES = ("key", "bell", "cup", "boat", "mushroom", "bottle")
RETENTION_COLOURS = {
    "brown": (140, 85, 45),
    "gray": (140, 145, 150),
    "gold": (205, 165, 60),
    "navy": (30, 40, 120),
}

ALL_SHAPES = SHAPES + RETENTION_SHAPES
ALL_COLOURS = {**COLOURS, **RETENTION_COLOURS}

#: Relation of the first object to the second -> the relation that contradicts it.
OPPOSITE_RELATION = {"above": "below", "below": "above", "left of": "right of", "right of": "left of"}


def noun_phrase(colour: str | None, shape: str) -> str:
    """``("orange", "star")`` -> ``"an orange star"``; ``(None, "star")`` -> ``"a star"``."""
    words = shape if colour is None else f"{colour} {shape}"
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"
