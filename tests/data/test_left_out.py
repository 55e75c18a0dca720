"""Training on what a benchmark was not made of."""

import pickle

import pytest

from rebind.data import open_source
from rebind.data.annotation_files import write_annotation
from rebind.data.annotations import with_concepts
from rebind.data.left_out import leave_out
from rebind.data.neighbours import read_neighbours
from rebind.types import UserError

ROWS = [{"key": key, "image": f"{key}.png", "caption": f"a {key} sheet"} for key in ("red", "lime", "blue")]


@pytest.fixture
def source(photos, write_rows):
    write_rows(photos / "captions.jsonl", ROWS)
    return open_source(photos)


def keys_file(tmp_path, *keys):
    (tmp_path / "held_out.txt").write_text("".join(f"{key}\n" for key in keys))
    return tmp_path / "held_out.txt"


def test_the_others_stay_as_they_are(source, tmp_path):
    left = leave_out(source, keys_file(tmp_path, "lime", "elsewhere"))
    assert list(left.keys) == ["red", "blue"]
    assert [left[index] for index in range(2)] == [source[0], source[2]]
    assert [sample.key for sample in pickle.loads(pickle.dumps(left))] == ["red", "blue"]


def test_annotations_and_neighbours_pass_over_what_is_left_out(source, tmp_path):
    write_annotation(source, "concepts", [(key, [key]) for key in source.keys], {})
    write_annotation(source, "neighbours", [("red", ["lime", "blue"]), ("lime", ["red"])], {})
    left = with_concepts(leave_out(source, keys_file(tmp_path, "lime")))
    assert [sample.concepts for sample in left] == [("red",), ("blue",)]
    assert read_neighbours(left).tolist() == [[1], [-1]]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (["red", "lime", "blue"], "every sample of .*photos is to be left out"),
        (["elsewhere"], r"none of the keys in .*held_out\.txt is a key of .*photos"),
    ],
)
def test_files_that_do_not_fit(source, tmp_path, keys, message):
    with pytest.raises(UserError, match=message):
        leave_out(source, keys_file(tmp_path, *keys))


def test_a_file_that_is_not_there(source, tmp_path):
    with pytest.raises(UserError, match="give a file with one key a line"):
        leave_out(source, tmp_path / "none.txt")
