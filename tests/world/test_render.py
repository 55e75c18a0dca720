from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from captions import places

from rebind.world.render import PICTURE_SIZE, render
from rebind.world.scenes import GRID, PRETRAINING, held_out_conjunctions, sample_scenes
from rebind.world.shapes import outline
from rebind.world.vocabulary import ALL_COLOURS, ALL_SHAPES

CELL = PICTURE_SIZE // GRID
NAMES, PALETTE = list(ALL_COLOURS), np.array(list(ALL_COLOURS.values()), dtype=float)


@pytest.fixture(scope="module")
def scenes():
    return sample_scenes(PRETRAINING, 1_500, held_out_conjunctions(0), (0, 2))


@pytest.fixture(scope="module")
def pictures(scenes):
    return render(scenes)


@pytest.fixture(scope="module")
def grounds(scenes):
    """The same scenes without their objects."""
    return render(replace(scenes, shape=np.full_like(scenes.shape, -1)))


def cells(values):
    """(n, size, size, …) -> (n, GRID, GRID, cell, cell, …)."""
    count, size = values.shape[:2]
    cut = values.reshape(count, GRID, size // GRID, GRID, size // GRID, *values.shape[3:])
    return cut.swapaxes(2, 3)


def occupied(scenes):
    grid = np.zeros((len(scenes), GRID, GRID), dtype=bool)
    for row in range(len(scenes)):
        for place in places(scenes, row).values():
            grid[(row, *place)] = True
    return grid


def test_pictures_are_rgb_bytes(pictures, scenes):
    assert pictures.shape == (len(scenes), PICTURE_SIZE, PICTURE_SIZE, 3)
    assert pictures.dtype == np.uint8


def test_cells_without_an_object_are_background_to_the_last_bit(pictures, grounds, scenes):
    changed = (pictures != grounds).any(axis=3)
    assert np.array_equal(cells(changed).any(axis=(3, 4)), occupied(scenes))
    share = cells(changed).mean(axis=(3, 4))[occupied(scenes)]
    assert share.min() > 0.1  # every object is large enough to be seen


def fitting_colour(pixels):
    """Which palette colour explains pixels best, if light may dim or brighten each of them."""
    light = np.clip((pixels @ PALETTE.T) / (PALETTE**2).sum(axis=1), 0.6, 1.2)  # (p, colours)
    misfit = np.abs(pixels[:, None] - light[..., None] * PALETTE).sum(axis=2)
    return NAMES[int(np.median(misfit, axis=0).argmin())], float(np.median(misfit, axis=0).min())


def test_every_object_shows_its_colour_in_its_cell(pictures, grounds, scenes):
    away = np.abs(pictures.astype(float) - grounds).sum(axis=3)
    by_cell, pixels = cells(away), cells(pictures)
    for row in range(0, len(scenes), 3):
        for (colour, shape), place in places(scenes, row).items():
            far = by_cell[row][place]
            inside = pixels[row][place][far >= np.quantile(far, 0.85)].astype(float)
            assert fitting_colour(inside)[0] == colour, (row, shape, place)


def test_an_object_does_not_depend_on_its_company(scenes):
    """What stands in one cell of a scene with three objects stands there in a scene with that object alone."""
    three = scenes[np.flatnonzero((scenes.shape >= 0).all(axis=1))[:50]]
    together = cells(render(three))
    for kept in range(3):
        shape = np.full_like(three.shape, -1)
        shape[:, kept] = three.shape[:, kept]
        alone = cells(render(replace(three, shape=shape)))
        for row in range(len(three)):
            place = divmod(int(three.cell[row, kept]), GRID)
            assert np.array_equal(alone[row][place], together[row][place])


@pytest.mark.parametrize("chunk", [1, 7, 400])
def test_pixels_do_not_depend_on_what_is_rendered_together(pictures, scenes, chunk):
    count = 30 if chunk == 1 else len(scenes)
    pieces = [render(scenes[slice(start, min(start + chunk, count))]) for start in range(0, count, chunk)]
    assert np.array_equal(np.concatenate(pieces), pictures[:count])


def test_no_scene_gives_no_picture(scenes):
    assert render(scenes[slice(0, 0)]).shape == (0, PICTURE_SIZE, PICTURE_SIZE, 3)


@pytest.mark.parametrize("factor", [2, 4])
def test_another_size_shows_the_same_layout(pictures, scenes, factor):
    few = scenes[slice(0, 100)]
    large = render(few, PICTURE_SIZE * factor)
    assert large.shape == (100, *[PICTURE_SIZE * factor] * 2, 3)
    reduced = large.reshape(100, PICTURE_SIZE, factor, PICTURE_SIZE, factor, 3).mean(axis=(2, 4))
    difference = np.abs(reduced - pictures[:100])
    assert difference.mean() < 3  # of 255
    assert cells(difference.mean(axis=3)).mean(axis=(3, 4)).max() < 25  # no object has moved or changed


def test_look_and_background_vary(scenes):
    one = scenes[slice(0, 1)]
    kinds = {
        render(replace(one, look=np.full_like(one.look, look), ground=one.ground + ground)).tobytes()
        for look in range(4)
        for ground in range(2)
    }
    assert len(kinds) == 8


def test_all_outlines_are_visible_and_distinct():
    masks = {shape: np.asarray(outline(shape)) > 127 for shape in ALL_SHAPES}
    for shape, mask in masks.items():
        assert 0.1 < mask.mean() < 0.9, shape
    for one, other in combinations(ALL_SHAPES, 2):
        overlap = (masks[one] & masks[other]).sum() / (masks[one] | masks[other]).sum()
        assert overlap < 0.95, (one, other)


def test_all_shapes_stay_distinct_in_the_pictures(scenes):
    """At the size that models see, the same look drawn for two shapes differs in many pixels."""
    count = len(ALL_SHAPES)
    one = scenes[np.zeros(count, dtype=int)]
    shape = np.column_stack([np.arange(count), *[np.full(count, -1)] * (scenes.shape.shape[1] - 1)])
    white = np.full_like(one.colour, NAMES.index("white"))
    drawn = render(replace(one, shape=shape, colour=white)).astype(float).mean(axis=3)
    for a, b in combinations(range(count), 2):
        assert (np.abs(drawn[a] - drawn[b]) > 60).sum() >= CELL / 2, (ALL_SHAPES[a], ALL_SHAPES[b])
