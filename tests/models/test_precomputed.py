import tracemalloc
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from rebind.benchmarks.contract import AsStored, Crop
from rebind.benchmarks.embedding import embed_images, embed_texts
from rebind.models import load_encoder
from rebind.types import BrokenSample, UserError

MORE = [f"{i}.webp" for i in range(10, 20)]
VECTORS = {
    "a red circle": [3.0, 4.0],
    f"sha256:{sha256('two dögs'.encode()).hexdigest()}": [0.0, 2.0],
    "val/1.jpg": [1.0, 0.0],
    "1.jpg": [-1.0, 0.0],
    "2": [0.0, -5.0],
    "2#0,1,20,30": [-2.0, 0.0],
    f"sha256:{sha256(b'bytes').hexdigest()}": [5.0, 12.0],
    **{name: [1.0, 1.0] for name in MORE},
}


@pytest.fixture(params=["made.npz", "made.safetensors"])
def file(request, tmp_path):
    arrays = {key: np.array(value, dtype=np.float32) for key, value in VECTORS.items()}
    path = tmp_path / request.param
    np.savez(path, **arrays) if path.suffix == ".npz" else save_file(arrays, path)
    return path


def test_texts_and_pictures_are_found_by_their_keys(file):
    encoder = load_encoder(f"precomputed:{file}")
    texts = embed_texts(encoder, ["two dögs", "a red circle", "two dögs"])
    assert np.allclose(texts, [[0, 1], [0.6, 0.8], [0, 1]])
    pictures = [Path("/data/val/1.jpg"), Path("/data/test/1.jpg"), Path("2.png"), b"bytes"]
    pictures += [Crop(Path("x/2.png"), (0, 1, 20, 30)), AsStored(Path("2.png")), *map(Path, MORE)]
    found = embed_images(encoder, [*pictures, BrokenSample("3", "cut short")])
    assert np.allclose(found.embeddings[:5], [[1, 0], [-1, 0], [0, -1], [5 / 13, 12 / 13], [-1, 0]])
    assert np.array_equal(found.embeddings[5], found.embeddings[2])
    assert np.isnan(found.embeddings[-1]).all()
    assert found.broken[0].key == "3"
    assert encoder.describe()["entries"] == len(VECTORS)


def test_what_is_missing_is_named(file):
    encoder = load_encoder(f"precomputed:{file}")
    with pytest.raises(UserError, match=r'no embedding of 2 of 3 texts; the first is "a blue star"'):
        embed_texts(encoder, ["a red circle", "a blue star", "a ring"])
    with pytest.raises(UserError, match=r'no embedding of 1 of 1 pictures; the first is "/data/9.jpg".* under "9"'):
        embed_images(encoder, [Path("/data/9.jpg")])


def test_a_key_that_fits_several_pictures_is_refused(tmp_path):
    np.savez(tmp_path / "made.npz", **{f"{i}.jpg": np.ones(3) for i in range(10)})
    pictures = [Path(f"/photos/{kind}/{i}.jpg") for kind in ("cat", "dog", "hat") for i in range(10)]
    encoder = load_encoder(f"precomputed:{tmp_path / 'made.npz'}")
    said = 'key "0.jpg" fits the picture /photos/cat/0.jpg and the picture /photos/dog/0.jpg; .* such as "dog/0.jpg"'
    with pytest.raises(UserError, match=said):
        embed_images(encoder, pictures)
    whole = {f"{picture.parent.name}/{picture.name}": np.eye(30)[row] for row, picture in enumerate(pictures)}
    np.savez(tmp_path / "made.npz", **whole)
    found = embed_images(load_encoder(f"precomputed:{tmp_path / 'made.npz'}"), pictures).embeddings
    assert np.array_equal(found, np.eye(30))


