"""One process of a group: the loss of a fixed global batch and its gradients after DDP's averaging, for every case.

    python gradients_worker.py OUT.safetensors SIGLIP_FOLDER CLIP_FOLDER SHARES

SHARES says how the samples are dealt to the processes, e.g. ``3,4``; RANK, WORLD_SIZE, … are torchrun's.
"""

import os
import sys
from contextlib import nullcontext

import torch
import torch.distributed as dist
from safetensors.torch import save_file
from torch.nn.parallel import DistributedDataParallel

from rebind.distributed import leave_processes, sum_over_processes
from rebind.models import DualEncoder
from rebind.models.embedding import encoder_inputs
from rebind.objectives import build_objective, objective_names
from rebind.training.gradient_caching import GradientCache
from rebind.training.step import ContrastiveStep
from rebind.types import Batch

NOUNS = ["red circle", "blue star", "green heart", "red star", "blue circle", "old bridge", "dog", "big green dog"]
CONCEPTS = [[0], [1], [0], list(range(8)), [2, 3], [3, 3, 4], [5]]  # by sample; strings repeat
NEGATIVES = [[True, False], [], [True], [False], [], [True, True], []]  # by sample; whether each has a picture
SUM = {"c2lip": 1.0, "tripletclip": 0.5, "distillation": 0.3}
CASES = {
    **{name: (name, {}) for name in objective_names()},
    "negclip-sigmoid": ("negclip", {"form": "sigmoid"}),
    "tripletclip-sigmoid": ("tripletclip", {"form": "sigmoid"}),
    "c2lip-string": ("c2lip", {"attention_weight": 1.0, "attention_scale": 10.0, "positives": "string",
                               "normalise_by": "positives"}),
    "sum": (SUM, {"c2lip": {"attention_weight": 0.5}}),
}  # fmt: skip
CHUNKS = (1, 3)


def picture(number):
    return torch.randint(256, (3, 48, 48), generator=torch.Generator().manual_seed(number), dtype=torch.uint8)


def make_batch(encoder, rows, concept_length=None):
    """The batch of some samples, as a collator would make it."""
    if not rows:
        empty = torch.zeros(0, dtype=torch.int64)
        return Batch((), {}, {}, None, empty, empty, empty, None, empty, None, empty)
    strings = list(dict.fromkeys(number for row in rows for number in CONCEPTS[row]))
    negatives = [(place, row, n, shown) for place, row in enumerate(rows) for n, shown in enumerate(NEGATIVES[row])]
    pictures = [100 + 10 * row + n for _, row, n, shown in negatives if shown]
    concept_texts = encoder.texts if concept_length is None else encoder.texts.shortened(concept_length)
    return Batch(
        keys=tuple(map(str, rows)),
        images={"pixel_values": torch.stack([picture(row) for row in rows])},
        captions=encoder.texts([" and ".join(NOUNS[number] for number in CONCEPTS[row]) for row in rows]),
        concepts=concept_texts([NOUNS[number] for number in strings]),
        concept_identity=torch.tensor([7919 * number - 3 for number in strings]),
        concept_index=torch.tensor([strings.index(number) for row in rows for number in CONCEPTS[row]]),
        concept_owner=torch.tensor([place for place, row in enumerate(rows) for _ in CONCEPTS[row]]),
        negative_captions=encoder.texts([f"no {n} {NOUNS[row]}" for _, row, n, _ in negatives]) if negatives else None,
        negative_owner=torch.tensor([place for place, *_ in negatives], dtype=torch.int64),
        negative_images={"pixel_values": torch.stack([picture(number) for number in pictures])} if pictures else None,
        negative_image_caption=torch.tensor(
            [index for index, (*_, shown) in enumerate(negatives) if shown], dtype=torch.int64
        ),
    )


def loss_and_gradients(encoder, model, step, batch):
    """As training takes them."""
    encoder.zero_grad()
    inputs = encoder_inputs(encoder, batch, step.objective.needs)
    if step.chunks == 1:
        loss, terms = step.loss(batch, model(inputs.images, inputs.texts, inputs.with_tokens))
        loss.backward()
    else:
        cache = GradientCache(model, inputs.chunks(step.chunks))
        terms = step.cached_loss(batch, cache.outputs)
        cache.backward(lambda surrogate: surrogate.backward(), getattr(model, "no_sync", nullcontext))
    found = {name: value.grad.clone() for name, value in encoder.named_parameters()}
    return sum_over_processes(terms.total.detach()), found


def rows_of(rank, shares):
    first = sum(shares[:rank])
    return list(range(first, first + shares[rank]))


def main(out, folders, shares):
    torch.set_num_threads(1)
    rank = int(os.environ.get("RANK", "0"))
    if len(shares) > 1:
        dist.init_process_group("gloo")
    results = {}
    for folder in folders:
        encoder, reference = (DualEncoder.from_pretrained(folder) for _ in range(2))
        with torch.no_grad():  # a reference that differs from the model
            for number, value in enumerate(encoder.parameters()):
                draw = torch.Generator().manual_seed(number)
                value.add_(0.5 * value.std(unbiased=False) * torch.randn(value.shape, generator=draw))
        model = DistributedDataParallel(encoder) if len(shares) > 1 else encoder
        for case, (objective, settings) in CASES.items():
            for chunks in CHUNKS:
                step = ContrastiveStep(build_objective(objective, **settings), chunks, reference)
                batch = make_batch(encoder, rows_of(rank, shares))
                loss, gradients = loss_and_gradients(encoder, model, step, batch)
                place = f"{encoder.family}/{case}/{chunks}"
                results |= {f"{place}/loss": loss} | {f"{place}/{name}": value for name, value in gradients.items()}
    if rank == 0:
        save_file(results, out)
    del model
    leave_processes()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:4], [int(share) for share in sys.argv[4].split(",")])
