"""What one training step costs each process: bytes sent and FLOPs, as formulae; ``docs/scaling.md`` explains them.

``python -m benchmarks.scaling`` prints the tables of that page. Nothing here is measured: ``tests/test_scaling.py``
holds the formulae to what small runs send and compute.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rebind.objectives.attention_pooling import multiply_adds

FLOAT, INTEGER = 4, 8  # bytes of a float32 and of an int64
PASSES = 3  # the backward pass of a matrix product is two of its size


@dataclass(frozen=True)
class Load:
    """What one process brings to a step.

    Attributes:
        images: b, each with a caption.
        concepts: n, of all its images.
        strings: u, the distinct ones among them.
        negatives: m, hard-negative captions.
        pictures: p, those of them that have a picture.
        references: embeddings of the frozen starting model travel, too.
    """

    images: int
    concepts: int = 0
    strings: int = 0
    negatives: int = 0
    pictures: int = 0
    references: bool = False

    @property
    def rows(self) -> int:
        """Embeddings that go to all processes."""
        return 2 * self.images + self.strings + self.negatives + self.pictures

    @property
    def numbers(self) -> int:
        """Integers that go to all processes: which string, whose concept, whose negative, which picture."""
        return self.strings + 2 * self.concepts + self.negatives + self.pictures


def payloads(loads: Sequence[Load], width: int, parameters: int) -> dict[str, int]:
    """Bytes that each process hands to each collective of a step; the processes with fewer rows pad theirs.

    Args:
        loads: of all W processes.
        width: d of the joint space.
        parameters: of the model, all of them in float32.
    """
    return {
        "counts": 5 * INTEGER,
        "embeddings": FLOAT * width * max(load.rows for load in loads),
        "reference embeddings": FLOAT * width * max(2 * load.images * load.references for load in loads),
        "row numbers": INTEGER * max(load.numbers for load in loads),
        "gradients of embeddings": FLOAT * width * max(load.rows for load in loads),
        "gradients of parameters": FLOAT * parameters,
        "image tokens": 0,
    }


def bytes_per_step(loads: Sequence[Load], width: int, parameters: int) -> dict[str, float]:
    """Bytes that each process sends in a step of DDP, by ring algorithms, which send the least.

    All-gather and reduce-scatter pass W − 1 pieces on; an all-reduce is a reduce-scatter and an all-gather of W-ths.
    """
    processes = len(loads)
    sent = {name: (processes - 1.0) * size for name, size in payloads(loads, width, parameters).items()}
    sent["gradients of parameters"] *= 2 / processes
    return sent


@dataclass(frozen=True)
class Tower:
    """A transformer: layers of so many tokens of a width, with an MLP."""

    width: int
    mlp: int
    layers: int
    tokens: int

    def multiply_adds(self) -> int:
        """Of the layers' matrix products for one input, forward."""
        a_token = 4 * self.width**2 + 2 * self.width * self.mlp
        return self.layers * (self.tokens * a_token + 2 * self.tokens**2 * self.width)


@dataclass(frozen=True)
class Model:
    """A pair of towers.

    Attributes:
        image: with as many tokens as the tower has, a class token included.
        text: with as many tokens as texts are padded to.
        width: d of the joint space.
        patch: numbers in a patch, e.g. 3 · 16 · 16.
        pooling_head: SigLIP's attention pooling; CLIP reads its class token.
        parameters: of the whole model.
    """

    image: Tower
    text: Tower
    width: int
    patch: int
    pooling_head: bool
    parameters: int

    def image_flops(self) -> int:
        """Of one image, forward and backward; pixels need no gradient."""
        tower = self.image
        embedding = self.joint_tokens * tower.width * self.patch
        head = tower.width * self.width
        if self.pooling_head:  # keys and values of all tokens, a query, the output and an MLP of one, two products
            keys_and_values = 2 * tower.tokens * tower.width * (tower.width + 1)
            head = keys_and_values + 2 * tower.width**2 + 2 * tower.width * tower.mlp
        return 2 * (PASSES * (tower.multiply_adds() + head) + (PASSES - 1) * embedding)

    def text_flops(self, tokens: int | None = None) -> int:
        """Of one text of so many tokens, all of them if None, forward and backward."""
        tower = replace(self.text, tokens=self.text.tokens if tokens is None else tokens)
        return 2 * PASSES * (tower.multiply_adds() + tower.width * self.width)

    def token_flops(self) -> int:
        """Of bringing one image's tokens to the joint space: two projections and the head's MLP, or a projection."""
        tower = self.image
        a_token = 2 * tower.width**2 + 2 * tower.width * tower.mlp if self.pooling_head else tower.width * self.width
        return 2 * PASSES * self.joint_tokens * a_token

    @property
    def joint_tokens(self) -> int:
        """L: tokens that stand for a place."""
        return self.image.tokens if self.pooling_head else self.image.tokens - 1


SIGLIP_B16 = Model(Tower(768, 3072, 12, 196), Tower(768, 3072, 12, 64), 768, 3 * 16 * 16, True, 203_155_970)
CLIP_B32 = Model(Tower(768, 3072, 12, 50), Tower(512, 2048, 12, 77), 512, 3 * 32 * 32, False, 151_277_313)


