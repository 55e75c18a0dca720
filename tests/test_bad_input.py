"""Whatever a user gets wrong ends in one sentence that names it, on the error stream, with exit status 2."""

import json
import shutil
import struct
import subprocess
import sys
import tarfile
import zlib

import pytest

from command_line import CommandLine
from photos import write_photos, write_siglip

IN_NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
SMALL = ("--model", "small-siglip", "--workers", 0, "--batch-size", 4, "--steps", 3, "--device", "cpu")


@pytest.fixture
def rebind(monkeypatch, capfd):
    return CommandLine(monkeypatch, capfd)


@pytest.fixture(scope="module")
def siglip(tmp_path_factory):
    return write_siglip(tmp_path_factory.mktemp("checkpoint") / "siglip")


@pytest.fixture
def photos(tmp_path):
    return write_photos(tmp_path / "photos", 12)


def train(data, out, *words, objective="siglip"):
    return ("train", "--data", data, "--out", out, "--objective", objective, *SMALL, *words)


def bomb():
    """A PNG of a few bytes that claims 40,000 x 40,000 pixels."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


TABLES = {
    "missing column": ("image,text_of_it\nIMG_0000.jpg,a cup\n", "captions.csv, line 2: no column `caption`"),
    "missing image column": ("photo,caption\nIMG_0000.jpg,a cup\n", "captions.csv, line 2: no column `image`"),
    "outside": ("image,caption\n../secret.jpg,a cup\n", "line 2: `image` must be a path within the folder"),
    "absolute": ("image,caption\n/etc/passwd,a cup\n", "line 2: `image` must be a path within the folder"),
    "empty caption": ("image,caption\nIMG_0000.jpg,a cup\nIMG_0001.jpg,  \n", "line 3: `caption` is empty"),
    "duplicated key": ("image,caption,key\na.jpg,a cup,k\nb.jpg,a cap,k\n", "line 3: the key 'k' was already used"),
    "no images": ("image,caption\n", "captions.csv has no rows"),
}


@pytest.mark.parametrize("command", ["concepts", "train"])
@pytest.mark.parametrize(("table", "sentence"), TABLES.values(), ids=TABLES)
def test_a_wrong_table(rebind, photos, tmp_path, command, table, sentence):
    (photos / "captions.csv").write_text(table)
    words = ("concepts", photos) if command == "concepts" else train(photos, tmp_path / "run")
    assert sentence in rebind.refuses(*words)


def test_no_captions_and_no_data(rebind, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "holds no captions; expected one of captions.jsonl" in rebind.refuses("concepts", tmp_path / "empty")
    assert "does not exist; give a folder" in rebind.refuses("concepts", tmp_path / "nowhere")
    assert "give either DATA, or --captions" in rebind.refuses("concepts")


@pytest.mark.parametrize("content", ["truncated", "bomb"])
def test_one_bad_picture_is_counted_and_not_fatal(rebind, photos, tmp_path, content):
    picture = photos / "IMG_0003.jpg"
    picture.write_bytes(picture.read_bytes()[:700] if content == "truncated" else bomb())
    rebind.succeeds(*train(photos, tmp_path / "run"))
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert list(summary["broken"]) == ["IMG_0003.jpg"]
    reason = {"truncated": "truncated", "bomb": "decompression bomb"}[content]
    assert reason in summary["broken"]["IMG_0003.jpg"]
    assert (summary["broken_count"], summary["samples_seen"]) == (1, 12)


def test_too_many_bad_pictures(rebind, photos, tmp_path):
    for number in range(4):
        (photos / f"IMG_{number:04}.jpg").write_bytes(b"nothing of a picture")
    sentence = rebind.refuses(*train(photos, tmp_path / "run"))
    assert "4 of 12 samples seen are broken, more than the tolerated 10%" in sentence
    assert "IMG_000" in sentence


def test_a_truncated_shard(rebind, photos, tmp_path):
    shard = tmp_path / "photos.tar"
    with tarfile.open(shard, "w") as tar:
        for number in range(4):
            (photos / f"IMG_{number:04}.txt").write_text("a plate")
            for suffix in ("jpg", "txt"):
                tar.add(photos / f"IMG_{number:04}.{suffix}", f"{number}.{suffix}")
    shard.write_bytes(shard.read_bytes()[:5000])
    assert "photos.tar" in rebind.refuses(*train(shard, tmp_path / "run"))


def test_training_on_less_than_a_batch(rebind, photos, tmp_path):
    sentence = rebind.refuses(*train(photos, tmp_path / "run", "--batch-size", 13))
    assert "holds 12 samples, fewer than one batch; set batch_size to at most 12" in sentence


def test_concepts_that_were_never_written(rebind, photos, tmp_path):
    sentence = rebind.refuses(*train(photos, tmp_path / "run", objective="c2lip"))
    assert sentence.endswith(f"annotations/concepts does not exist; write it with `rebind concepts {photos}`")


SETTINGS = {
    "unknown objective": (("--objective", "c3lip"), "unknown objective 'c3lip'; known are c2lip, clip, distillation"),
    "unknown setting": (("--learning-rat", "1"), "there is no setting learning_rat; known are model"),
    "wrong value": (("--batch-size", "many"), "batch_size: input should be a valid integer"),
    "no value": (("--cache-images", "--seed", "1"), "the setting --cache-images has no value"),
    "stray word": (("fast",), "unexpected 'fast'; settings are given as --name value"),
    "half precision": (("--precision", "fp16"), "precision: fp16 needs a GPU"),
    "objective's setting": (("--objective-settings.weight", "2"), "objective 'siglip' has no setting 'weight'"),
}


@pytest.mark.parametrize(("words", "sentence"), SETTINGS.values(), ids=SETTINGS)
def test_a_wrong_setting(rebind, photos, tmp_path, words, sentence):
    assert sentence in rebind.refuses(*train(photos, tmp_path / "run", *words))
    assert not (tmp_path / "run").exists()


def test_a_missing_setting_and_an_unknown_recipe(rebind):
    assert "the setting data is missing (captioned images" in rebind.refuses("train", "--out", "run")
    assert "unknown recipe 'c2lip-papr'; give a .yaml file or one of" in rebind.refuses("train", "c2lip-papr")


@pytest.mark.parametrize(
    ("missing", "sentence"),
    [("spiece.model", "has no tokenizer: expected"), ("preprocessor_config.json", "has no image processor: expected")],
)
def test_a_model_folder_that_lacks_a_part(rebind, siglip, photos, tmp_path, missing, sentence):
    model = tmp_path / "model"
    shutil.copytree(siglip, model)
    for part in {"spiece.model": ["spiece.model", "tokenizer.json"]}.get(missing, [missing, "processor_config.json"]):
        (model / part).unlink(missing_ok=True)
    assert f"model folder {model} {sentence}" in rebind.refuses(*train(photos, tmp_path / "run", "--model", model))
    assert sentence in rebind.refuses("score", model, photos / "IMG_0000.jpg", "a plate")


def test_a_model_that_is_not_there(rebind, photos, tmp_path):
    sentence = rebind.refuses("score", tmp_path / "nowhere", photos / "IMG_0000.jpg", "a plate")
    assert "nowhere does not exist; give a folder or the name of a Hugging Face hub model" in sentence


def test_a_picture_that_is_none(rebind, siglip, tmp_path):
    (tmp_path / "notes.txt").write_text("no picture")
    sentence = rebind.refuses("score", siglip, tmp_path / "notes.txt", "a plate")
    assert sentence.endswith("notes.txt cannot be read: not a JPEG, PNG, WebP, GIF, BMP or TIFF picture")
    assert rebind.refuses("score", siglip, tmp_path / "no.jpg", "a plate").endswith("no.jpg does not exist")


def test_evaluation_without_what_it_needs(rebind, siglip, photos, tmp_path):
    assert "give a MODEL and --benchmark NAME" in rebind.refuses("eval")
    sentence = rebind.refuses("eval", siglip, "--benchmark", "sugarcrap", "--out", tmp_path / "out")
    assert 'there is no benchmark "sugarcrap"; did you mean sugarcrepe' in sentence
    retrieval = ("eval", siglip, "--benchmark", "retrieval")
    assert 'benchmark retrieval needs "data"' in rebind.refuses(*retrieval, "--out", tmp_path / "out")
    assert "is no run of rebind, so say where the results go" in rebind.refuses(*retrieval, "--data", photos)
    assert "holds no results.json" in rebind.refuses("report", photos)


def test_a_run_without_a_model_yet(rebind, photos, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "recipe.yaml").write_text(f"data: {photos}\nout: {tmp_path / 'run'}\n")
    sentence = rebind.refuses("eval", tmp_path / "run", "--benchmark", "retrieval", "--data", photos)
    assert "has no model yet; start its training again, it will continue" in sentence


def small_disks():
    """A size in which the weights fit but not the optimiser's state too; none where mounting is forbidden."""
    probe = [*IN_NAMESPACE, "mount -t tmpfs -o size=64k tmpfs /mnt"]
    is_permitted = shutil.which("unshare") and subprocess.run(probe, capture_output=True, check=False).returncode == 0
    return ["2500k"] if is_permitted else []


@pytest.mark.slow
def test_the_disk_fills_while_training(photos, tmp_path):
    for room in small_disks():
        disk = tmp_path / room
        disk.mkdir()
        words = train(photos, disk / "run", "--tensorboard", "no", "--save-every", 1, "--log-every", 1)
        command = f'"{sys.executable}" -m rebind {" ".join(map(str, words))}'
        script = f'mount -t tmpfs -o size={room} tmpfs "{disk}" && {command}'
        outcome = subprocess.run([*IN_NAMESPACE, script], capture_output=True, text=True, check=False)
        assert outcome.returncode == 2, outcome.stderr
        assert outcome.stderr.startswith(f"rebind: cannot write {disk / 'run'}")
        assert outcome.stderr.endswith("the disk is full; free some space or choose another folder\n")
        assert outcome.stderr.count("\n") == 1
