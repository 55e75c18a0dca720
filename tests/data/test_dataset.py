from collections import Counter

import numpy as np
import pytest
import torch
from accelerate import Accelerator, skip_first_batches
from accelerate.data_loader import prepare_data_loader
from torch.utils.data import DataLoader

from rebind.data import open_source
from rebind.data.annotation_files import write_annotation
from rebind.data.annotations import with_negatives
from rebind.data.broken import BrokenNegative
from rebind.data.dataset import CaptionedImages, EpochShuffle, ReadySample, draw_caption, draw_some
from rebind.data.writing import write_folder_source
from rebind.types import BrokenSample


def preprocess(pictures):
    arrays = [np.asarray(picture.resize((4, 4))).transpose(2, 0, 1) for picture in pictures]
    return {"pixel_values": torch.from_numpy(np.stack(arrays))}


def keep(items):
    return items


@pytest.fixture
def source(photos, write_rows):
    names = ["red", "lime", "blue", "gone"]
    rows = [
        {"key": f"{n}-{name}", "image": f"{name}.png", "captions": [f"{name} {w}" for w in "abc"]}
        for n in range(5)
        for name in names
    ]
    write_rows(photos / "captions.jsonl", rows)
    return open_source(photos)


def comparable(item):
    if isinstance(item, BrokenSample):
        return item
    negatives = [(negative.caption, negative.images and pixels(negative.images)) for negative in item.negatives]
    return item.key, item.caption, item.concepts, pixels(item.images), negatives, item.broken


def pixels(images):
    return {name: tensor.tolist() for name, tensor in images.items()}


def test_an_item(source):
    item = CaptionedImages(source, preprocess)[1, 0]
    assert isinstance(item, ReadySample)
    assert item.key == "0-lime"
    assert item.images["pixel_values"].dtype == torch.uint8
    assert item.images["pixel_values"].tolist() == torch.tensor([0, 255, 0]).view(3, 1, 1).expand(3, 4, 4).tolist()
    assert item.caption in source.captions(1)


def test_a_broken_item(source):
    item = CaptionedImages(source, preprocess)[3, 0]
    assert item == BrokenSample("0-gone", f"{source.root / 'gone.png'} does not exist or is not a file")


BOTH = {"negative_captions", "negative_images"}


@pytest.fixture
def opposed(source):
    """The source with three negatives for all but the first sample: with a picture, without, with a broken picture."""
    pictures = [(f"{key}-p", (source.root / "blue.png").read_bytes(), "blue") for key in source.keys]
    pictures += [(f"{key}-q", b"\x89PNG cut", "cut") for key in source.keys]
    write_folder_source(source.annotations / "negative_images", pictures)
    rows = [
        (key, [{"caption": f"{n} {key}", **({"image": f"{key}-{n}"} if n != "-" else {})} for n in "p-q"])
        for key in list(source.keys)[1:]
    ]
    write_annotation(source, "negatives", rows, {})
    return with_negatives(source, with_images=True)


def test_negatives_come_when_asked_for(opposed):
    assert CaptionedImages(opposed, preprocess)[1, 0].negatives == ()
    assert CaptionedImages(opposed, preprocess, needs=BOTH)[0, 0].negatives == ()
    captions = ["p 0-lime", "- 0-lime", "q 0-lime"]
    item = CaptionedImages(opposed, preprocess, needs={"negative_captions", "concepts"})[1, 0]
    assert [(negative.caption, negative.images) for negative in item.negatives] == [(text, None) for text in captions]
    assert item.broken == ()


def test_a_broken_picture_of_a_negative_leaves_its_caption(opposed):
    item = CaptionedImages(opposed, preprocess, needs=BOTH)[1, 0]
    assert [negative.caption for negative in item.negatives] == ["p 0-lime", "- 0-lime", "q 0-lime"]
    assert [negative.images is None for negative in item.negatives] == [False, True, True]
    picture = item.negatives[0].images["pixel_values"]
    assert picture.tolist() == torch.tensor([0, 0, 255]).view(3, 1, 1).expand(3, 4, 4).tolist()
    assert item.broken == (BrokenNegative("0-lime, negative 3", "not a JPEG, PNG, WebP, GIF, BMP or TIFF picture"),)
    assert CaptionedImages(opposed, preprocess, needs=BOTH)[3, 0].key == "0-gone"


def test_a_part_of_the_negatives_is_drawn_anew_each_epoch(opposed):
    dataset = CaptionedImages(opposed, preprocess, seed=4, needs={"negative_captions"}, negatives_per_image=2)
    drawn = [tuple(negative.caption[0] for negative in dataset[1, epoch].negatives) for epoch in range(40)]
    assert set(drawn) == {("p", "-"), ("p", "q"), ("-", "q")}
    assert drawn == [tuple(negative.caption[0] for negative in dataset[1, epoch].negatives) for epoch in range(40)]


