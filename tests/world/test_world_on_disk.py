import hashlib
import io
import json
import os
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from captions import read_caption
from PIL import Image

from rebind.benchmarks import read_world
from rebind.concepts import build_extractor
from rebind.data import open_source
from rebind.types import UserError
from rebind.world import WorldSettings, read_world_settings, write_world
from rebind.world.render import PICTURE_SIZE
from rebind.world.scenes import TUNING, describe_all, held_out_conjunctions, leave_unsaid, sample_scenes
from rebind.world.vocabulary import ALL_COLOURS, ALL_SHAPES, COLOURS, RETENTION_COLOURS, RETENTION_SHAPES, SHAPES

SETTINGS = WorldSettings(train=300, test=120, pretrain=200, seed=4)
CATEGORIES = ("swap_att", "swap_obj", "replace_att", "replace_obj", "replace_rel", "add_obj", "add_att")
RETENTION_WORDS = {*RETENTION_SHAPES, *RETENTION_COLOURS}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("worlds") / "world"
    write_world(folder, SETTINGS)
    return folder


def read_json(path):
    return json.loads(path.read_text())


def digests(folder):
    files = [folder] if folder.is_file() else sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_what_is_written(world):
    below = {str(path.relative_to(world)) for path in world.rglob("*") if path.suffix != ".png"}
    sources = ("pretrain", "train", "train/annotations/negative_images", "test/scenes", "test/held_out")
    expected = {"world.json", "test", "test/foils", "train/annotations", "train/annotations/negatives.jsonl", *sources}
    expected |= {f"{name}/{part}" for name in sources for part in ("images", "captions.jsonl")}
    expected |= {f"test/foils/{category}.json" for category in (*CATEGORIES, "held_out")}
    for name in ("zero_shot", "retention"):
        expected |= {f"test/{name}", *(f"test/{name}/{part}" for part in ("images", "labels.jsonl", "classes.json"))}
    assert below == expected
    assert [path.name for path in world.parent.iterdir()] == ["world"]  # nothing temporary is left behind


def test_sources_open_with_as_many_samples_as_asked(world):
    counts = {"pretrain": 200, "train": 300, "test/scenes": 120, "test/held_out": 120}
    assert {name: len(open_source(world / name)) for name in counts} == counts


def test_every_picture_is_a_small_png(world):
    pictures = list(world.rglob("*.png"))
    negatives = len(open_source(world / "train/annotations/negative_images"))
    assert 0.9 * 600 < negatives <= 600
    assert len(pictures) == 200 + 300 + negatives + 4 * 120
    for path in pictures[::10]:
        with Image.open(path) as picture:
            assert (picture.format, picture.mode, picture.size) == ("PNG", "RGB", (PICTURE_SIZE, PICTURE_SIZE))


def test_captions_read_well_and_those_for_retrieval_are_unique(world):
    for name in ("pretrain", "train", "test/scenes", "test/held_out"):
        source = open_source(world / name)
        captions = [source.captions(index) for index in range(len(source))]
        assert all(len(each) == 1 for each in captions)
        read = [read_caption(each[0]) for each in captions]
        if name.startswith("test"):
            assert len(set(captions)) == len(captions)
            assert all(colour is not None for caption in read for colour, _ in caption.objects)


def test_the_written_training_captions_bind_each_bag_one_way(world):
    readings = {}
    for name in ("pretrain", "train", "train/annotations/negative_images"):
        source = open_source(world / name)
        for index in range(len(source)):
            objects = read_caption(source.captions(index)[0]).objects
            if all(colour for colour, _ in objects):
                bag = (frozenset(colour for colour, _ in objects), frozenset(shape for _, shape in objects))
                assert readings.setdefault(bag, frozenset(objects)) == frozenset(objects)
    assert len(readings) > 100


def test_held_out_conjunctions_are_named_and_kept_apart(world):
    held_out = set(read_json(world / "world.json")["held_out"])
    assert held_out

    def shows(name):
        source = open_source(world / name)
        objects = [read_caption(source.captions(index)[0]).objects for index in range(len(source))]
        return [any(f"{colour} {shape}" in held_out for colour, shape in each) for each in objects]

    assert not any(shows("pretrain") + shows("train") + shows("test/scenes"))
    assert not any(shows("train/annotations/negative_images"))
    assert all(shows("test/held_out"))
    assert not held_out & {each["name"] for each in read_json(world / "test/zero_shot/classes.json")}


