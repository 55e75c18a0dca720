import copy
import json
import multiprocessing
import os
import time

import numpy as np
import pytest
import torch
from tiny_world import CAPTIONS, paint

from rebind.benchmarks.contract import Crop
from rebind.benchmarks.embedding import embed_images, embed_texts
from rebind.benchmarks.embedding_cache import EmbeddingCache, Shelf, open_cache
from rebind.models import PrecomputedEmbeddings

LONG_AGO = time.time() - 100


@pytest.fixture
def pictures(tmp_path):
    files = [tmp_path / f"{i}.png" for i in range(20)]
    for i, file in enumerate(files):
        paint(file, i)
        os.utime(file, (LONG_AGO, LONG_AGO))
    return [*files, files[3].read_bytes(), Crop(files[2], (0, 0, 16, 16)), Crop(files[2], (8, 8, 30, 30))]


@pytest.fixture
def runs(encoder):
    """Counts the rows that go through the towers."""
    rows = []
    hooks = [
        tower.register_forward_hook(lambda *call: rows.append(len(call[-1].last_hidden_state)))
        for tower in (encoder.model.vision_model, encoder.model.text_model)
    ]
    yield lambda: (sum(rows), rows.clear())[0]
    for hook in hooks:
        hook.remove()


def embedded(encoder, pictures, folder):
    cache = EmbeddingCache(folder, encoder)
    return embed_images(encoder, pictures, cache=cache).embeddings, embed_texts(encoder, CAPTIONS, cache=cache)


def test_a_second_run_gives_the_same_bits_and_runs_no_tower(encoder, pictures, runs, tmp_path):
    fresh = embedded(encoder, pictures, tmp_path / "cache")
    assert runs() == len(pictures) + len(set(CAPTIONS))
    again = embedded(encoder, pictures, tmp_path / "cache")
    assert runs() == 0
    assert all(np.array_equal(*pair) for pair in zip(fresh, again, strict=True))
    bare = embed_images(encoder, pictures).embeddings, embed_texts(encoder, CAPTIONS)
    assert all(np.allclose(*pair, atol=1e-6) for pair in zip(fresh, bare, strict=True))
    assert EmbeddingCache(tmp_path / "cache", encoder).size() > 4 * encoder.width * 30


def test_pictures_are_known_by_their_content(encoder, pictures, runs, tmp_path):
    embedded(encoder, pictures, tmp_path / "cache")
    runs()
    moved = tmp_path / "elsewhere.png"
    moved.write_bytes(pictures[5].read_bytes())
    paint(pictures[6], 77)  # other content under an old name
    found = embed_images(encoder, [moved, pictures[6]], cache=EmbeddingCache(tmp_path / "cache", encoder)).embeddings
    assert runs() == 1
    assert np.allclose(found, embed_images(encoder, [moved, pictures[6]]).embeddings, atol=1e-6)


def test_texts_that_tokenise_alike_are_one_entry(encoder, runs, tmp_path):
    first = embed_texts(encoder, ["a red foo"], cache=EmbeddingCache(tmp_path, encoder))
    runs()
    later = embed_texts(encoder, ["a red bar", "a star"], cache=EmbeddingCache(tmp_path, encoder))
    assert runs() == 1
    assert np.array_equal(first[0], later[0])


@pytest.mark.parametrize("change", ["weight", "image settings", "context", "activation"])
def test_another_model_or_preprocessing_is_another_cache(encoder, runs, tmp_path, change):
    embed_texts(encoder, ["a star"], cache=EmbeddingCache(tmp_path, encoder))
    runs()
    other = copy.deepcopy(encoder)
    with torch.no_grad():
        if change == "weight":
            other.model.text_model.final_layer_norm.bias[0] += 1e-3
        elif change == "image settings":
            other.images.processor.image_mean = [0.1, 0.2, 0.3]
        elif change == "context":
            other.texts = other.texts.shortened(5)
        else:
            other.model.config.text_config.hidden_act = "quick_gelu"
    cache = EmbeddingCache(tmp_path, other)
    assert cache.texts.folder != EmbeddingCache(tmp_path, encoder).texts.folder
    assert json.loads((cache.texts.folder.parent / "model.json").read_text())["kind"] == "siglip"


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "noise"])
def test_damaged_entries_are_embedded_again(encoder, pictures, runs, tmp_path, damage):
    fresh = embedded(encoder, pictures, tmp_path / "cache")
    runs()
    files = sorted((tmp_path / "cache").rglob("*.safetensors"))
    assert len(files) == 3
    for file in files:
        content = bytearray(file.read_bytes())
        content[-3] ^= 1
        changed = {"truncated": content[:-40], "flipped": content, "empty": b"", "noise": os.urandom(99)}
        file.write_bytes(changed[damage])
    again = embedded(encoder, pictures, tmp_path / "cache")
    assert runs() == len(pictures) + len(set(CAPTIONS))
    assert all(np.array_equal(*pair) for pair in zip(fresh, again, strict=True))
    embedded(encoder, pictures, tmp_path / "cache")
    assert runs() == 0


def test_a_cache_that_cannot_be_written_costs_time_only(encoder, tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.warns(UserWarning, match="embeddings are not kept: .*cache"):
        assert embed_texts(encoder, ["a star"], cache=EmbeddingCache(tmp_path / "cache", encoder)).shape[0] == 1


def test_broken_and_not_finite_is_never_kept(encoder, pictures, tmp_path):
    lost = tmp_path / "lost.png"
    for _ in range(2):
        found = embed_images(encoder, [*pictures, lost], cache=EmbeddingCache(tmp_path / "cache", encoder))
        assert [each.key for each in found.broken] == [str(lost)]
    paint(lost, 9)
    assert not embed_images(encoder, [*pictures, lost], cache=EmbeddingCache(tmp_path / "cache", encoder)).broken


def _put_many(folder, first):
    shelf = Shelf(folder, 4, np.float32)
    for number in range(first, first + 200):
        shelf.put(number.to_bytes(16, "little"), np.full(4, number % 250))
        if number % 20 == 0:
            shelf.write()
    shelf.write()
    shelf.put(b"x" * 16, np.zeros(4))
    os._exit(1)  # as if killed: what was not written is lost, the rest is whole


def test_processes_share_a_shelf_and_may_be_killed(tmp_path):
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_put_many, args=(tmp_path, first)) for first in (0, 100, 100)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    shelf = Shelf(tmp_path, 4, np.float32)
    rows = [shelf.get(number.to_bytes(16, "little")) for number in range(300)]
    assert [row.tolist() for row in rows] == [[number % 250] * 4 for number in range(300)]
    assert shelf.get(b"x" * 16) is None


def test_where_the_cache_lies(encoder, tmp_path, monkeypatch):
    assert open_cache("none", encoder) is None
    monkeypatch.setenv("REBIND_CACHE", str(tmp_path / "named"))
    assert open_cache(None, encoder).folder == tmp_path / "named/embeddings"  # beside named/shards
    assert open_cache(tmp_path / "given", encoder).folder == tmp_path / "given"
    monkeypatch.setenv("REBIND_CACHE", "none")
    assert open_cache(None, encoder) is None
    np.savez(tmp_path / "made.npz", text=np.ones(3))
    assert open_cache(tmp_path, PrecomputedEmbeddings(tmp_path / "made.npz")) is None
