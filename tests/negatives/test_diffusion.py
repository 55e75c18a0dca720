import io
import pickle
import shutil
import sys
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline
from PIL import Image

from killing import contents, kill_at_random, run_to_the_end
from rebind.engine import SequenceBlocks, Workforce, run_stage
from rebind.negatives.diffusion import PRESETS, DiffusionPictures, worker_device
from rebind.types import UserError
from tiny_diffusion import write_sdxl, write_stable_diffusion

KILLS = 3  # each takes seconds: the program imports torch and diffusers
PROGRAM = Path(__file__).with_name("draw_in_parts.py")
ITEMS = [
    {"key": f"k{number}", "caption": caption}
    for number, caption in enumerate(["a red circle", "an umbrella", "two dogs", "a stop sign", "a red circle"])
]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pipelines")
    return {"sdxl": write_sdxl(folder / "sdxl"), "sd": write_stable_diffusion(folder / "sd")}


def draw(model, items=ITEMS, **settings):
    stage = DiffusionPictures(str(model), **{"steps": 2, "image_format": "png", "batch_size": 4, **settings})
    return pickle.loads(pickle.dumps(stage)).open()(items)


def pixels(row):
    return np.asarray(Image.open(io.BytesIO(row["image"]))).astype(int)


@pytest.mark.parametrize("kind", ["sdxl", "sd"])
def test_every_caption_gets_a_picture_of_its_own(models, kind):
    made = draw(models[kind])
    assert [(row["key"], row["caption"]) for row in made.rows] == [(item["key"], item["caption"]) for item in ITEMS]
    assert made.tally == {"captions": 5, "pictures": 5}
    assert all(pixels(row).shape == (32, 32, 3) for row in made.rows)
    assert len({row["image"] for row in made.rows}) == 5, "the same caption under another key is drawn anew"


@pytest.mark.parametrize("kind", ["sdxl", "sd"])
def test_a_picture_is_what_the_pipeline_alone_draws_from_the_seed_of_its_key(models, kind):
    pipeline = DiffusionPipeline.from_pretrained(models[kind])
    made = draw(models[kind], seed=7, guidance=30.0, options={"negative_prompt": ["blurry"]}, batch_size=1)
    for item, row in zip(ITEMS, made.rows, strict=True):
        seed = int.from_bytes(blake2b(f"7\0{item['key']}".encode(), digest_size=8).digest(), "big")
        noise = torch.Generator().manual_seed(seed)
        arguments = {"num_inference_steps": 2, "guidance_scale": 30.0, "negative_prompt": "blurry", "generator": noise}
        alone = pipeline(item["caption"], **arguments).images[0]
        assert np.abs(np.asarray(alone).astype(int) - pixels(row)).max() <= 1


@pytest.mark.parametrize("kind", ["sdxl", "sd"])
def test_the_batch_does_not_show_in_a_picture(models, kind):
    one, four = draw(models[kind], batch_size=1), draw(models[kind], batch_size=4)
    turned = draw(models[kind], ITEMS[::-1], batch_size=3)
    for first, second, third in zip(one.rows, four.rows, turned.rows[::-1], strict=True):
        assert np.abs(pixels(first) - pixels(second)).max() <= 1
        assert np.abs(pixels(first) - pixels(third)).max() <= 1


def test_the_same_again_is_the_same_to_the_byte_and_another_seed_is_not(models):
    made = draw(models["sdxl"])
    assert draw(models["sdxl"]).rows == made.rows
    others = draw(models["sdxl"], seed=1).rows
    assert all(np.abs(pixels(row) - pixels(other)).mean() > 3 for row, other in zip(made.rows, others, strict=True))


def test_size_and_format(models):
    made = draw(models["sdxl"], size=48, image_format="jpeg")
    for row in made.rows:
        with Image.open(io.BytesIO(row["image"])) as picture:
            assert (picture.format, picture.size) == ("JPEG", (48, 48))


@pytest.mark.parametrize("fault", ["not finite", "blank"])
def test_spoilt_pictures_are_left_out_and_counted(tmp_path, fault):
    made = draw(write_stable_diffusion(tmp_path / "sd", spoil=fault))
    assert (made.rows, made.tally) == ([], {"captions": 5, f"left out: {fault}": 5})


def test_what_the_safety_checker_blocks_is_left_out_and_counted(tmp_path):
    made = draw(write_stable_diffusion(tmp_path / "sd", checked=True))
    assert (made.rows, made.tally) == ([], {"captions": 5, "left out: blocked by the safety checker": 5})


def test_settings_say_what_the_pictures_depend_on(models):
    import diffusers

    stage = DiffusionPictures.of(str(models["sdxl"]), steps=2, size=None, options={"eta": 0.5})
    same = {
        name: stage.settings[name] for name in ("backend", "diffusers", "model", "steps", "size", "seed", "options")
    }
    assert same == {
        "backend": "diffusion",
        "diffusers": diffusers.__version__,
        "model": str(models["sdxl"]),
        "steps": 2,
        "size": None,
        "seed": 0,
        "options": {"eta": 0.5},
    }
    assert "batch_size" not in stage.settings, "memory may run out half way: a lower one continues"


