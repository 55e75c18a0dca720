"""Run folders as training and evaluation write them, with invented numbers and drawn scenes."""

import json
import math
import re
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SPLITS = ("swap_att", "swap_obj", "replace_att", "replace_obj", "replace_rel", "add_obj", "add_att", "held_out")
CENTRES = {
    # label: accuracy per split, retrieval, zero-shot, retention
    "base": ((0.54, 0.56, 0.93, 0.95, 0.51, 0.96, 0.94, 0.55), 0.90, 0.91, 0.965),
    "SigLIP": ((0.722, 0.731, 0.995, 0.998, 0.52, 0.997, 0.985, 0.68), 0.989, 0.988, 0.952),
    "CLIP": ((0.690, 0.702, 0.993, 0.997, 0.53, 0.996, 0.981, 0.66), 0.987, 0.975, 0.948),
    "C2LIP": ((0.946, 0.951, 0.996, 0.999, 0.54, 0.998, 0.979, 0.91), 0.991, 0.990, 0.951),
    "NPC alone": ((0.938, 0.941, 0.996, 0.998, 0.53, 0.997, 0.982, 0.90), 0.990, 0.991, 0.953),
    "XAC alone": ((0.781, 0.790, 0.994, 0.998, 0.53, 0.996, 0.975, 0.70), 0.986, 0.986, 0.949),
}
OBJECTIVES = {"base": "siglip", "SigLIP": "siglip", "CLIP": "clip", "NegCLIP": "negclip", "TripletCLIP": "tripletclip"}
HARD_NEGATIVES = {  # arms that most tests do without
    "NegCLIP": ((0.741, 0.752, 0.999, 0.999, 0.52, 0.998, 0.987, 0.70), 0.985, 0.981, 0.931),
    "TripletCLIP": ((0.802, 0.811, 0.999, 0.999, 0.53, 0.998, 0.990, 0.77), 0.988, 0.985, 0.941),
}
SEEN = ["replace_att", "replace_obj"]
COLOURS = {"red": "#d8412f", "blue": "#2f6fd8", "green": "#2fa35a", "yellow": "#e8b923"}
SCENES = [
    ("swap_att", "a red circle and a blue star", "a blue circle and a red star"),
    ("swap_obj", "a green circle left of a yellow star", "a yellow circle left of a green star"),
    ("replace_att", "a yellow circle and a blue star", "a yellow circle and a green star"),
    ("replace_rel", "a red circle above a green star", "a red circle below a green star"),
    ("add_att", "a blue circle and a star", "a blue circle and a red star"),
    ("held_out", "a yellow circle and a red star", "a red circle and a yellow star"),
]


def score(benchmark, split, metric, value, n=1000, ties=0):
    """One row of results.json with a normal 95 % interval."""
    value = min(1.0, max(0.0, value))
    half = 1.96 * math.sqrt(max(value * (1 - value), 1e-4) / n)
    return {
        "benchmark": benchmark, "split": split, "metric": metric, "value": value, "n": n, "ties": ties,
        "low": max(0.0, value - half), "high": min(1.0, value + half),
    }  # fmt: skip


def world_scores(label, seed):
    accuracies, retrieval, zero_shot, retention = (CENTRES | HARD_NEGATIVES).get(label, CENTRES["C2LIP"])
    noise = np.random.default_rng([seed, *label.encode()])
    values = [a + noise.normal(0, 0.12 * (1 - a) * a) for a in accuracies]
    rows = [
        score("world", s, "accuracy", v, ties=int(noise.integers(0, 3))) for s, v in zip(SPLITS, values, strict=True)
    ]
    rows.append(score("world", "macro", "accuracy", float(np.mean([row["value"] for row in rows[:7]])), 7000))
    rows.append(score("world", "micro", "accuracy", float(np.mean([row["value"] for row in rows[:7]])), 7000))
    for direction in ("image_to_text", "text_to_image"):
        for k, gain in ((1, 0.0), (5, 0.7), (10, 0.9)):
            value = retrieval + (1 - retrieval) * gain + noise.normal(0, 0.002)
            rows.append(score("world", "retrieval", f"{direction}_recall@{k}", value))
    rows.append(score("world", "zero_shot", "top1", zero_shot + noise.normal(0, 0.002), 2160))
    rows.append(score("world", "retention", "top1", retention + noise.normal(0, 0.002), 960))
    return rows


