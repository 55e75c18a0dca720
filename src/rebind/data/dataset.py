"""Samples made ready for a model: decoded, resized, one caption drawn; and the order they are seen in."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from rebind.data.broken import BrokenImageError, BrokenNegative
from rebind.data.images import decode_image
from rebind.data.source import Source
from rebind.types import BrokenSample

Preprocess = Callable[[list[Image.Image]], dict[str, Tensor]]


@dataclass(frozen=True)
class ReadyNegative:
    """A hard negative, ready to be collated.

    Attributes:
        caption: the foil.
        images: inputs of the image tower for a picture of it; None when there is none, or none was asked for.
    """

    caption: str
    images: dict[str, Tensor] | None = None


@dataclass(frozen=True)
class ReadySample:
    """One sample of one epoch, ready to be collated.

    Attributes:
        key: of the sample.
        images: inputs of the image tower without batch dimension; ``pixel_values`` is uint8 (3, H, W).
        caption: the caption drawn for this epoch.
        concepts: noun phrases; empty when the source has none joined.
        negatives: hard negatives of this epoch; empty unless asked for.
        broken: pictures of hard negatives that could not be read.
    """

    key: str
    images: dict[str, Tensor]
    caption: str
    concepts: tuple[str, ...] = ()
    negatives: tuple[ReadyNegative, ...] = ()
    broken: tuple[BrokenNegative, ...] = ()


class EpochShuffle(Sampler[tuple[int, int]]):
    """Yields (index, epoch) for every index, in an order that depends on seed and epoch alone.

    The epoch travels with the index because DataLoader workers that outlive an epoch are never told of the next.

    Args:
        length: how many samples there are.
        seed: not negative.
    """

    def __init__(self, length: int, seed: int = 0) -> None:
        self.length, self.seed, self.epoch = length, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the next iteration."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[tuple[int, int]]:
        epoch = self.epoch
        order = np.random.default_rng([self.seed, epoch]).permutation(self.length)
        return ((index, epoch) for index in order.tolist())


class CaptionedImages(Dataset[ReadySample | BrokenSample]):
    """A source as a torch dataset, indexed by (index, epoch) pairs.

    Args:
        source: the samples.
        preprocess: turns a list of n RGB pictures into a dict of tensors with leading dimension n.
        cache_images: keep preprocessed pictures in memory once decoded, for small data (150 kB each at 224 px). Each
            DataLoader worker keeps its own, as long as it lives.
        seed: of what is drawn and of ``order``.
        needs: what the objective asks for; ``"negative_captions"`` and ``"negative_images"`` are known here.
        captions: "drawn" takes one of a sample's captions, anew each epoch (LaCLIP); "original" always the first.
        negatives_per_image: draw at most so many hard negatives of a sample, anew each epoch; all when None.

    Attributes:
        order: the sampler to train with; another may be put in its place. Trainer reaches it through :meth:`set_epoch`
            too: accelerate tells a resumed epoch to the dataset, not to the sampler, when several processes share the
            data.
    """

    def __init__(
        self,
        source: Source,
        preprocess: Preprocess,
        cache_images: bool = False,
        seed: int = 0,
        needs: Iterable[str] = frozenset(),
        captions: Literal["drawn", "original"] = "drawn",
        negatives_per_image: int | None = None,
    ) -> None:
        self.source, self.preprocess, self.seed = source, preprocess, seed
        self.needs, self.captions, self.negatives_per_image = frozenset(needs), captions, negatives_per_image
        self.order = EpochShuffle(len(source), seed)
        # By sample and negative; the sample's own picture has no number.
        self._cache: dict[tuple[int, int | None], dict[str, Tensor]] | None = {} if cache_images else None

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that ``order`` yields next."""
        self.order.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index_and_epoch: tuple[int, int]) -> ReadySample | BrokenSample:
        index, epoch = index_and_epoch
        key = self.source.keys[index]
        try:
            images = self._images(index)
        except BrokenImageError as error:
            return BrokenSample(key, str(error))
        assert images is not None
        captions = self.source.captions(index)
        caption = captions[0] if self.captions == "original" else draw_caption(captions, key, self.seed, epoch)
        negatives, broken = self._negatives(index, epoch)
        return ReadySample(key, images, caption, self.source.concepts(index), negatives, broken)

    def _negatives(self, index: int, epoch: int) -> tuple[tuple[ReadyNegative, ...], tuple[BrokenNegative, ...]]:
        """The hard negatives of this epoch, without the pictures that are broken, and those."""
        if not self.needs & {"negative_captions", "negative_images"}:
            return (), ()
        key = self.source.keys[index]
        negatives = self.source.negatives(index, with_images=False)
        ready, broken = [], []
        for number in draw_some(len(negatives), self.negatives_per_image, key, self.seed, epoch):
            images = None
            try:
                images = self._images(index, number) if "negative_images" in self.needs else None
            except BrokenImageError as error:
                broken.append(BrokenNegative(f"{key}, negative {number + 1}", str(error)))
            ready.append(ReadyNegative(negatives[number].caption, images))
        return tuple(ready), tuple(broken)

    def _images(self, index: int, negative: int | None = None) -> dict[str, Tensor] | None:
        """Inputs of the image tower for a sample, or for one of its negatives if that has a picture."""
        place = (index, negative)
        if self._cache is not None and place in self._cache:
            return self._cache[place]
        image = self.source.image(index) if negative is None else self.source.negative_image(index, negative)
        if image is None:
            return None
        images = {name: tensor[0] for name, tensor in self.preprocess([decode_image(image)]).items()}
        if self._cache is not None:
            self._cache[place] = images
        return images


def draw_caption(captions: tuple[str, ...], key: str, seed: int, epoch: int) -> str:
    """Draw one of the captions, each with equal chance; the same arguments give the same caption on any machine."""
    if len(captions) == 1:
        return captions[0]
    return captions[int.from_bytes(digest(f"{seed}:{epoch}:{key}"), "little") % len(captions)]


def draw_some(count: int, most: int | None, key: str, seed: int, epoch: int) -> list[int]:
    """Draw ``most`` of the numbers below ``count`` in ascending order, or all if None; alike on any machine."""
    numbers = range(count)
    if most is None or most >= count:
        return list(numbers)
    return sorted(sorted(numbers, key=lambda number: digest(f"{seed}:{epoch}:{key}:{number}"))[:most])


def digest(text: str) -> bytes:
    """Eight bytes that are the same in any process, unlike ``hash``."""
    return hashlib.blake2b(text.encode(), digest_size=8).digest()
