"""Every collective of the package: from one process's embeddings to those of the global batch, with gradient.

Two gathers carry everything: one of all embedding rows, stacked into one matrix, and one of all row numbers. Counts may
differ from process to process. Image tokens stay where they are.
"""

from __future__ import annotations

import gc
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from rebind.types import Embeddings

EMBEDDINGS = ("image", "text", "concepts", "negative_text", "negative_image")
REFERENCES = ("reference_image", "reference_text")


def process_count() -> int:
    """How many processes train together; 1 without torchrun."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def leave_processes() -> None:
    """End the work with the other processes, before this one ends; call it when nothing holds the wrapped model.

    A gloo group that is destroyed along with the last DDP module, or at the very end, sometimes never returns: its
    threads then wait for the interpreter, and the interpreter for them.
    """
    if process_count() > 1:
        gc.collect()
        dist.barrier()
        dist.destroy_process_group()


def gather_embeddings(local: Embeddings) -> Embeddings:
    """The embeddings of the global batch: those of all processes, in the order of their ranks.

    A concept string that several processes hold is kept once; equal strings have equal embeddings, so neither the loss
    nor the gradient of the parameters changes.

    Args:
        local: of this process alone; any number of rows, also none.

    Returns:
        Embeddings whose ``own`` are this process's rows. Gradients flow back to the processes that the rows came from,
        summed over all processes' losses. On one process, ``local`` itself.
    """
    if process_count() == 1:
        return local
    sizes = _gather_sizes(local)
    rows = _gather_fields(local, EMBEDDINGS, sizes)
    references = _gather_fields(local, REFERENCES, sizes)
    numbers = _gather_numbers(local, sizes)
    rank = dist.get_rank()
    first = sum(sizes.images[:rank])
    return Embeddings(
        logit_scale=local.logit_scale,
        logit_bias=local.logit_bias,
        own=slice(first, first + sizes.images[rank]),
        image_tokens=local.image_tokens,
        image_token_mask=local.image_token_mask,
        reference_logit_scale=local.reference_logit_scale,
        **references,
        **_merge_equal_strings({**rows, **numbers}),
    )


@dataclass(frozen=True)
class _Sizes:
    """How many rows each process has: a list of W numbers for each kind."""

    images: list[int]
    strings: list[int]
    concepts: list[int]
    negatives: list[int]
    negative_images: list[int]

    def of(self, field: str) -> list[int]:
        """Of a field of Embeddings."""
        kinds = {
            "concepts": self.strings,
            "concept_identity": self.strings,
            "concept_index": self.concepts,
            "concept_owner": self.concepts,
            "negative_text": self.negatives,
            "negative_owner": self.negatives,
            "negative_image": self.negative_images,
            "negative_image_text": self.negative_images,
        }
        return kinds.get(field, self.images)


def _gather_sizes(local: Embeddings) -> _Sizes:
    fields = (local.image, local.concepts, local.concept_index, local.negative_text, local.negative_image)
    counts = torch.tensor([0 if rows is None else len(rows) for rows in fields], device=local.image.device)
    everyone = [torch.empty_like(counts) for _ in range(process_count())]
    dist.all_gather(everyone, counts)
    return _Sizes(*torch.stack(everyone, dim=1).tolist())


def _gather_fields(local: Embeddings, names: tuple[str, ...], sizes: _Sizes) -> dict[str, Tensor]:
    """Gather matrices of one width as one matrix, and take it apart again."""
    parts = {name: rows for name in names if (rows := getattr(local, name)) is not None}
    if not parts:
        return {}
    pieces = gather_rows(torch.cat(list(parts.values())), _totals(sizes, list(parts)))
    return _take_apart(pieces, list(parts), sizes)


def _gather_numbers(local: Embeddings, sizes: _Sizes) -> dict[str, Tensor]:
    """Gather row numbers; those that point to rows of another field are moved to where these rows are now."""
    points_to = {
        "concept_identity": None,
        "concept_index": sizes.strings,
        "concept_owner": sizes.images,
        "negative_owner": sizes.images,
        "negative_image_text": sizes.negatives,
    }
    rank = dist.get_rank()
    parts = {
        name: numbers + (sum(target[:rank]) if target is not None else 0)
        for name, target in points_to.items()
        if (numbers := getattr(local, name)) is not None
    }
    if not parts:
        return {}
    pieces = gather_rows(torch.cat(list(parts.values()))[:, None], _totals(sizes, list(parts)))
    return {name: numbers[:, 0] for name, numbers in _take_apart(pieces, list(parts), sizes).items()}


def _totals(sizes: _Sizes, names: list[str]) -> list[int]:
    return [sum(counts) for counts in zip(*(sizes.of(name) for name in names), strict=True)]


def _take_apart(pieces: list[Tensor], names: list[str], sizes: _Sizes) -> dict[str, Tensor]:
    split = [piece.split([sizes.of(name)[rank] for name in names]) for rank, piece in enumerate(pieces)]
    return {name: torch.cat(parts) for name, parts in zip(names, zip(*split, strict=True), strict=True)}


def _merge_equal_strings(fields: dict[str, Tensor]) -> dict[str, Tensor]:
    """Keep the first row of every distinct concept string."""
    if "concepts" not in fields:
        return fields
    identity = fields["concept_identity"]
    distinct, inverse = identity.unique(return_inverse=True)
    first = torch.full_like(distinct, len(identity))
    first.scatter_reduce_(0, inverse, torch.arange(len(identity), device=identity.device), "amin")
    merged = {
        "concepts": fields["concepts"][first],
        "concept_identity": distinct,
        "concept_index": inverse[fields["concept_index"]],
    }
    return {**fields, **merged}


def gather_rows(rows: Tensor, counts: list[int]) -> list[Tensor]:
    """The rows of every process, with gradient.

    Args:
        rows: (R, d), R its own in each process.
        counts: R of each process.

    Returns:
        W tensors (R, d). In backward each process receives the sum of what all processes' losses say of its rows.
    """
    longest = max(counts)
    padded = rows.new_zeros(longest, *rows.shape[1:])
    padded = torch.cat([rows, padded[len(rows) :]])
    gathered = _Gather.apply(padded) if rows.requires_grad and torch.is_grad_enabled() else _all_gather(padded)
    return [piece[:count] for piece, count in zip(gathered.chunk(process_count()), counts, strict=True)]


class _Gather(torch.autograd.Function):
    """All-gather forward; the gradient is its transpose, reduce-scatter."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        return _all_gather(rows)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        own = torch.empty_like(gradient.chunk(process_count())[0])
        dist.reduce_scatter(own, list(gradient.contiguous().chunk(process_count())))
        return own


def _all_gather(rows: Tensor) -> Tensor:
    everyone = rows.new_empty(process_count() * len(rows), *rows.shape[1:])
    dist.all_gather(list(everyone.chunk(process_count())), rows.contiguous())
    return everyone


def sum_over_processes(values: Tensor) -> Tensor:
    """The sum of a tensor over all processes, without gradient; the tensor itself on one."""
    if process_count() == 1:
        return values
    total = values.detach().clone()
    dist.all_reduce(total)
    return total


def gather_objects(value: Any) -> list[Any]:
    """What every process holds, in the order of their ranks."""
    if process_count() == 1:
        return [value]
    everyone = [None] * process_count()
    dist.all_gather_object(everyone, value)
    return everyone