def test_presets_give_way_to_what_is_asked_for():
    turbo = DiffusionPictures.of("sdxl-turbo", steps=4, guidance=None)
    assert (turbo.model, turbo.steps, turbo.guidance, turbo.size) == ("stabilityai/sdxl-turbo", 4, 0.0, 512)
    assert all(DiffusionPictures.of(name) for name in PRESETS)


def test_the_engine_writes_shards_of_them_and_continues(models, tmp_path):
    stage = DiffusionPictures(str(models["sdxl"]), steps=1, part_size=2, batch_size=2)
    folder, worker = tmp_path / "negative_images", Workforce(jobs=1)
    report = run_stage(stage, SequenceBlocks(ITEMS, stage.part_size), folder, worker, "tar")
    assert report == {"parts": 3, "rows": 5, "tally": {"captions": 5, "pictures": 5}}
    whole = {part.name: part.read_bytes() for part in folder.glob("*.tar")}
    (folder / "part-00001.tar").unlink()
    run_stage(stage, SequenceBlocks(ITEMS, stage.part_size), folder, worker, "tar")
    assert {part.name: part.read_bytes() for part in folder.glob("*.tar")} == whole


@pytest.mark.slow
def test_killed_and_continued_the_pictures_are_the_same(models, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    run_to_the_end([PROGRAM, models["sdxl"], one])
    words = [PROGRAM, models["sdxl"], two]
    assert kill_at_random(words, two, kills=KILLS, longest=0.5) > 0
    run_to_the_end(words)
    assert contents(one) == contents(two)


def test_workers_share_the_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    found = []
    for worker in range(3):
        monkeypatch.setenv("REBIND_WORKER", str(worker))
        found.append(worker_device())
    assert found == ["cuda:0", "cuda:1", "cuda:0"]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert worker_device() == "cpu"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"steps": 0}, "steps must be at least 1"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"size": 500}, "size must be a multiple of 8"),
        ({"dtype": "int8"}, "dtype must be one of auto, float32"),
        ({"image_format": "gif"}, "image_format must be one of jpeg, png"),
        ({"options": {"height": 64}}, "the option 'height' follows from size"),
    ],
)
def test_settings_that_make_no_sense(settings, said):
    with pytest.raises(UserError, match=said):
        DiffusionPictures("model", **settings)


def test_what_the_pipeline_does_not_take(models):
    with pytest.raises(UserError, match=r"StableDiffusionPipeline of .* takes no 'sharpness'"):
        draw(models["sd"], options={"sharpness": 2})
    with pytest.raises(UserError, match="refuses to draw with these settings"):
        draw(models["sd"], options={"negative_prompt": ["one", "two"]})


def test_a_folder_that_is_no_pipeline(models, tmp_path):
    with pytest.raises(UserError, match=r"cannot be loaded .* model_index.json and safetensors weights"):
        draw(tmp_path)
    with pytest.raises(UserError, match="cannot be loaded"):
        draw(tmp_path / "nowhere" / "at" / "all")
    damaged = shutil.copytree(models["sd"], tmp_path / "damaged")
    (damaged / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"no weights")
    with pytest.raises(UserError, match="cannot be loaded"):
        draw(damaged)


def test_nothing_of_a_stranger_is_run(models, tmp_path):
    pickled = shutil.copytree(models["sd"], tmp_path / "pickled")
    weights = pickled / "unet" / "diffusion_pytorch_model.safetensors"
    torch.save({}, weights.with_suffix(".bin"))
    weights.unlink()
    with pytest.raises(UserError, match="cannot be loaded"):
        draw(pickled)
    scripted = shutil.copytree(models["sd"], tmp_path / "scripted")
    (scripted / "pipeline.py").write_text("raise SystemExit('run')")
    with pytest.raises(UserError, match="brings Python code, which is never run"):
        draw(scripted)


def test_memory_that_runs_out_is_one_sentence(models, monkeypatch):
    def full(*args, **kwargs):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 TiB")

    monkeypatch.setattr(torch.nn.functional, "silu", full)
    with pytest.raises(UserError, match="draws 4 pictures at a time; lower batch_size, or size"):
        draw(models["sd"])


def test_without_diffusers_the_sentence_says_what_to_install(monkeypatch):
    paths = [path for path in sys.path if "site-packages" not in path]
    monkeypatch.setattr(sys, "path", paths)
    stage = DiffusionPictures("model")
    for use in (lambda: stage.settings, stage.open):
        with pytest.raises(UserError, match=r"pip install 'rebind\[images\]'"):
            use()
