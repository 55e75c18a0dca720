"""The README's picture: size, honesty of the choice, and its errors."""

import json

import numpy as np
import pytest
from fake_runs import write_run
from PIL import Image

from rebind.reports import write_effect_picture
from rebind.reports.arms import read_arms
from rebind.reports.figures import _chosen
from rebind.reports.scenes import bar, identities
from rebind.types import UserError


def test_it_is_wide_white_and_light(runs, tmp_path):
    out = write_effect_picture(runs, tmp_path / "docs" / "effect.png")
    assert out.stat().st_size < 400_000
    picture = Image.open(out).convert("RGB")
    assert picture.width == 1760
    assert picture.getpixel((2, 2)) == picture.getpixel((1757, 2)) == (255, 255, 255)
    assert len(np.unique(np.asarray(picture).reshape(-1, 3), axis=0)) > 20


def test_a_swap_on_which_the_models_disagree_comes_first(tmp_path):
    siglip, c2lip = write_run(tmp_path, "SigLIP", 1), write_run(tmp_path, "C2LIP", 1)
    for run, wrong in ((siglip, {1, 2}), (c2lip, set())):
        rows = json.loads((run / "examples.json").read_text())
        for number, row in enumerate(rows):
            row |= {"caption_score": 0.5, "foil_score": 0.6 if number in wrong else 0.4}
        (run / "examples.json").write_text(json.dumps(rows))
    pair = read_arms([siglip, c2lip])
    assert [identity[1] for identity in _chosen(pair, identities(pair))] == ["swap_obj", "swap_att"]


def test_without_two_arms_it_says_what_to_pass(runs, tmp_path):
    with pytest.raises(UserError, match=r"examples\.json hold the same scenes"):
        write_effect_picture(runs[3:6], tmp_path / "effect.png")


@pytest.mark.parametrize(
    ("score", "ends", "left", "width"),
    [(0.5, (0.0, 1.0), 0, 50), (-1.0, (-2.0, 2.0), 25, 25), (1.0, (-1.0, 1.0), 50, 50), (0.0, (0.0, 0.0), 0, 0)],
)
def test_bars_start_at_zero(score, ends, left, width):
    found = bar(score, ends)
    assert (found.left, found.width) == (left, width)
