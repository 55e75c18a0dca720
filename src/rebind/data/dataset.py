"""Samples made ready for a model: decoded, resized, one caption drawn; and the order they are seen in."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from rebind.data.broken import BrokenImageError
from rebind.data.images import decode_image
from rebind.data.source import Source
from rebind.types import BrokenSample

Preprocess = Callable[[list[Image.Image]], dict[str, Tensor]]


@dataclass(frozen=True)
class ReadySample:
    """One sample of one epoch, ready to be collated.

    Attributes:
        key: of the sample.
        images: inputs of the image tower without batch dimension; ``pixel_values`` is uint8 (3, H, W).
        caption: the caption drawn for this epoch.
        concepts: noun phrases; empty when the source has none joined.
    """

    key: str
    images: dict[str, Tensor]
    caption: str
    concepts: tuple[str, ...]


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
        cache_images: keep preprocessed images in memory once decoded, for small data (150 kB each at 224 px). Each
            DataLoader worker keeps its own, as long as it lives.
        seed: of the caption draws and of ``order``.

    Attributes:
        order: the sampler to train with. Trainer reaches it through :meth:`set_epoch` too: accelerate tells a resumed
            epoch to the dataset, not to the sampler, when several processes share the data.
    """

    def __init__(self, source: Source, preprocess: Preprocess, cache_images: bool = False, seed: int = 0) -> None:
        self.source, self.preprocess, self.seed = source, preprocess, seed
        self.order = EpochShuffle(len(source), seed)
        self._cache: dict[int, dict[str, Tensor]] | None = {} if cache_images else None

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
        caption = draw_caption(self.source.captions(index), key, self.seed, epoch)
        return ReadySample(key, images, caption, self.source.concepts(index))

    def _images(self, index: int) -> dict[str, Tensor]:
        if self._cache is not None and index in self._cache:
            return self._cache[index]
        picture = decode_image(self.source.image(index))
        images = {name: tensor[0] for name, tensor in self.preprocess([picture]).items()}
        if self._cache is not None:
            self._cache[index] = images
        return images


def draw_caption(captions: tuple[str, ...], key: str, seed: int, epoch: int) -> str:
    """Draw one of the captions, each with equal chance; the same arguments give the same caption on any machine."""
    if len(captions) == 1:
        return captions[0]
    digest = hashlib.blake2b(f"{seed}:{epoch}:{key}".encode(), digest_size=8).digest()
    return captions[int.from_bytes(digest, "little") % len(captions)]