def tower_flops(model: Model, load: Load, concept_length: int | None = None, image_tokens: bool = False) -> int:
    """Of one process in a step: both towers on its own samples; the same however many processes there are."""
    pictures = (load.images + load.pictures) * model.image_flops()
    tokens = load.images * model.token_flops() if image_tokens else 0
    captions = (load.images + load.negatives) * model.text_flops()
    return pictures + tokens + captions + load.strings * model.text_flops(concept_length)


def pairwise_flops(objective: str, model: Model, load: Load, whole: Load) -> dict[str, int]:
    """Of one process in a step: its own rows against the columns of the global batch, forward and backward.

    Args:
        objective: its name; the softmax form of ``negclip`` and ``tripletclip``, both terms of ``c2lip``.
        model: gives d and L.
        load: of this process.
        whole: the global batch; ``strings`` are the distinct ones of all processes.
    """

    def pairs(rows: int, columns: int) -> int:
        return 2 * PASSES * rows * columns * model.width

    contrast = pairs(load.images, whole.images)
    if objective == "siglip":
        return {"contrastive": contrast}
    if objective == "clip":
        return {"contrastive": 2 * contrast}
    if objective in ("negclip", "tripletclip"):
        parts = {"contrastive": 2 * contrast + pairs(load.images, whole.negatives)}
        if objective == "tripletclip":
            columns = whole.negatives + whole.images + whole.pictures
            parts["negative pair"] = pairs(load.pictures, columns)
        return parts
    counts = multiply_adds(model.joint_tokens, model.width, whole.strings)
    attention = 2 * load.images * min(counts.values())
    return {"contrastive": contrast, "concept": pairs(load.images, whole.strings), "attention": attention}


# A law for how often noun phrases are said: the r-th most frequent with a chance in proportion to (r + 14)^−1.17, out
# of 100,000. Fitted to phrases of COCO's captions, whose distinct share it meets within 0.03 from 20 to 20,000.
STRINGS, OFFSET, EXPONENT = 100_000, 14.0, 1.17


def phrase_chances() -> np.ndarray:
    """(100,000,) chance of each phrase."""
    chances = (np.arange(STRINGS) + 1 + OFFSET) ** -EXPONENT
    return chances / chances.sum()


def expected_strings(concepts: int) -> int:
    """How many different strings are to be expected among so many concepts."""
    return round(float(-np.expm1(concepts * np.log1p(-phrase_chances())).sum()))


@dataclass(frozen=True)
class Setting:
    """A published batch on some GPUs."""

    objective: str
    model: Model
    processes: int
    images: int
    repeated: bool = True

    def loads(self) -> tuple[Load, Load]:
        """Of one process and of the global batch."""
        total = self.images * self.processes
        if self.objective != "c2lip":  # every image has one negative, with a picture
            return tuple(Load(n, negatives=n, pictures=n) for n in (self.images, total))  # type: ignore[return-value]
        strings = expected_strings if self.repeated else int
        return tuple(Load(n, 4 * n, strings(4 * n)) for n in (self.images, total))  # type: ignore[return-value]


def settings() -> list[Setting]:
    """C2LIP with 96 images a GPU and 4 concepts an image; TripletCLIP with 1,024 images altogether."""
    counts = (8, 64, 1024)
    c2lip = [Setting("c2lip", SIGLIP_B16, count, 96, repeated) for repeated in (True, False) for count in counts]
    return c2lip + [Setting("tripletclip", CLIP_B32, count, 1024 // count) for count in counts]


def line(setting: Setting) -> list[str]:
    """One line of the table."""
    load, whole = setting.loads()
    model = setting.model
    sent = bytes_per_step([load] * setting.processes, model.width, model.parameters)
    towers = tower_flops(model, load, image_tokens=setting.objective == "c2lip")
    parts = pairwise_flops(setting.objective, model, load, whole)
    attention = parts.pop("attention", 0)
    gathered = FLOAT * model.width * load.rows * setting.processes
    megabytes = (sent["embeddings"], sent["gradients of embeddings"], sent["gradients of parameters"])
    return [
        setting.objective,
        f"{setting.processes:,}",
        f"{whole.images:,}",
        f"{whole.strings:,}" if whole.strings else "–",
        *(f"{size / 1e6:,.1f}" for size in megabytes),
        f"{(sent['counts'] + sent['row numbers']) / 1e6:,.2f}",
        f"{gathered / 1e6:,.0f}",
        f"{towers / 1e12:,.2f}",
        f"{sum(parts.values()) / 1e12:,.3f}",
        f"{attention / 1e12:,.2f}" if attention else "–",
    ]


def attention_meets_towers(images: int = 96, repeated: bool = False) -> int:
    """At how many GPUs the attention term's FLOPs of a C2LIP step become those of the towers."""
    processes = 1
    while True:
        load, whole = Setting("c2lip", SIGLIP_B16, processes, images, repeated).loads()
        attention = pairwise_flops("c2lip", SIGLIP_B16, load, whole)["attention"]
        if attention >= tower_flops(SIGLIP_B16, load, image_tokens=True) or processes >= 2**17:
            return processes
        processes += 1


HEADER = [
    "objective", "GPUs", "images", "strings U", "embeddings", "their gradients", "parameters' gradients",
    "numbers", "gathered rows held", "towers", "cosines", "attention",
]  # fmt: skip

if __name__ == "__main__":
    for cells in (HEADER, ["---"] * len(HEADER), *map(line, settings())):
        print("|", " | ".join(cells), "|")
    print("attention = towers at", attention_meets_towers(), "GPUs without repeated concepts")
