"""Large batches on little memory: gradient caching (Gao et al., arXiv 2101.06983), for every objective.

The batch is encoded in chunks without a graph; one loss is taken on all embeddings and differentiated with respect to
them; then every chunk is encoded again, with a graph, and receives its rows of that gradient. Both passes draw the same
random numbers, so dropout drops the same. The price is a second forward pass; what stays is one float for each element
of the embeddings and image tokens, and one for its gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import get_device_states, set_device_states

from rebind.models.embedding import EncoderInputs

SCALARS = ("logit_scale", "logit_bias")
Outputs = dict[str, Tensor]


class RandomState:
    """The random state of processor and accelerators at the moment of making."""

    def __init__(self) -> None:
        self.processor = torch.get_rng_state()
        self.devices: tuple[list[int], list[Tensor]] = ([], [])
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            device = torch.cuda.current_device()
            self.devices = get_device_states(torch.empty(0, device=f"cuda:{device}"))

    def restore(self) -> None:
        """Go back to it."""
        torch.set_rng_state(self.processor)
        set_device_states(*self.devices)


class GradientCache:
    """Encodes in chunks now, and once more when the gradients of the embeddings are known.

    Args:
        model: a :class:`~rebind.models.DualEncoder`, bare or wrapped.
        chunks: what it is given, in parts; several processes must have the same number of them.

    Attributes:
        outputs: what the model would have returned for all at once, as leaves that gather gradients.
    """

    def __init__(self, model: Any, chunks: Sequence[EncoderInputs]) -> None:
        self.model, self.chunks = model, chunks
        self._states: list[RandomState] = []
        parts = []
        with torch.no_grad():
            for chunk in chunks:
                self._states.append(RandomState())
                parts.append(self._encode(chunk))
        self._rows = [{name: len(part[name]) for name in part if name not in SCALARS} for part in parts]
        self.outputs: Outputs = {}
        for name in list(parts[0]):  # freed as they are joined: image tokens are large
            pieces = [part.pop(name) for part in parts]
            joined = pieces[0].detach().clone() if name in SCALARS else torch.cat(pieces)
            self.outputs[name] = joined.requires_grad_(joined.is_floating_point())

    def backward(
        self, backward: Callable[[Tensor], None], without_reduction: Callable[[], AbstractContextManager[Any]]
    ) -> None:
        """Carry the gradients of ``outputs`` on to the model's parameters.

        Args:
            backward: runs the backward pass of a scalar; a scaler for half precision may enter here.
            without_reduction: context in which gradients are accumulated without being exchanged between processes;
                all chunks but the last run in it.
        """
        after = RandomState()
        starts = dict.fromkeys(self._rows[0], 0)
        for number, (chunk, rows) in enumerate(zip(self.chunks, self._rows, strict=True)):
            ends = {name: starts[name] + count for name, count in rows.items()}
            slices = {name: slice(starts[name], ends[name]) for name in rows}
            self._states[number].restore()
            if number + 1 < len(self.chunks):
                with without_reduction():
                    backward(self._surrogate(self._encode(chunk), slices, with_scalars=False))
            else:
                backward(self._surrogate(self._encode(chunk), slices, with_scalars=True))
            starts = ends
        after.restore()

    def _encode(self, chunk: EncoderInputs) -> Outputs:
        return dict(self.model(chunk.images, chunk.texts, chunk.with_tokens))

    def _surrogate(self, again: Outputs, slices: dict[str, slice], with_scalars: bool) -> Tensor:
        """A scalar whose gradient is that of the loss: every embedding times its cached gradient."""
        total = 0.0 * (again["logit_scale"] + again["logit_bias"])
        for name, value in again.items():
            gradient = self.outputs[name].grad
            if gradient is None:
                gradient = torch.zeros_like(self.outputs[name])
            if not value.is_floating_point():
                continue
            if name not in SCALARS:
                total = total + (value * gradient[slices[name]]).sum()
            elif with_scalars:
                total = total + value * gradient
        return total