def test_foils_belong_to_written_pictures_and_carry_their_captions(world):
    captions = {}
    for name in ("scenes", "held_out"):
        for line in (world / "test" / name / "captions.jsonl").read_text().splitlines():
            row = json.loads(line)
            captions[f"{name}/{row['image']}"] = row["caption"]
    for category in (*CATEGORIES, "held_out"):
        rows = read_json(world / f"test/foils/{category}.json").values()
        for row in rows:
            assert (world / "test" / row["filename"]).is_file()
            assert row["filename"].startswith("held_out/" if category == "held_out" else "scenes/")
            assert row["caption"] != row["negative_caption"]
            if category != "add_att":
                assert row["caption"] == captions[row["filename"]]
        assert len({row["filename"] for row in rows}) == len(rows)


def test_retention_words_stay_out_of_tuning_foils_and_zero_shot(world):
    def captions(name):
        source = open_source(world / name)
        return [source.captions(index)[0] for index in range(len(source))]

    texts = [*captions("train"), *captions("train/annotations/negative_images")]
    texts += [*captions("test/scenes"), *captions("test/held_out")]
    for file in (world / "test/foils").iterdir():
        texts += [row[field] for row in read_json(file).values() for field in ("caption", "negative_caption")]
    texts += [prompt for each in read_json(world / "test/zero_shot/classes.json") for prompt in each["prompts"]]
    assert not [text for text in texts if RETENTION_WORDS & set(text.replace(",", "").split())]
    assert set(" ".join(captions("pretrain")).replace(",", "").split()) >= RETENTION_WORDS


@pytest.mark.parametrize(("name", "known"), [("zero_shot", True), ("retention", False)])
def test_single_objects(world, name, known):
    classes = read_json(world / f"test/{name}/classes.json")
    labels = [json.loads(line) for line in (world / f"test/{name}/labels.jsonl").read_text().splitlines()]
    held_out = set(read_json(world / "world.json")["held_out"])
    tuned = {f"{colour} {shape}" for colour in COLOURS for shape in SHAPES}
    everything = {f"{colour} {shape}" for colour in ALL_COLOURS for shape in ALL_SHAPES}
    names = [each["name"] for each in classes]
    assert len(set(names)) == len(names)
    assert set(names) == (tuned - held_out if known else everything - tuned)
    for each in classes:
        (prompt,) = each["prompts"]
        assert read_caption(prompt).objects == (tuple(each["name"].split()),)
    assert len(labels) == SETTINGS.test
    assert {row["label"] for row in labels} <= set(names)
    counts = Counter(row["label"] for row in labels)
    assert max(counts.values()) - min(counts.values()) <= 1
    assert all((world / "test" / name / row["image"]).is_file() for row in labels)


def test_the_benchmark_reads_the_test_folder(world):
    benchmark = read_world(world)
    assert benchmark.name == "world"
    assert {str(path.relative_to(world / "test")).split("/")[0] for path in benchmark.images} == {
        "scenes", "held_out", "zero_shot", "retention"
    }  # fmt: skip
    assert all(path.is_file() for path in benchmark.images)
    truth = {row["caption"] for row in read_json(world / "test/foils/swap_att.json").values()}
    assert truth <= set(benchmark.texts)
    rng = np.random.default_rng(0)
    images, texts = (rng.normal(size=(len(each), 8)) for each in (benchmark.images, benchmark.texts))
    scores = {(score.split, score.metric): score for score in benchmark.score(images, texts)}
    for category in (*CATEGORIES, "held_out"):
        assert scores[category, "accuracy"].n == len(read_json(world / f"test/foils/{category}.json"))
    assert scores["retrieval", "image_to_text_recall@1"].n == SETTINGS.test
    assert scores["zero_shot", "top1"].n == scores["retention", "top1"].n == SETTINGS.test


def test_captions_for_retrieval_are_unique_even_where_scenes_would_repeat(tmp_path):
    write_world(tmp_path / "world", WorldSettings(train=1, test=3_000, picture_size=24))
    for name in ("scenes", "held_out"):
        source = open_source(tmp_path / "world/test" / name)
        captions = {source.captions(index) for index in range(len(source))}
        assert len(captions) == len(source) == 3_000


