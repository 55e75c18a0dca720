"""A hand-made world of 12 scenes in the layout of `rebind world`."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = ("red", "blue", "green", "white")
SHAPES = ("circle", "star", "ring")
CAPTIONS = [f"a {COLOURS[i % 4]} {SHAPES[i % 3]} and a {COLOURS[(i + 1 + i // 4) % 4]} box" for i in range(12)]


def paint(path: Path, seed: int, size: tuple[int, int] = (32, 32)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, size=(4, 4, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize(size, Image.Resampling.NEAREST).save(path)


def write_lines(path: Path, rows: list[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_foils(path: Path, foils: list[tuple[str, str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fields = ("filename", "caption", "negative_caption")
    path.write_text(json.dumps({str(i): dict(zip(fields, foil, strict=True)) for i, foil in enumerate(foils)}))


def write_classes(folder: Path, classes: dict[str, list[str]], count: int, seed: int) -> None:
    names = list(classes)
    for i in range(count):
        paint(folder / f"images/{i}.png", seed + i)
    write_lines(
        folder / "labels.jsonl", [{"image": f"images/{i}.png", "label": names[i % len(names)]} for i in range(count)]
    )
    (folder / "classes.json").write_text(json.dumps([{"name": n, "prompts": p} for n, p in classes.items()]))


def write_world(folder: Path) -> None:
    test = folder / "test"
    names = [f"images/{i:06d}.png" for i in range(12)]
    for i, name in enumerate(names):
        paint(test / "scenes" / name, i)
    rows = [{"key": f"{i}", "image": name, "caption": CAPTIONS[i]} for i, name in enumerate(names)]
    write_lines(test / "scenes/captions.jsonl", rows)
    scenes = [f"scenes/{name}" for name in names]
    # "glorp" and "blob" are unknown words: the last two items of replace_obj tie.
    tied = [(scenes[i], "a red glorp", "a red blob") for i in (0, 1)]
    write_foils(
        test / "foils/replace_obj.json",
        [*((s, c, c.replace("box", "ring")) for s, c in zip(scenes, CAPTIONS, strict=True)), *tied],
    )
    write_foils(
        test / "foils/swap_att.json",
        [(s, c, CAPTIONS[i - 1]) for i, (s, c) in enumerate(zip(scenes, CAPTIONS, strict=True))],
    )
    paint(test / "held_out/images/0.png", 99)
    write_foils(
        test / "foils/held_out.json",
        [("held_out/images/0.png", "a red ring", "a blue ring"), (scenes[3], "a red star", "a star")],
    )
    colours = {colour: [f"a {colour} circle", f"a {colour} star"] for colour in COLOURS}
    write_classes(test / "zero_shot", colours, 10, 200)
    write_classes(test / "retention", {shape: [f"a {shape}"] for shape in SHAPES}, 7, 300)
