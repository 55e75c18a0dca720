"""The caches of all models together stay below a limit."""

import copy
import multiprocessing
import os
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest
import torch

from rebind.benchmarks.embedding import embed_texts
from rebind.benchmarks.embedding_cache import EmbeddingCache, open_cache
from rebind.types import UserError

ROWS = 50
HOLDING = """
import pathlib, sys, time; from rebind.storage import hold
lock = hold(pathlib.Path(sys.argv[1])); print("held", flush=True); time.sleep(60)
"""


def variants(encoder, count):
    """Models that differ in a weight."""
    models = [copy.deepcopy(encoder) for _ in range(count)]
    with torch.no_grad():
        for number, model in enumerate(models):
            model.model.logit_scale += number
    return models


def filled(folder, encoder, limit=None, opened=None):
    """A cache with the rows of one model, as if opened so many seconds ago; returns its folder."""
    cache = EmbeddingCache(folder, encoder, limit)
    for number in range(ROWS):
        cache.texts.put(number.to_bytes(16, "little"), np.full(encoder.width, number))
    cache.write()
    space = cache.texts.folder.parent
    if opened is not None:
        os.utime(space, (time.time() - opened,) * 2)
    return space


def holds(space):
    """Whether the rows of a model are there, all or none."""
    return len(list(space.rglob("*.safetensors"))) > 0


@pytest.fixture
def one(encoder, tmp_path):
    """Bytes of one model's rows."""
    filled(tmp_path / "alone", encoder)
    return EmbeddingCache(tmp_path / "alone", encoder).size()


def test_what_was_opened_longest_ago_goes_first(encoder, one, tmp_path):
    models = variants(encoder, 4)
    spaces = [
        filled(tmp_path / "all", model, opened=seconds) for model, seconds in zip(models[:3], (50, 90, 70), strict=True)
    ]
    spaces.append(filled(tmp_path / "all", models[3], limit=2.5 * one))
    assert [holds(space) for space in spaces] == [True, False, False, True]
    assert EmbeddingCache(tmp_path / "all", models[0]).texts.get((7).to_bytes(16, "little")) is not None
    assert EmbeddingCache(tmp_path / "all", models[1]).texts.get((7).to_bytes(16, "little")) is None
    filled(tmp_path / "all", models[1], limit=2.5 * one)  # model 0 was opened again later than model 3
    assert [holds(space) for space in spaces] == [True, True, False, False]
    assert EmbeddingCache(tmp_path / "all", encoder).size() <= 2.5 * one


def test_nothing_goes_below_the_limit_or_without_one(encoder, one, tmp_path):
    models = variants(encoder, 3)
    spaces = [
        filled(tmp_path / "all", model, limit) for model, limit in zip(models, (None, None, 3 * one), strict=True)
    ]
    assert all(holds(space) for space in spaces)


def test_other_files_in_the_folder_neither_count_nor_go(encoder, one, tmp_path):
    first, second = variants(encoder, 2)
    for place in ("checkpoint", "checkpoint/images", "a" * 32):
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        (tmp_path / place / "model.safetensors").write_bytes(bytes(99 * one))
        (tmp_path / place / "model.json").write_text("{}")
    space = filled(tmp_path, first, opened=90)
    filled(tmp_path, second, limit=2 * one)
    assert holds(space)
    filled(tmp_path, second, limit=1)
    assert not holds(space)
    assert len(list(tmp_path.rglob("model.safetensors"))) == 3


def test_what_is_in_use_stays_here_and_in_another_process(encoder, one, tmp_path):
    first, second, third = variants(encoder, 3)
    used = filled(tmp_path, first, opened=90)
    other = subprocess.Popen([sys.executable, "-c", HOLDING, used], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout.readline() == "held\n"
        own = filled(tmp_path, second, limit=1)
        assert holds(used)
        assert holds(own)
    finally:
        other.kill()
        other.communicate()
    last = filled(tmp_path, third, limit=1)
    assert [holds(space) for space in (used, own, last)] == [False, False, True]


def _work(folder, model, limit, failures):
    warnings.simplefilter("error")
    try:
        for turn in range(8):
            cache = EmbeddingCache(folder, model, limit)
            for number in range(ROWS):
                cache.texts.put((turn * ROWS + number).to_bytes(16, "little"), np.full(model.width, number))
            cache.write()
            rows = [EmbeddingCache(folder, model).texts.get((turn * ROWS + n).to_bytes(16, "little")) for n in (0, 9)]
            if [row is not None and row[0] for row in rows] != [0, 9]:  # while it is open it stays
                failures.put((turn, rows))
            del cache
    except BaseException as error:
        failures.put(repr(error))


def test_processes_that_make_room_at_once_do_not_disturb_each_other(encoder, one, tmp_path):
    context = multiprocessing.get_context("fork")
    failures = context.Queue()
    models = variants(encoder, 3)
    workers = [context.Process(target=_work, args=(tmp_path / "all", model, one, failures)) for model in models]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert failures.empty(), failures.get()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    filled(tmp_path / "all", models[0], limit=0)
    assert len({file.parent.parent for file in (tmp_path / "all").rglob("*.safetensors")}) == 1


def test_a_model_that_was_emptied_is_embedded_again(encoder, tmp_path):
    first, second = variants(encoder, 2)
    fresh = embed_texts(first, ["a star", "a ring"], cache=EmbeddingCache(tmp_path, first, 1))
    embed_texts(second, ["a star"], cache=EmbeddingCache(tmp_path, second, 1))
    again = EmbeddingCache(tmp_path, first, 1)
    assert not holds(again.texts.folder.parent)
    assert np.array_equal(embed_texts(first, ["a star", "a ring"], cache=again), fresh)
    assert holds(again.texts.folder.parent)


def test_the_limit_is_a_setting(encoder, tmp_path, monkeypatch):
    monkeypatch.delenv("REBIND_CACHE_GB", raising=False)
    assert open_cache(tmp_path, encoder).limit == 20e9
    monkeypatch.setenv("REBIND_CACHE_GB", "0.5")
    assert open_cache(tmp_path, encoder).limit == 5e8
    for wrong in ("20 GB", "-1", "nan"):
        monkeypatch.setenv("REBIND_CACHE_GB", wrong)
        with pytest.raises(UserError, match=f'REBIND_CACHE_GB is "{wrong}"; give a number of gigabytes, such as 20'):
            open_cache(tmp_path, encoder)
