import json

import numpy as np
import pytest
from PIL import Image

from rebind.data import open_source
from rebind.data.writing import write_shards

COLOURS = ["red", "green", "blue", "black", "white", "brown"]
THINGS = ["cup", "dog", "bus", "hat", "chair", "bird", "box", "cat"]


def describe(number):
    """A caption of two things, and its parts; the same for the same number."""
    rng = np.random.default_rng(number)
    one, other = rng.choice(THINGS, 2, replace=False)
    first, second = rng.choice(COLOURS, 2, replace=False)
    return f"a {first} {one} near a {second} {other}", (first, one, second, other)


def negatives_of(items):
    """What a simple writer of hard negatives makes of captions such as those above."""
    for item in items:
        first, one, second, other = (words := item["captions"][0].split())[1], words[2], words[5], words[6]
        wrong = THINGS[(THINGS.index(one) + 3) % len(THINGS)]
        yield {
            "key": item["key"],
            "negatives": [
                {"caption": f"a {second} {one} near a {first} {other}", "family": "swap_att"},
                {"caption": f"a {first} {wrong} near a {second} {other}", "family": "replace_obj"},
                {"caption": f"a {first} {one} near a {second} {wrong}", "family": "replace_obj"},
                {"caption": f"a {first} {one} and a {wrong} near a {second} {other}", "family": "add_obj"},
            ],
        }


@pytest.fixture
def write_negatives():
    return negatives_of


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """300 captioned pictures in a folder of folders; every second has a further, longer caption."""
    folder = tmp_path_factory.mktemp("sources") / "photos"
    (folder / "of things").mkdir(parents=True)
    rows = []
    for number in range(300):
        name = f"of things/{number:03} é.png"
        Image.new("RGB", (40 + number % 7, 30), COLOURS[number % 6]).save(folder / name)
        caption, (first, one, second, other) = describe(number)
        third, tail = THINGS[number // 2 % 8], [" in a room", " on a big table", ""][number % 3]
        further = [f"a {first} {one} and a {third} near a {second} {other}{tail}"] * (number % 2)
        rows.append({"image": name, "key": f"photo {number}", "captions": [caption, *further]})
    (folder / "captions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture
def source(photos):
    return open_source(photos)


@pytest.fixture
def shards(photos, tmp_path):
    """The first 40 of the pictures in shards, one of them no picture at all."""
    pictures = [path.read_bytes() for path in sorted((photos / "of things").iterdir())[:40]]
    pictures[7] = b"\x89PNG and no more"
    folder = tmp_path / "shards"
    write_shards(folder, [(f"s-{n}", data, describe(n)[0]) for n, data in enumerate(pictures)], 25)
    return open_source(folder)
