"""One process of a group: what it hands to collectives in a training step, and what its sockets then really send.

    python scaling_worker.py OUT CHUNKS

RANK, WORLD_SIZE, … are torchrun's. Process r has r + 2 images and of everything else its own number. Writes OUT/r.json.
"""

import contextlib
import json
import os
import socket
import struct
import sys
from collections import Counter
from pathlib import Path

import torch
import torch.distributed as dist
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook
from torch.nn.parallel import DistributedDataParallel

from rebind.distributed import leave_processes
from rebind.models import build_small_siglip
from rebind.models.embedding import encoder_inputs
from rebind.objectives import build_objective
from rebind.training.gradient_caching import GradientCache
from rebind.training.step import ContrastiveStep
from rebind.types import Batch

WORDS = "a red green blue circle star heart above and left of"
STEPS = 4
BYTES_SENT = 200  # where Linux' struct tcp_info has tcpi_bytes_sent


def make_batch(encoder, rank):
    """Of ``rank + 2`` images: concepts, half of which repeat the first one; some negatives, the first with pictures."""
    images, concepts, negatives = rank + 2, 3 * (rank + 2) + rank, 2 * rank + 1
    strings = concepts - concepts // 2
    pictures = (negatives + 1) // 2
    owners = torch.arange(images)
    batch = Batch(
        keys=tuple(map(str, range(images))),
        images={"pixel_values": torch.randint(256, (images, 3, 48, 48), dtype=torch.uint8)},
        captions=encoder.texts([WORDS] * images),
        concepts=encoder.texts(["red star"] * strings),
        concept_identity=torch.arange(strings) + 100 * rank,
        concept_index=torch.arange(concepts).clamp(max=strings - 1),
        concept_owner=torch.arange(concepts) % images,
        negative_captions=encoder.texts(["blue star"] * negatives),
        negative_owner=owners.repeat(negatives)[:negatives].sort().values,
        negative_images={"pixel_values": torch.randint(256, (pictures, 3, 48, 48), dtype=torch.uint8)},
        negative_image_caption=torch.arange(pictures),
    )
    load = {"images": images, "concepts": concepts, "strings": strings, "negatives": negatives, "pictures": pictures}
    return batch, {**load, "references": True}


def count_collectives(counted):
    """Count the bytes of what is handed to every collective that Python calls."""

    def counting(name):
        call = getattr(dist, name)

        def run(output, given, *rest, **options):
            tensors = given if isinstance(given, list) else [given]
            counted[f"{name} {tensors[0].dtype}"] += sum(each.numel() * each.element_size() for each in tensors)
            return call(output, given, *rest, **options)

        setattr(dist, name, run)

    counting("all_gather")
    counting("reduce_scatter")

    def hook(group, bucket):
        counted["all_reduce"] += bucket.buffer().numel() * bucket.buffer().element_size()
        return allreduce_hook(group, bucket)

    return hook


def bytes_sent():
    """By all TCP connections of this process since they were opened."""
    total = 0
    for file in Path("/proc/self/fd").iterdir():
        try:
            with socket.socket(fileno=os.dup(int(file.name))) as each:
                information = each.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        except OSError:  # a file, or a socket of another kind
            continue
        total += struct.unpack_from("Q", information, BYTES_SENT)[0]
    return total


def main(out, chunks):
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    rank, counted = dist.get_rank(), Counter()
    encoder, reference = (build_small_siglip([WORDS]) for _ in range(2))
    model = DistributedDataParallel(encoder)
    model.register_comm_hook(None, count_collectives(counted))
    batch, load = make_batch(encoder, rank)
    objective = build_objective({"c2lip": 1.0, "tripletclip": 1.0, "distillation": 1.0})
    step = ContrastiveStep(objective, chunks, reference)
    inputs = encoder_inputs(encoder, batch, objective.needs)

    def take_step():
        model.zero_grad()
        if chunks == 1:
            step.loss(batch, model(inputs.images, inputs.texts, inputs.with_tokens))[0].backward()
        else:
            cache = GradientCache(model, inputs.chunks(chunks))
            step.loss(batch, cache.outputs)[0].backward()
            cache.backward(lambda surrogate: surrogate.backward(), model.no_sync)

    for number in range(2 + STEPS):
        if number == 2:  # connections are made, DDP has ordered its buckets
            dist.barrier()
            counted.clear()
            before = bytes_sent()
        take_step()
    dist.barrier()
    found = {"load": load, "width": encoder.width, "parameters": sum(each.numel() for each in encoder.parameters())}
    found |= {"counted": {name: size / STEPS for name, size in counted.items()}}
    found |= {"sent": (bytes_sent() - before) / STEPS}
    (out / f"{rank}.json").write_text(json.dumps(found))
    with contextlib.suppress(NameError):
        del model, step
    leave_processes()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
