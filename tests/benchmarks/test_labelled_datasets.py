import os
import subprocess
import sys

import pytest
import yaml
from file_server import Ways, serving
from tiny_world import paint

from rebind.benchmarks import build_benchmark, evaluate
from rebind.benchmarks.labelled_datasets import read_labelled_dataset
from rebind.benchmarks.naming import describe
from rebind.types import UserError


@pytest.fixture
def dataset(tmp_path):
    from datasets import ClassLabel, Dataset, Features, Image

    rows = {"image": [], "label": [1, 0, 1, 2]}
    for i in range(4):
        paint(tmp_path / f"{i}.png", i)
        rows["image"].append({"bytes": (tmp_path / f"{i}.png").read_bytes(), "path": None})
    features = Features({"image": Image(), "label": ClassLabel(names=["red_cup", "star", "ring"])})
    return Dataset.from_dict(rows, features=features)


def test_a_labelled_dataset_saved_by_its_library(encoder, dataset, tmp_path):
    from datasets import DatasetDict

    DatasetDict({"train": dataset, "test": dataset.select(range(3))}).save_to_disk(tmp_path / "saved")
    benchmark = build_benchmark("labelled_dataset", data=tmp_path / "saved")
    assert benchmark.prompts == {
        "red_cup": ["a photo of a red cup."], "ring": ["a photo of a ring."], "star": ["a photo of a star."]
    }  # fmt: skip
    assert benchmark.labels == ["red_cup", "star", "star"]
    assert benchmark.images[0] == (tmp_path / "1.png").read_bytes()
    assert evaluate(encoder, [benchmark])[0][0].n == 3
    assert len(read_labelled_dataset(tmp_path / "saved", data_split="train").images) == 4
    with pytest.raises(UserError, match=r"has no split `validation`, only .*train"):
        read_labelled_dataset(tmp_path / "saved", data_split="validation")
    with pytest.raises(UserError, match=r"has no column `fine_label`, only .*label"):
        read_labelled_dataset(tmp_path / "saved", label_column="fine_label")


def test_a_dataset_without_labels_and_one_that_may_not_be_fetched(dataset, tmp_path):
    from datasets import Dataset

    hidden = dataset.cast_column("label", dataset.features["label"]).map(lambda row: {"label": -1})
    hidden.save_to_disk(tmp_path / "hidden")
    with pytest.raises(UserError, match=r"hidden, row 0: -1 is no label; choose another --data-split"):
        read_labelled_dataset(tmp_path / "hidden")
    rows = {"image": [row["image"] for row in dataset.cast_column("image", dataset.features["image"])]}
    Dataset.from_dict({**rows, "label": ["cup", "cup", "mug", None]}).save_to_disk(tmp_path / "texts")
    with pytest.raises(UserError, match=r"texts, row 3: None is no label"):
        read_labelled_dataset(tmp_path / "texts")
    with pytest.raises(UserError, match=r"no folder owner/photos, and no dataset of that name in .*; add --download"):
        read_labelled_dataset("owner/photos")


@pytest.mark.parametrize("column", ["labels", "fine"])
def test_the_only_split_and_the_only_column_of_classes_are_guessed(dataset, tmp_path, column):
    from datasets import DatasetDict

    renamed = dataset.rename_column("label", column).add_column("rating", [1, 2, 3, 4])
    DatasetDict({"validation": renamed}).save_to_disk(tmp_path / "saved")
    dataset.rename_column("label", column).to_parquet(tmp_path / "one.parquet")
    (tmp_path / "folder").mkdir()
    renamed.to_parquet(tmp_path / "folder/validation-0.parquet")
    for place in ("saved", "one.parquet", "folder"):
        benchmark = build_benchmark("labelled_dataset", data=tmp_path / place)
        assert benchmark.labels == ["red_cup", "ring", "star", "star"], place


