"""Published benchmarks see their pictures as their own code does; one's own data is seen as in training."""

import json

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from tiny_world import paint, write_foils

from rebind.benchmarks import BENCHMARKS, build_benchmark, evaluate_model
from rebind.benchmarks.contract import AsStored, Crop
from rebind.benchmarks.embedding import embed_images
from rebind.benchmarks.embedding_cache import EmbeddingCache
from rebind.benchmarks.foils import SUGARCREPE
from rebind.benchmarks.pictures import UPRIGHT, decoding_of, pictures_of

ROTATED, CLEAR, DEEP = "rotated.jpg", "clear.png", "deep.png"


@pytest.fixture
def folder(tmp_path):
    """A photo that is stored lying down, a half transparent drawing, a picture of 16 bits."""
    noise = np.random.default_rng(0)
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = noise.integers(0, 256, (80, 100, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / ROTATED, exif=exif)
    drawing = np.dstack([pixels[:40, :40], np.tile(np.arange(40, dtype=np.uint8) * 6, (40, 1))])
    Image.fromarray(drawing).save(tmp_path / CLEAR)
    Image.fromarray(noise.integers(0, 65536, (32, 32)).astype(np.uint16)).save(tmp_path / DEEP)
    return tmp_path


def embedded_alone(encoder, pictures):
    """From bare pixels, which have no metadata that anything could heed."""
    pixels = [Image.fromarray(np.array(picture)) for picture in pictures]
    with torch.inference_mode():
        return encoder.encode_image(encoder.images(pixels))[0].numpy()


def official(file):
    """What the code of the published benchmarks does."""
    return Image.open(file).convert("RGB")


@pytest.mark.parametrize("kept", [False, True])
def test_a_picture_may_be_wanted_as_stored_and_upright(encoder, folder, kept):
    files = [folder / name for name in (ROTATED, CLEAR, DEEP)]
    boxes = [(10, 20, 60, 50), (50, 40, 120, 100), (200, 0, 230, 20)]  # inside, partly, not at all
    pictures = [official(file) for file in files]
    expected = embedded_alone(encoder, [*pictures, *(pictures[0].crop(box) for box in boxes)])
    assert pictures[0].crop(boxes[1]).size == (70, 60)
    wanted = [*files, *(Crop(files[0], box) for box in boxes)]
    cache = EmbeddingCache(folder / "cache", encoder) if kept else None
    plain = embed_images(encoder, files, cache=cache)
    for _ in range(2):
        found = embed_images(encoder, [AsStored(each) for each in wanted], cache=cache)
        assert found.broken == ()
        assert np.allclose(found.embeddings, expected, atol=1e-6)
        assert np.abs(embed_images(encoder, files, cache=cache).embeddings - expected[:3]).max(axis=1).min() > 1e-4
    both = embed_images(encoder, [files[0], AsStored(files[0])], cache=cache).embeddings
    assert np.allclose(both, [plain.embeddings[0], expected[0]], atol=1e-6)


def test_a_huge_rectangle_is_broken(encoder, folder):
    wanted = [Crop(folder / ROTATED, (i, 0, 32, 32)) for i in range(10)]
    found = embed_images(encoder, [*wanted, Crop(folder / ROTATED, (0, 0, 20_000, 20_000))])
    assert found.broken[0].reason == "the rectangle (0, 0, 20000, 20000) has more than the 100000000 pixels allowed"


def test_the_name_of_a_benchmark_says_how_and_the_results_record_it(encoder, folder):
    for category in SUGARCREPE:
        write_foils(folder / f"foils/{category}.json", [(ROTATED, "a red circle", "a blue circle")])
    files = {"annotations": folder / "foils", "images": folder}
    published, own = (build_benchmark(name, **files) for name in ("sugarcrepe", "foils"))
    assert pictures_of(published) == 7 * [AsStored(folder / ROTATED)]
    assert pictures_of(own) == 7 * [folder / ROTATED]
    encoder.save(folder / "model")
    results = evaluate_model(folder / "model", [published, own], folder / "out")
    recorded = json.loads(results.read_text())["benchmarks"]
    assert {name: each["pictures"] for name, each in recorded.items()} == {
        "sugarcrepe": "as stored",
        "foils": "upright",
    }
    examples = json.loads((folder / "out/examples.json").read_text())
    seen = {row["pictures"]: row["caption_score"] for row in examples}
    with torch.inference_mode():
        text = encoder.encode_text(encoder.texts(["a red circle"])).numpy()[0]
    stored, upright = official(folder / ROTATED), ImageOps.exif_transpose(Image.open(folder / ROTATED))
    expected = embedded_alone(encoder, [stored, upright]) @ text
    assert abs(expected[0] - expected[1]) > 1e-4
    assert [seen["as stored"], seen["upright"]] == pytest.approx(expected.tolist(), abs=1e-6)


def test_the_world_is_upright(world):
    benchmark = build_benchmark("world", data=world)
    assert pictures_of(benchmark) == list(benchmark.images)


def test_all_but_ones_own_data_is_decoded_as_stored():
    own = {"world", "foils", "foil_list", "retrieval", "zero_shot", "image_folder", "labelled_dataset"}
    assert {name for name in BENCHMARKS if decoding_of(name) == UPRIGHT} == own


def test_frames_of_videos_are_read_from_numpy_files(encoder, tmp_path):
    frame = np.random.default_rng(1).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    np.save(tmp_path / "frame.npy", frame)
    paint(tmp_path / "other.png", 0)
    expected = embedded_alone(encoder, [Image.fromarray(frame[:, :, [2, 1, 0]], "RGB")])
    for cache in (None, EmbeddingCache(tmp_path / "cache", encoder)):
        found = embed_images(encoder, [AsStored(tmp_path / "frame.npy"), AsStored(tmp_path / "other.png")], cache=cache)
        assert np.allclose(found.embeddings[:1], expected, atol=1e-6)