@pytest.mark.parametrize("seed", range(3))
def test_the_smallest_world_can_be_read(tmp_path, seed):
    """One scene does not fit every category of foils."""
    write_world(tmp_path / "world", WorldSettings(train=1, test=1, seed=seed))
    assert read_world(tmp_path / "world").images


def test_settings_come_back(world, tmp_path):
    assert read_world_settings(world) == SETTINGS
    (tmp_path / "world.json").write_text('{"train": 3}')
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UserError, match="is not a world; write one with `rebind world --out DIR`"):
            read_world_settings(folder)


def test_another_process_writes_the_same_bytes(world, tmp_path):
    write = (
        "import sys; from pathlib import Path; from rebind.world import WorldSettings, write_world;"
        "write_world(Path(sys.argv[1]), WorldSettings(train=300, test=120, pretrain=200, seed=4))"
    )
    command = [sys.executable, "-c", write, str(tmp_path / "again")]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": "77"})
    assert digests(tmp_path / "again") == digests(world)


def test_another_seed_writes_another_world(world, tmp_path):
    write_world(tmp_path / "other", WorldSettings(train=300, test=120, pretrain=200, seed=5))
    here, there = (
        {name: digest for name, digest in digests(folder).items() if "negative_images" not in name}
        for folder in (world, tmp_path / "other")
    )
    assert here.keys() == there.keys()
    same = [name for name in here if here[name] == there[name]]
    assert len(same) < 0.02 * len(here)


def test_shards_hold_the_samples_of_the_folder(world, tmp_path):
    settings = WorldSettings(train=300, test=120, pretrain=200, seed=4, format="shards")
    write_world(tmp_path / "shards", settings)
    for name in ("pretrain", "train", "train/annotations/negative_images"):
        folder, shards = open_source(world / name), open_source(tmp_path / "shards" / name)
        assert list(shards.keys) == list(folder.keys)
        for index in range(len(folder)):
            assert shards.captions(index) == folder.captions(index)
            image = shards.image(index)
            assert isinstance(image, bytes)
            assert image == folder.image(index).read_bytes()
    for name in ("test", "train/annotations/negatives.jsonl"):
        assert digests(tmp_path / "shards" / name) == digests(world / name)


def test_pretraining_is_as_large_as_tuning_unless_told(tmp_path):
    write_world(tmp_path / "world", WorldSettings(train=5, test=3))
    assert len(open_source(tmp_path / "world/pretrain")) == 5


def test_a_larger_picture(tmp_path):
    write_world(tmp_path / "world", WorldSettings(train=2, test=2, picture_size=96))
    with Image.open(io.BytesIO(open_source(tmp_path / "world/train").image(0).read_bytes())) as picture:
        assert picture.size == (96, 96)


def test_a_folder_in_use_is_refused_and_left_alone(world, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    for out in (tmp_path, tmp_path / "mine.txt", world):
        with pytest.raises(UserError, match=rf"{out.name} exists already; choose another folder or remove it"):
            write_world(out, SETTINGS)
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_an_empty_folder_will_do(tmp_path):
    (tmp_path / "empty").mkdir()
    write_world(tmp_path / "empty", WorldSettings(train=2, test=2))
    assert len(open_source(tmp_path / "empty/train")) == 2


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("train", 0, "must be at least 1, not 0"),
        ("test", -3, "must be at least 1, not -3"),
        ("pretrain", 0, "must be at least 1, not 0"),
        ("seed", -1, "must be at least 0, not -1"),
        ("picture_size", 49, "must be a multiple of 3 from 24 on, not 49"),
        ("picture_size", 12, "must be a multiple of 3 from 24 on, not 12"),
        ("format", "zip", "must be folder or shards, not 'zip'"),
    ],
)
def test_a_bad_setting_is_named(field, value, reason):
    with pytest.raises(UserError, match=f"world: {field} {reason}"):
        WorldSettings(**{field: value})


def test_concepts_of_training_captions_are_their_noun_phrases():
    scenes = sample_scenes(TUNING, 3_000, held_out_conjunctions(0), (0, 3))
    extract = build_extractor()
    for caption in describe_all(leave_unsaid(scenes, 0.2, (0, 3, 1))):
        phrases = [" ".join(filter(None, pair)) for pair in read_caption(caption).objects]
        assert extract(caption) == phrases, caption