def test_one_picture_may_be_spelled_in_several_ways(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("val2017", "copy", "other"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "000139.jpg").write_bytes(b"another" if folder == "other" else b"picture")
    np.savez("made.npz", **{"000139": np.ones(3), "gone": np.ones(3)})
    encoder = load_encoder("precomputed:made.npz")
    names = ("val2017/000139.jpg", "x/../val2017/000139.jpg", tmp_path / "val2017/000139.jpg", "copy/000139.jpg")
    assert len(embed_images(encoder, list(map(Path, names))).embeddings) == 4
    embed_images(encoder, [Path("gone.jpg"), Path("x/../gone.jpg")])
    with pytest.raises(
        UserError, match=r'fits the picture val2017/000139\.jpg and the picture other.* "other/000139.jpg"'
    ):
        embed_images(encoder, [Path("other/000139.jpg")])
    with pytest.raises(UserError, match=r'"gone" fits the picture gone.jpg and the picture no/gone.jpg'):
        embed_images(encoder, [Path("no/gone.jpg")])


def test_the_bytes_of_pictures_are_not_kept(tmp_path):
    pictures = [bytes([i]) * 100_000 for i in range(20)]
    np.savez(tmp_path / "made.npz", **{f"sha256:{sha256(each).hexdigest()}": np.ones(3) for each in pictures})
    encoder = load_encoder(f"precomputed:{tmp_path / 'made.npz'}")
    tracemalloc.start()
    encoder.find_images([(bytes(bytearray(each)), None) for each in pictures])
    assert tracemalloc.get_traced_memory()[0] < 200_000
    tracemalloc.stop()


def test_a_text_is_not_taken_for_a_picture_of_that_name(tmp_path):
    np.savez(tmp_path / "made.npz", cat=np.ones(3), **{"photos/dog.jpg": np.ones(3)})
    encoder = load_encoder(f"precomputed:{tmp_path / 'made.npz'}")
    embed_texts(encoder, ["cat", "cat"])
    embed_images(encoder, [Path("photos/dog.jpg")])
    with pytest.raises(UserError, match=r'"cat" fits the text "cat" and the picture photos/cat\.jpg'):
        embed_images(encoder, [Path("photos/cat.jpg")])


def test_zeros_and_nan_are_not_finite(tmp_path):
    np.savez(tmp_path / "made.npz", a=np.zeros(2), b=np.array([1.0, np.nan]), c=np.ones(2))
    with pytest.raises(UserError, match="the file gives 2 of 3 text embeddings that are not finite"):
        embed_texts(load_encoder(f"precomputed:{tmp_path / 'made.npz'}"), ["a", "b", "c"], "the file")


@pytest.mark.parametrize("content", [b"", b"noise" * 9, b"PK\x03\x04 cut short"])
@pytest.mark.parametrize("name", ["made.npz", "made.safetensors"])
def test_a_damaged_file_is_one_sentence(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=r"cannot read the embeddings in .*made"):
        load_encoder(f"precomputed:{tmp_path / name}")


def test_pickles_are_refused(tmp_path):
    np.savez(tmp_path / "made.npz", a=np.array([{"any": "object"}], dtype=object))
    with pytest.raises(UserError, match=r"cannot read the embeddings in .*allow_pickle=False"):
        load_encoder(f"precomputed:{tmp_path / 'made.npz'}")


@pytest.mark.parametrize("wrong", [np.ones((1, 2)), np.ones(3), np.array([1, 2])])
def test_other_shapes_and_types_name_the_entry(tmp_path, wrong):
    np.savez(tmp_path / "made.npz", first=np.ones(2), wrong=wrong)
    with pytest.raises(UserError, match='the entry "wrong" is'):
        load_encoder(f"precomputed:{tmp_path / 'made.npz'}")


@pytest.mark.parametrize(
    ("name", "said"), [("no.npz", "does not exist"), ("made.pt", "must be a .npz or .safetensors")]
)
def test_a_file_that_is_none(tmp_path, name, said):
    with pytest.raises(UserError, match=said):
        load_encoder(f"precomputed:{tmp_path / name}")