def draw_scene(path: Path, caption: str):
    picture = Image.new("RGB", (192, 192), "#f4f1ea")
    draw = ImageDraw.Draw(picture)
    words = caption.split()
    first = words[1]
    second = next((word for word in words[3:] if word in COLOURS), "green")
    draw.ellipse((24, 60, 88, 124), fill=COLOURS[first])
    points = [
        (144 + r * math.sin(i * math.pi / 5), 104 - r * math.cos(i * math.pi / 5))
        for i, r in enumerate([36, 15] * 5)
    ]  # fmt: skip
    draw.polygon(points, fill=COLOURS[second])
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)


def attention(side, scale, noise):
    """Softmax of a bump at the circle or the star on a 6 × 6 grid."""
    rows, columns = np.mgrid[0:6, 0:6]
    cosines = np.exp(-((columns - side) ** 2 + (rows - 2.6) ** 2) / 2.5) + noise.normal(0, 0.08, (6, 6))
    weights = np.exp(scale * cosines)
    return (weights / weights.sum()).ravel().tolist(), cosines.ravel().tolist()


def examples(label, seed, folder):
    noise = np.random.default_rng([seed, 7, *label.encode()])
    sure = label in ("C2LIP", "NPC alone")
    rows = []
    for number, (category, caption, foil) in enumerate(SCENES):
        image = folder.parent / "scenes" / f"{number:03}.png"
        if not image.exists():
            draw_scene(image, caption)
        top = 0.62 + noise.normal(0, 0.05)
        gap = abs(noise.normal(0.28, 0.05)) if sure else noise.normal(-0.006, 0.015)
        words = caption.split()
        concepts = []
        for text, side in ((" ".join(words[:3]), 1.3), (" ".join(words[words.index("a", 1) :]), 4.1)):
            where, cosines = attention(side, 3.0 if sure else 0.6, noise)
            concepts.append({"text": text, "attention": where, "cosines": cosines})
        rows.append(
            {
                "image": str(Path("..") / "scenes" / image.name), "category": category, "caption": caption,
                "foil": foil, "caption_score": top, "foil_score": top - gap, "grid": [6, 6],
                "attention_scale": 10.0, "concepts": concepts,
            }
        )  # fmt: skip
    return rows


def metrics(label, seed):
    noise = np.random.default_rng([seed, 3])
    rows = []
    for step in range(10, 1001, 10):
        decay = math.exp(-step / 220)
        parts = {"contrastive": 0.05 + 2.5 * decay}
        if label in ("C2LIP", "NPC alone"):
            parts["concept"] = 0.4 + 3 * decay
        if label == "TripletCLIP":
            parts["negative_pair"] = 0.1 + 3 * decay
        if label in ("C2LIP", "XAC alone"):
            parts["attention"] = 0.8 + 2 * decay
        parts = {name: value * math.exp(noise.normal(0, 0.05)) for name, value in parts.items()}
        rows.append(
            {"step": step, "loss": sum(parts.values()), **parts, "learning_rate": 5e-3, "images_per_second": 1500}
        )
    return rows


def write_run(root: Path, label: str, seed: int, scores=None, **changes) -> Path:
    """Write one run folder and return it; ``changes`` replace fields of results.json."""
    folder = root / f"{re.sub(r'[^A-Za-z0-9]+', '-', label)}-{seed}"
    folder.mkdir(parents=True)
    settings = {"label": label, "steps": 1000, "batch_size": 128, "learning_rate": 5e-3, "seed": seed}
    if OBJECTIVES.get(label, "c2lip") == "c2lip":
        settings |= {
            "concept_weight": 0.0 if "XAC" in label else 4.0,
            "attention_weight": 0.0 if "NPC" in label else 1.0,
        }
    settings["negative_families"] = SEEN if label in HARD_NEGATIVES else None
    results = {
        "model": "world-base", "objective": OBJECTIVES.get(label, "c2lip"), "seed": seed, "settings": settings,
        "environment": {"rebind": "0.1.0", "python": "3.11.2", "torch": "2.13.0", "device": "cpu"},
        "scores": world_scores(label, seed) if scores is None else scores,
    } | changes  # fmt: skip
    (folder / "results.json").write_text(json.dumps(results))
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in metrics(label, seed)))
    (folder / "examples.json").write_text(json.dumps(examples(label, seed, folder)))
    summary = {"samples_seen": 128000, "steps": 1000, "seconds": 60 + seed, "broken": {"img_0042": "truncated file"}}
    (folder / "summary.json").write_text(json.dumps(summary))
    return folder