def test_some_are_drawn_uniformly_and_repeatably():
    draws = [draw_some(5, 2, f"key {key}", 1, epoch) for key in range(200) for epoch in range(10)]
    assert all(first < second for first, second in draws)
    counts = Counter(number for draw in draws for number in draw)
    assert all(abs(counts[number] - 2000 * 0.4) < 4 * (2000 * 0.4 * 0.6) ** 0.5 for number in range(5))
    assert draw_some(3, None, "k", 0, 0) == draw_some(3, 3, "k", 0, 0) == draw_some(3, 9, "k", 0, 0) == [0, 1, 2]
    assert draw_some(0, 2, "k", 0, 0) == []
    assert [draw_some(9, 2, f"{k}", 5, 1) for k in range(4)] == [[4, 7], [3, 8], [3, 8], [2, 6]]  # on any machine


def test_the_original_caption_stays_when_it_is_asked_for(source):
    dataset = CaptionedImages(source, preprocess, captions="original")
    assert {dataset[0, epoch].caption for epoch in range(20)} == {"red a"}


def test_workers_give_what_the_main_process_gives(opposed):
    for cache in (False, True):
        dataset = CaptionedImages(opposed, preprocess, cache_images=cache, seed=3, needs=BOTH, negatives_per_image=2)
        seen = {}
        for workers in (0, 2):
            loader = DataLoader(
                dataset,
                batch_size=3,
                sampler=dataset.order,
                num_workers=workers,
                collate_fn=keep,
                persistent_workers=workers > 0,
            )
            seen[workers] = []
            for epoch in range(2):
                dataset.set_epoch(epoch)
                seen[workers] += [comparable(item) for batch in loader for item in batch]
        assert seen[0] == seen[2]
        assert len(seen[0]) == 40


def test_cached_images_need_no_file(source):
    dataset = CaptionedImages(source, preprocess, cache_images=True)
    before = comparable(dataset[0, 0])
    (source.root / "red.png").unlink()
    assert comparable(dataset[0, 0]) == before
    assert isinstance(CaptionedImages(source, preprocess)[0, 0], BrokenSample)


def test_cached_pictures_of_negatives_need_no_file(opposed):
    dataset = CaptionedImages(opposed, preprocess, cache_images=True, needs=BOTH)
    before = comparable(dataset[1, 0])
    opposed.negative_image(1, 0).unlink()
    assert comparable(dataset[1, 0])[:5] == before[:5]


def test_captions_are_drawn_uniformly_and_repeatably():
    captions = ("a", "b", "c")
    draws = [
        draw_caption(captions, f"key {k}", seed, epoch) for k in range(100) for epoch in range(10) for seed in (1, 2)
    ]
    counts = Counter(draws)
    assert all(abs(counts[caption] - 2000 / 3) < 4 * (2000 * 2 / 9) ** 0.5 for caption in captions)
    assert draws[0::2] != draws[1::2]
    assert len({draw_caption(captions, "key", 1, epoch) for epoch in range(20)}) == 3
    assert (
        "".join(draw_caption(captions, f"{k}", 5, 1) for k in range(30)) == "bccacaaaacbbcbcbcabbaabbaccbbb"
    )  # on any machine


def test_the_order_is_a_permutation_by_seed_and_epoch():
    order = EpochShuffle(50, seed=1)
    order.set_epoch(2)
    first = list(order)
    assert sorted(first) == [(index, 2) for index in range(50)]
    assert first == list(order)
    again = EpochShuffle(50, seed=1)
    assert [i for i, _ in again] != [i for i, _ in first]
    again.set_epoch(2)
    assert list(again) == first
    other = EpochShuffle(50, seed=2)
    other.set_epoch(2)
    assert list(other) != first


def trained_keys(dataset, processes, resume_epoch=0, resume_batch=0, epochs=3):
    """The keys seen by each process, epoch by epoch, when driven as transformers' Trainer drives its loader."""
    seen = []
    for rank in range(processes):
        loader = prepare_data_loader(
            DataLoader(dataset, batch_size=3, sampler=dataset.order, collate_fn=keep, drop_last=True),
            num_processes=processes,
            process_index=rank,
            put_on_device=True,
            device=torch.device("cpu"),
        )
        for epoch in range(resume_epoch, epochs):
            current = loader
            if epoch == resume_epoch and resume_batch:
                current = skip_first_batches(loader, resume_batch)
            current.set_epoch(epoch)
            seen += [(rank, epoch, [comparable(item) for item in batch]) for batch in current]
    return seen


@pytest.mark.parametrize("processes", [1, 2])
def test_a_resumed_run_sees_what_the_whole_run_saw(source, processes):
    Accelerator(cpu=True)
    whole = trained_keys(CaptionedImages(source, preprocess, seed=7), processes)
    batches = len(whole) // (3 * processes)
    keys = {epoch: [item for _, e, batch in whole if e == epoch for item in batch] for epoch in range(3)}
    assert keys[0] != keys[1] != keys[2]
    assert len(keys[0]) == 18
    resumed = trained_keys(CaptionedImages(source, preprocess, seed=7), processes, resume_epoch=1, resume_batch=2)
    expected = []
    for rank in range(processes):
        mine = [entry for entry in whole if entry[0] == rank]
        expected += mine[batches + 2 :]
    assert resumed == expected
