"""The picture of the effect, for a README: a scene, its caption and foil, and which model can tell them apart."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle
from PIL import Image, ImageOps

from rebind.reports.arms import COLOURS, Arm, composition_measure, concept_arm, read_arms
from rebind.reports.pictures import SIDE
from rebind.reports.scenes import Bar, Identity, Judgement, Scene, identities, judged_scenes
from rebind.reports.table import percent
from rebind.storage import atomic_path
from rebind.types import UserError

WIDTH, ROW, MARGIN, FOOT = 8.8, 2.1, 0.15, 0.5  # inches
PICTURE = ROW - 2 * MARGIN
TEXT = PICTURE + 3 * MARGIN  # where the words begin
BARS, ROOM = TEXT + 0.85, 3.65  # where bars begin, and the room that they have
LETTERS = 52  # of bold type at full size that fit beside the picture
DOTS_PER_INCH = 200  # twice the 880 pixels of a README's column
INK, MUTED, TRACK = "#1b1d21", "#5d636e", "#f1efea"
MARKS = {"right": "✓ right", "wrong": "✗ wrong", "tie": "= tie"}
MARK_COLOURS = {"right": "#00694b", "wrong": "#a8321a", "tie": "#a8321a"}


def write_effect_picture(runs: Sequence[Path], out: Path) -> Path:
    """Write the README's picture as PNG to ``out``: two swap scenes as plain tuning and C2LIP score them.

    Shown are the first swap scenes (else any) on which the two models disagree, then the first of the rest; the lines
    at the foot say so, and how often each model is right over the whole test, so that two scenes cannot mislead.

    Raises:
        UserError: when a run folder cannot be read or no scene was scored by both models.
    """
    arms = read_arms([Path(run) for run in runs])
    subject = concept_arm(arms)
    plain = next((arm for arm in arms if arm.is_plain), None) or next((arm for arm in arms if arm.is_base), None)
    pair = [arm for arm in (plain, subject) if arm is not None]
    shared = [identity for identity in identities(pair) if all(arm.example(identity) for arm in pair)]
    scenes = [scene for scene in judged_scenes(pair, _chosen(pair, shared)) if scene.picture is not None]
    if len(pair) < 2 or not scenes:
        raise UserError(
            "no scene with a readable picture was scored by both a C2LIP run and a plain run; "
            "pass run folders whose examples.json hold the same scenes"
        )
    picture = effect_picture(scenes, _footer(pair, scenes))
    with atomic_path(Path(out)) as temporary:
        picture.save(temporary, "PNG", optimize=True)
    return Path(out)


def effect_picture(scenes: Sequence[Scene], footer: str = "") -> Image.Image:
    """Draw one row per scene: the picture, caption and foil, and each arm's two scores as bars.

    Returns:
        An RGB image, 1760 pixels wide, on white.
    """
    height = ROW * len(scenes) + (FOOT if footer else 0)
    figure = Figure(figsize=(WIDTH, height), facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, WIDTH), ylim=(height, 0))
    axes.axis("off")
    with mpl.rc_context({"text.parse_math": False, "hatch.linewidth": 1.1}):
        for number, scene in enumerate(scenes):
            _row(axes, scene, ROW * number)
        axes.text(TEXT, height - MARGIN, footer, fontsize=8, color=MUTED, va="bottom", linespacing=1.5)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH)
    return Image.open(buffer).convert("RGB")


def _row(axes: Axes, scene: Scene, top: float) -> None:
    if scene.picture is not None:
        box = (MARGIN, top + MARGIN, PICTURE, PICTURE)
        frame = FancyBboxPatch(
            box[:2], PICTURE, PICTURE, "round,pad=0,rounding_size=0.08", facecolor="none", edgecolor="#dfdcd6"
        )
        axes.add_patch(frame)
        extent = (box[0], box[0] + PICTURE, box[1] + PICTURE, box[1])
        square = ImageOps.pad(scene.picture, (SIDE, SIDE), color="white")
        drawn = axes.imshow(np.asarray(square), extent=extent, interpolation="lanczos", aspect="auto")
        drawn.set_clip_path(frame)
    size = min(11.0, 11.0 * LETTERS / max(len(scene.caption), len(scene.foil), 1))
    for line, (name, words, colour) in enumerate((("caption", scene.caption, INK), ("foil", scene.foil, MUTED))):
        y = top + 0.3 + 0.27 * line
        _key(axes, y, filled=not line)
        axes.text(TEXT + 0.24, y, name, fontsize=8.5, color=MUTED, va="center")
        axes.text(BARS, y, words, fontsize=size, color=colour, va="center", weight="normal" if line else "bold")
    for number, judgement in enumerate(scene.judgements):
        _bars(axes, judgement, top + 0.95 + 0.5 * number)


def _key(axes: Axes, y: float, filled: bool) -> None:
    _draw_bar(axes, (TEXT, y - 0.06), 0.16, MUTED, filled)


def _bars(axes: Axes, judgement: Judgement, y: float) -> None:
    colour = COLOURS[judgement.arm.paint]
    axes.text(TEXT, y + 0.14, judgement.arm.label, fontsize=10.5, weight="bold", color=colour, va="center")
    bars: tuple[Bar, Bar] = (judgement.caption, judgement.foil)
    for line, bar in enumerate(bars):
        corner = y + 0.16 * line
        axes.add_patch(Rectangle((BARS, corner), ROOM, 0.12, facecolor=TRACK, linewidth=0))
        _draw_bar(axes, (BARS + ROOM * bar.left / 100, corner), ROOM * bar.width / 100, colour, filled=not line)
        axes.text(BARS + ROOM + 0.1, corner + 0.065, f"{bar.score:.3f}", fontsize=8, color=MUTED, va="center")
    mark = MARKS[judgement.outcome]
    axes.text(
        BARS + ROOM + 0.68,
        y + 0.14,
        mark,
        fontsize=10.5,
        weight="bold",
        color=MARK_COLOURS[judgement.outcome],
        va="center",
    )


def _draw_bar(axes: Axes, corner: tuple[float, float], width: float, colour: str, filled: bool) -> None:
    """A caption's bar is filled, a foil's is hatched: told apart without colour."""
    axes.add_patch(
        Rectangle(
            corner, width, 0.12, facecolor=colour if filled else "white", edgecolor=colour,
            linewidth=0.8, hatch=None if filled else "//////",
        )
    )  # fmt: skip


def _chosen(pair: Sequence[Arm], shared: Sequence[Identity]) -> list[Identity]:
    """Two scenes: swaps before others, disagreement before agreement, then file order."""

    def rank(identity: Identity) -> tuple[bool, bool]:
        outcomes = {judgement.outcome for judgement in judged_scenes(pair, [identity])[0].judgements}
        return (not identity[1].startswith("swap"), len(outcomes) == 1)

    return sorted(shared, key=rank)[:2]


def _footer(pair: Sequence[Arm], scenes: Sequence[Scene]) -> str:
    """How the scenes were chosen, and how often each model is right over the whole test."""
    differ = all(len({judgement.outcome for judgement in scene.judgements}) > 1 for scene in scenes)
    lines = ["The first scenes on which the two models differ." if differ else "The first scenes of the test."]
    lines[0] += " Bars start at zero; lengths compare within a model only."
    measure = composition_measure(pair)
    found = [(arm, estimate) for arm in pair if measure and (estimate := measure.of(arm)) is not None]
    if measure and found:
        first = found[0][1]
        said = ", ".join(
            f"{arm.label} {percent(estimate.value)} % [{percent(estimate.low)}, {percent(estimate.high)}]"
            for arm, estimate in found
        )
        seeds = f"mean of {len(first.by_seed)} seeds" if first.over_seeds else "one seed"
        lines.append(f"Right on all {first.n:,} {measure.name}: {said} ({seeds}, 95 %).")
    return "\n".join(lines)