def test_what_cannot_be_guessed_is_asked_for_with_its_flag(dataset, tmp_path):
    from datasets import DatasetDict

    two = dataset.add_column("colour", [0, 1, 0, 1]).cast_column("colour", dataset.features["label"])
    DatasetDict({"a": two, "b": two.select([0, 1])}).save_to_disk(tmp_path / "saved")
    with pytest.raises(UserError, match=r"saved has no split `test`, but a, b; say which to take: --data-split NAME$"):
        build_benchmark("labelled_dataset", data=tmp_path / "saved")
    assert len(build_benchmark("labelled_dataset", data=tmp_path / "saved", data_split="b").images) == 2
    two.rename_column("label", "shape").save_to_disk(tmp_path / "two")
    with pytest.raises(UserError, match=r"has no column `label`, but shape, colour; .*: --label-column NAME$"):
        build_benchmark("labelled_dataset", data=tmp_path / "two")
    chosen = build_benchmark("labelled_dataset", data=tmp_path / "two", label_column="colour")
    assert chosen.labels == ["red_cup", "red_cup", "star", "star"]
    assert "  --data-split: " in describe("labelled_dataset")
    assert "  --label-column: " in describe("labelled_dataset")


PROGRAM = """
from rebind.benchmarks import build_benchmark
from rebind.benchmarks.labelled_datasets import fetch_dataset
from rebind.types import UserError

def refused(act):
    try:
        act()
    except UserError as error:
        print(error)

refused(lambda: build_benchmark("labelled_dataset", data="owner/photos"))
fetch_dataset(print, "owner/photos")
print(build_benchmark("labelled_dataset", data="owner/photos").labels)
fetch_dataset(print, "owner/photos")
refused(lambda: fetch_dataset(print, "owner/nothing"))
"""


def serve_dataset(server, content):
    """The part of the hub that the library asks for a dataset of one Parquet file."""
    api, name, commit = "/api/datasets/owner/photos", "data/validation.parquet", "0" * 40
    row = {"type": "file", "path": name, "size": len(content), "oid": commit}
    siblings = [{"rfilename": name, "size": len(content)}]
    about = {"id": "owner/photos", "sha": commit, "private": False, "disabled": False, "gated": False, "tags": []}
    server.json |= {api: {**about, "siblings": siblings}, f"{api}/revision/{commit}": {**about, "siblings": siblings}}
    server.json[f"{api}/tree/{commit}/data"] = [row]
    card = {"configs": [{"config_name": "default", "data_files": [{"split": "validation", "path": name}]}]}
    for revision in ("main", commit):
        place = f"/datasets/owner/photos/resolve/{revision}"
        server.files[f"{place}/README.md"] = f"---\n{yaml.safe_dump(card)}---\n".encode()
        server.files[f"{place}/{name}"], server.ways[f"{place}/{name}"] = content, Ways(etag='"2"')


def test_a_dataset_of_the_hub_is_fetched_on_request_and_then_read_out_of_the_cache(dataset, tmp_path):
    dataset.to_parquet(tmp_path / "photos.parquet")
    content = (tmp_path / "photos.parquet").read_bytes()
    places = {"HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    with serving() as server:
        serve_dataset(server, content)
        environment = {**os.environ, **places, "HF_ENDPOINT": server.address}
        words = [sys.executable, "-c", PROGRAM]
        done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60, check=True)
        assert len(server.gets(f"/datasets/owner/photos/resolve/{'0' * 40}/data/validation.parquet")) == 1
    cache = tmp_path / "home/datasets"
    missing, address, labels, nothing = done.stdout.splitlines()
    assert missing == (
        f"there is no folder owner/photos, and no dataset of that name in {cache}; add --download to fetch it there "
        "from the Hugging Face hub"
    )
    assert address == f"https://huggingface.co/datasets/owner/photos: {len(content):,} bytes → {cache}"
    assert labels == "['red_cup', 'ring', 'star', 'star']"
    assert nothing.startswith("the dataset owner/nothing cannot be fetched: ")
    assert "cached" not in done.stderr
