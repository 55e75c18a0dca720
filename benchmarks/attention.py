"""C2LIP's attention term against the plain loops and against bare matrix products; its peak memory.

``python -m benchmarks.attention`` prints the rows. All ratios are of one run: what is compared is timed in turns. The
loops are the equations as written; the bare products are those of the Gram form, of the same shapes and FLOP count,
whole batch at once, into memory that is there already.
"""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from rebind.objectives.attention_pooling import Kernel, concept_attention_logits, multiply_adds

Rows = list[dict[str, Any]]
STATUS = Path("/proc/self/status")
BEYOND = {"beyond": "inputs, their gradients, cosines and their gradient", "pass": "forward + backward"}


@dataclass(frozen=True)
class Sizes:
    """B images of L tokens, N concepts, width d."""

    images: int
    concepts: int
    tokens: int = 196
    width: int = 768

    def flop(self) -> int:
        """Of the matrix products of the Gram form, forward and backward."""
        return 2 * self.images * multiply_adds(self.tokens, self.width, self.concepts)["gram"]

    def inputs(self, device: str, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
        """Image tokens and concepts, which ask for gradients, and a gradient of the cosines."""
        torch.manual_seed(0)
        tokens = torch.randn(self.images, self.tokens, self.width, device=device, dtype=dtype)
        concepts = torch.randn(self.concepts, self.width, device=device, dtype=dtype)
        for each in (tokens, concepts):
            each.div_(each.norm(dim=-1, keepdim=True)).requires_grad_()  # in place: the peak is to be that of the term
        return tokens, concepts, torch.randn(self.images, self.concepts, device=device)


ON_CPU = Sizes(images=64, concepts=256)
ON_CPU_LARGE = Sizes(images=512, concepts=2048)
ON_CUDA = Sizes(images=768, concepts=3072)


def concept_loop(tokens: Tensor, concepts: Tensor, scale: float = 1.0) -> Tensor:
    """(B, N) cosines: Python loops over the concepts; the sum over tokens is written as the equation has it."""
    return _over_concepts(tokens, concepts, scale, lambda attention: (attention[..., None] * tokens).sum(dim=1))


def concept_product_loop(tokens: Tensor, concepts: Tensor, scale: float = 1.0) -> Tensor:
    """(B, N) cosines: the same loop, in which the sum over tokens is a vector-matrix product; a harder rival."""
    return _over_concepts(tokens, concepts, scale, lambda attention: torch.bmm(attention[:, None], tokens)[:, 0])


def _over_concepts(tokens: Tensor, concepts: Tensor, scale: float, pool: Callable[[Tensor], Tensor]) -> Tensor:
    columns = []
    for concept in concepts.unbind():
        attention = torch.softmax(scale * (tokens @ concept), dim=1)  # (B, L)
        columns.append(normalize(pool(attention), dim=-1) @ concept)
    return torch.stack(columns, dim=1)


def pair_loop(tokens: Tensor, concepts: Tensor, scale: float = 1.0) -> Tensor:
    """(B, N) cosines: Python loops over images and concepts."""
    phrases = concepts.unbind()
    rows = []
    for image in tokens.unbind():
        attention = [torch.softmax(scale * (image @ concept), dim=0) for concept in phrases]
        pooled = [normalize(weights @ image, dim=-1) for weights in attention]
        rows.append(torch.stack([vector @ concept for vector, concept in zip(pooled, phrases, strict=True)]))
    return torch.stack(rows)


LOOPS = {
    "loop over concepts": concept_loop,
    "loop over concepts with matrix products": concept_product_loop,
    "loop over images and concepts": pair_loop,
}


def bare_products(sizes: Sizes, tokens: Tensor, concepts: Tensor) -> Callable[[], None]:
    """The matrix products of the Gram form, forward and backward, and nothing else."""
    tokens, concepts = tokens.detach(), concepts.detach()
    by_token = (sizes.images, sizes.concepts, sizes.tokens)
    scores, reach = tokens.new_zeros(by_token), tokens.new_zeros(by_token)
    gram = tokens.new_zeros(sizes.images, sizes.tokens, sizes.tokens)
    of_tokens, of_concepts = torch.zeros_like(tokens), torch.zeros_like(concepts)
    phrases = concepts.expand(sizes.images, *concepts.shape)
    flat_scores, flat_tokens = scores.view(sizes.concepts, -1), tokens.flatten(0, 1)

    def run() -> None:
        for _ in range(2):  # forward, and again in the backward pass
            torch.bmm(phrases, tokens.transpose(1, 2), out=scores)
            torch.bmm(tokens, tokens.transpose(1, 2), out=gram)
            torch.bmm(scores, gram, out=reach)
        torch.bmm(reach.transpose(1, 2), scores, out=gram)
        torch.bmm(reach.transpose(1, 2), phrases, out=of_tokens)
        torch.baddbmm(of_tokens, gram, tokens, out=of_tokens)
        torch.mm(flat_scores, flat_tokens, out=of_concepts)

    return run


def step(cosines: Callable[..., Tensor], tokens: Tensor, concepts: Tensor, gradient: Tensor) -> Callable[[], Tensor]:
    """Forward and backward, with the gradients of tokens and concepts."""

    def run() -> Tensor:
        tokens.grad = concepts.grad = None
        found = cosines(tokens, concepts)
        found.backward(gradient.to(found.dtype))
        return found.detach()

    return run


def seconds(run: Callable[[], Any], device: str) -> float:
    """Of one run, until its work on the device is done."""
    if device == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    run()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def in_turns(runs: dict[str, Callable[[], Any]], device: str, rounds: int = 9) -> dict[str, float]:
    """Median seconds of each, after two rounds that are not counted."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds + 2):
        for name, run in runs.items():
            spent = seconds(run, device)
            if number >= 2:
                taken[name].append(spent)
    return {name: statistics.median(each) for name, each in taken.items()}


def timed(
    sizes: Sizes, device: str, dtype: torch.dtype, kernels: tuple[Kernel, ...], sampled: int, rounds: int
) -> Rows:
    """Time and rate of the term, its share of the bare products' speed, and its ratios to the loops.

    The loops are linear in the concepts: they are run on ``sampled`` of them and their time is taken in proportion.
    """
    tokens, concepts, gradient = sizes.inputs(device, dtype)
    few = concepts[:sampled].detach().clone().requires_grad_()
    runs: dict[str, Callable[[], Any]] = {"bare": bare_products(sizes, tokens, concepts)}
    for kernel in kernels:
        runs[kernel] = step(partial(concept_attention_logits, kernel=kernel), tokens, concepts, gradient)
    for name, loop in LOOPS.items():
        runs[name] = step(loop, tokens, few, gradient[:, :sampled])
        tolerance = 1e-5 if dtype == torch.float32 else 2e-2
        torch.testing.assert_close(runs[kernels[0]]()[:, :sampled], runs[name]().float(), rtol=0, atol=tolerance)
    median = in_turns(runs, device, rounds)
    where = torch.cuda.get_device_name() if device == "cuda" else "cpu"
    about = asdict(sizes) | {"pass": "forward + backward", "dtype": str(dtype).removeprefix("torch.")}
    about |= {"threads": torch.get_num_threads()} if device == "cpu" else {}
    rows = [row("bare matrix products, rate", where, sizes.flop() / median["bare"] / 1e9, "GFLOP/s", about)]
    for kernel in kernels:
        taken, term = median[kernel], f"attention term, {kernel}"
        rows.append(row(term, where, 1e3 * taken, "ms", about))
        rows.append(row(f"{term}, rate", where, sizes.flop() / taken / 1e9, "GFLOP/s", about))
        rows.append(row(f"{term}, share of bare products' speed", where, median["bare"] / taken, "×", about))
        for name in LOOPS:
            ratio, how = median[name] * sizes.concepts / sampled / taken, about | {"loop_concepts": sampled}
            rows.append(row(f"{name} / {term}", where, ratio, "×", how))
    return rows


def peak_on_cpu(sizes: Sizes) -> Rows:
    """Resident memory that the term adds at its peak, measured in a process of its own; Linux only."""
    if not STATUS.exists():
        return []
    with multiprocessing.get_context("spawn").Pool(1) as alone:
        extra = alone.apply(_extra_resident, (sizes, torch.get_num_threads()))
    return [row("attention term, torch, extra peak memory", "cpu", extra / 1e9, "GB", asdict(sizes) | BEYOND)]


def _extra_resident(sizes: Sizes, threads: int) -> int:
    def resident(name: str) -> int:
        return next(int(line.split()[1]) for line in STATUS.read_text().splitlines() if line.startswith(name)) * 1024

    torch.set_num_threads(threads)
    tokens, concepts, gradient = sizes.inputs("cpu")
    before = resident("VmRSS")
    STATUS.with_name("clear_refs").write_text("5")  # the peak starts anew
    step(concept_attention_logits, tokens, concepts, gradient)()
    return resident("VmHWM") - before - 4 * (tokens.numel() + concepts.numel() + gradient.numel())


def peak_on_cuda(sizes: Sizes, kernels: tuple[Kernel, ...]) -> Rows:
    """Memory that each kernel adds at its peak, by CUDA's allocator; bfloat16 inputs."""
    tokens, concepts, gradient = sizes.inputs("cuda", torch.bfloat16)
    rows = []
    for kernel in kernels:
        tokens.grad = concepts.grad = None
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        step(partial(concept_attention_logits, kernel=kernel), tokens, concepts, gradient)()
        results = 2 * (tokens.numel() + concepts.numel()) + 4 * gradient.numel()
        extra, where = torch.cuda.max_memory_allocated() - before - results, torch.cuda.get_device_name()
        name = f"attention term, {kernel}, extra peak memory"
        rows.append(row(name, where, extra / 1e9, "GB", asdict(sizes) | BEYOND))
    return rows


def row(name: str, device: str, value: float, unit: str, settings: dict[str, Any]) -> dict[str, Any]:
    """One line of the table."""
    return {"name": name, "device": device, "value": value, "unit": unit, "settings": settings}


def measure(threads: int | None = None) -> Rows:
    """All rows: on the CPU, with so many threads (torch's own choice unless given), and on CUDA where there is one."""
    if threads is not None:
        torch.set_num_threads(threads)
    rows = timed(ON_CPU, "cpu", torch.float32, ("torch",), sampled=16, rounds=9) + peak_on_cpu(ON_CPU_LARGE)
    if torch.cuda.is_available():
        kernels: tuple[Kernel, ...] = ("torch", "triton")
        rows += timed(ON_CUDA, "cuda", torch.bfloat16, kernels, sampled=16, rounds=9) + peak_on_cuda(ON_CUDA, kernels)
    return rows


if __name__ == "__main__":
    for each in measure():
        print(f"{each['value']:10.3g} {each['unit']:8} {each['name']}   {each['device']} {each['settings']}")
