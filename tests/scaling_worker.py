"""One process of a group: what it hands to collectives in a training step, and what its sockets then really send.

    python scaling_worker.py FOLDER RANK PROCESSES

First all the processes train together, then all but the last, and so on down to two. Process r has its own number of
everything. Writes FOLDER/RANK.json.
"""

import json
import os
import socket
import struct
import sys
from collections import Counter
from contextlib import nullcontext
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
STEPS = 2
BYTES_SENT = 200  # where Linux' struct tcp_info has tcpi_bytes_sent, and behind it tcpi_bytes_retrans


def make_batch(encoder, rank):
    """Many concepts, half of which are one string, and negatives half of which have a picture."""
    images = 4 + rank
    concepts, negatives = 40 * images + rank, images // 2 + rank
    strings, pictures = concepts // 2, negatives // 2
    batch = Batch(
        keys=tuple(map(str, range(images))),
        images={"pixel_values": torch.randint(256, (images, 3, 48, 48), dtype=torch.uint8)},
        captions=encoder.texts([WORDS] * images),
        concepts=encoder.texts(["red star"] * strings),
        concept_identity=torch.arange(strings) + 100 * rank,
        concept_index=torch.arange(concepts).clamp(max=strings - 1),
        concept_owner=torch.arange(concepts) % images,
        negative_captions=encoder.texts(["blue star"] * negatives),
        negative_owner=torch.arange(negatives) // 2,
        negative_images={"pixel_values": torch.randint(256, (pictures, 3, 48, 48), dtype=torch.uint8)},
        negative_image_caption=torch.arange(pictures),
    )
    load = {"images": images, "concepts": concepts, "strings": strings, "negatives": negatives, "pictures": pictures}
    return batch, {**load, "references": True}


def count_collectives(counted):
    """From here on count the bytes handed to the collectives that Python calls."""

    def counting(name, call):
        def run(output, given, *rest, **options):
            tensors = given if isinstance(given, list) else [given]
            counted[f"{name} {tensors[0].dtype}"] += sum(each.numel() * each.element_size() for each in tensors)
            return call(output, given, *rest, **options)

        return run

    for name in ("all_gather", "reduce_scatter"):
        setattr(dist, name, counting(name, getattr(dist, name)))


def counting_hook(counted, bucket):
    """DDP's all-reduce, counted."""
    counted["all_reduce"] += bucket.buffer().numel() * bucket.buffer().element_size()
    return allreduce_hook(None, bucket)


def bytes_sent():
    """By all TCP connections of this process since they were opened, without repeats."""
    total = 0
    for number in map(int, os.listdir("/proc/self/fd")):
        try:
            connection = socket.socket(fileno=number)
        except OSError:  # a file
            continue
        if connection.family in (socket.AF_INET, socket.AF_INET6) and connection.type == socket.SOCK_STREAM:
            information = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
            sent, again = struct.unpack_from("QQ", information, BYTES_SENT)
            total += sent - again
        connection.detach()
    return total


def take_step(model, step, batch, inputs, exchanging):
    """Forward and backward; parameters' gradients are exchanged or not."""
    with nullcontext() if exchanging else model.no_sync():
        if step.chunks == 1:
            step.loss(batch, model(inputs.images, inputs.texts, inputs.with_tokens))[0].backward()
        else:
            cache = GradientCache(model, inputs.chunks(step.chunks))
            step.cached_loss(batch, cache.outputs)
            cache.backward(lambda surrogate: surrogate.backward(), model.no_sync)


def count(counted, rank):
    """Bytes a step, handed to collectives and sent: dense and cached, and without the parameters' gradients."""
    encoder, reference = (build_small_siglip([WORDS]) for _ in range(2))
    model = DistributedDataParallel(encoder)
    model.register_comm_hook(counted, counting_hook)
    batch, load = make_batch(encoder, rank)
    objective = build_objective({"c2lip": 1.0, "tripletclip": 1.0, "distillation": 1.0})
    inputs = encoder_inputs(encoder, batch, objective.needs)
    found = {"load": load, "width": encoder.width, "parameters": sum(each.numel() for each in encoder.parameters())}
    for name, chunks, exchanging in (("dense", 1, True), ("cached", 3, True), ("alone", 1, False)):
        step = ContrastiveStep(objective, chunks, reference)
        for number in range(2 + STEPS):
            if number == 2:  # connections are made, DDP has ordered its buckets
                dist.barrier()
                counted.clear()
                before = bytes_sent()
            take_step(model, step, batch, inputs, exchanging)
        dist.barrier()
        handed = {kind: size / STEPS for kind, size in counted.items()}
        found[name] = {"handed": handed, "sent": (bytes_sent() - before) / STEPS}
    return found


def main(folder, rank, processes):
    torch.set_num_threads(1)
    counted, found = Counter(), {}
    count_collectives(counted)
    for together in range(processes, max(rank, 1), -1):
        meet = f"file://{folder}/meet-{together}"
        dist.init_process_group("gloo", init_method=meet, rank=rank, world_size=together)
        found[together] = count(counted, rank)
        leave_processes()
    Path(folder, f"{rank}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
