import io
import pickle

import numpy as np
import pytest
from PIL import Image

from photos import write_siglip
from rebind.annotate.filtered_pictures import FilteredPictures
from rebind.engine import SequenceBlocks, Workforce, run_stage
from rebind.models import DualEncoder
from rebind.models.scoring import score_captions
from rebind.types import UserError
from rebind.world.pictures import WorldPictures

COLOURS = ("red", "blue", "green", "white", "pink")
ITEMS = [
    {"key": f"{one}-{other}", "caption": f"a {one} star", "original": f"a {other} star"}
    for one in COLOURS
    for other in COLOURS
    if one != other
] + [{"key": "odd", "caption": "not of the world", "original": "a red star"}]


@pytest.fixture(scope="module")
def siglip(tmp_path_factory):
    return write_siglip(tmp_path_factory.mktemp("judge") / "siglip")


def expected(siglip, margin=0.0, minimum=-1.0):
    encoder = DualEncoder.from_pretrained(siglip)
    kept = []
    for row in WorldPictures().open()(ITEMS).rows:
        item = next(item for item in ITEMS if item["key"] == row["key"])
        picture = Image.open(io.BytesIO(row["image"])).convert("RGB")
        scores = score_captions(encoder, picture, [item["caption"], item["original"]])
        cosine = {score.caption: score.cosine for score in scores}
        if cosine[item["caption"]] - cosine[item["original"]] > margin and cosine[item["caption"]] >= minimum:
            kept.append(row)
    return kept


def test_kept_are_those_that_the_model_finds_nearer_to_their_own_caption(siglip):
    stage = pickle.loads(pickle.dumps(FilteredPictures(WorldPictures(), str(siglip))))
    made = stage.open()(ITEMS)
    assert made.rows == expected(siglip)
    assert 0 < len(made.rows) < len(ITEMS) - 1
    assert made.tally == {
        "captions": len(ITEMS),
        "pictures": len(made.rows),
        "left out: nearer to the original caption": len(ITEMS) - 1 - len(made.rows),
        "left out: not a caption of the world": 1,
    }


def test_margin_and_minimum(siglip):
    encoder = DualEncoder.from_pretrained(siglip)
    rows = expected(siglip)
    cosines = [
        score_captions(encoder, Image.open(io.BytesIO(row["image"])).convert("RGB"), [row["caption"]])[0].cosine
        for row in rows
    ]
    minimum = float(np.median(cosines)) + 1e-4
    made = FilteredPictures(WorldPictures(), str(siglip), minimum=minimum).open()(ITEMS)
    assert made.rows == expected(siglip, minimum=minimum)
    assert made.tally["left out: too unlike its caption"] == len(rows) - len(made.rows) > 0
    strict = FilteredPictures(WorldPictures(), str(siglip), margin=1.9).open()(ITEMS)
    assert strict.rows == []
    assert "pictures" not in strict.tally


def test_it_is_a_stage_like_the_one_it_filters(siglip, tmp_path):
    stage = FilteredPictures(WorldPictures(part_size=6), str(siglip))
    assert (stage.name, stage.part_size) == ("negative_images", 6)
    assert stage.settings["backend"] == "world"
    assert stage.settings["filter"] == {"model": str(siglip), "margin": 0.0, "minimum": None}
    report = run_stage(stage, SequenceBlocks(ITEMS, 6), tmp_path / "out", Workforce(jobs=1), "tar")
    assert report["rows"] == report["tally"]["pictures"] == len(expected(siglip))
    assert report["tally"]["captions"] == len(ITEMS)


def test_settings_that_make_no_sense(siglip, tmp_path):
    with pytest.raises(UserError, match="margin is a difference of cosines"):
        FilteredPictures(WorldPictures(), "model", margin=-0.1)
    with pytest.raises(UserError, match="minimum is a cosine"):
        FilteredPictures(WorldPictures(), "model", minimum=30)
    with pytest.raises(UserError, match="nowhere"):
        FilteredPictures(WorldPictures(), str(tmp_path / "nowhere")).open()
