"""transformers' Trainer, told how to take one contrastive step."""

from __future__ import annotations

import errno
import json
import math
import os
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Trainer, TrainerCallback, TrainingArguments

from rebind.data.broken import BrokenTally
from rebind.data.collation import Collator
from rebind.data.dataset import CaptionedImages
from rebind.models import DualEncoder, embed_batch
from rebind.objectives import ObjectiveFunction
from rebind.storage import disk_errors, write_json
from rebind.training.checkpoints import last_checkpoint
from rebind.training.metrics_file import MetricsFile
from rebind.types import Batch, LossTerms, UserError

_TALLY = "broken_tally.json"


class ContrastiveStep(nn.Module):
    """Encoder and objective as one module: a batch in, the loss and its parts out."""

    def __init__(self, encoder: DualEncoder, objective: ObjectiveFunction) -> None:
        super().__init__()
        self.encoder, self.objective = encoder, objective

    def forward(self, batch: Batch) -> LossTerms:
        """The loss of one batch of at least one sample."""
        return self.objective(embed_batch(self.encoder, batch, self.objective.needs))


class ContrastiveTrainer(Trainer):
    """Trains a :class:`DualEncoder` with an objective.

    Args:
        encoder: the model; checkpoints are whole model folders that plain transformers loads.
        objective: the loss.
        data: the samples and their order.
        collate: makes batches of them.
        tally: counts broken samples.
        metrics: where loss parts and rates go.
        settings: of transformers' Trainer.
    """

    def __init__(
        self,
        encoder: DualEncoder,
        objective: ObjectiveFunction,
        data: CaptionedImages,
        collate: Collator,
        tally: BrokenTally,
        metrics: MetricsFile,
        settings: TrainingArguments,
    ) -> None:
        step = ContrastiveStep(encoder, objective)
        super().__init__(model=step, train_dataset=data, data_collator=_InDict(collate), args=settings)
        self.encoder, self.data, self.tally, self.metrics = encoder, data, tally, metrics
        self.checkpoints = Path(str(settings.output_dir))
        self.add_callback(_LastStepLog())
        self._sums: dict[str, Tensor] = defaultdict(lambda: torch.zeros((), device=self.args.device))
        self._since_log, self._images_since_log = time.perf_counter(), 0
        self._keys: tuple[str, ...] = ()

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        return self.data.order

    def get_decay_parameter_names(self, model: nn.Module) -> list[str]:
        """Matrices decay; vectors and scalars (norms, biases, SigLIP's probe, logit scale and bias) do not."""
        return [name for name, value in model.named_parameters() if value.numel() > max(value.shape, default=1)]

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The loss of one batch; its parts are kept for the log.

        Raises:
            UserError: when the loss is not finite, or too many samples are broken.
        """
        batch: Batch = inputs["batch"]
        self.tally.add(batch)
        self.tally.check()
        if not batch.keys:  # every image of the batch is broken: nothing to learn from
            return 0.0 * self.encoder.logit_scale
        self._keys = batch.keys
        self._images_since_log += len(batch.keys)
        terms = model(batch)
        if not torch.isfinite(terms.total):
            raise self._not_finite(f"the loss is {terms.total.item()}", self.state.global_step + 1)
        for name, part in {"loss": terms.total, **terms.parts}.items():
            self._sums[name] += part.detach() / self.current_gradient_accumulation_steps
        return terms.total

    def _not_finite(self, what: str, step: int) -> UserError:
        good = last_checkpoint(self.checkpoints)
        named = ", ".join(self._keys[:4]) + (f" and {len(self._keys) - 4} more" if len(self._keys) > 4 else "")
        file = self.checkpoints.parent / "not_finite.json"
        write_json(file, {"step": step, "keys": self._keys, "last_good_checkpoint": good and str(good)})
        return UserError(
            f"{what} at step {step} (samples {named}; all are in {file}); lower the learning rate or set precision to "
            f"fp32; the last good checkpoint is {good or 'none, as the run had not saved one yet'}"
        )

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Write the means since the last log to ``metrics.jsonl`` and pass them on to Trainer's callbacks."""
        if "loss" not in logs:  # Trainer's closing summary, which the run's own summary replaces
            return
        steps = self.state.global_step - self.metrics.last["step"]
        seconds = time.perf_counter() - self._since_log
        row = {name: (total / steps).item() for name, total in self._sums.items()}
        row |= {
            "gradient_norm": float(logs.get("grad_norm", math.nan)),
            "learning_rate": logs["learning_rate"],
            "logit_scale": self.encoder.logit_scale.item(),
            "logit_bias": self.encoder.logit_bias.item(),
            "images_per_second": self._images_since_log / seconds,
            "seconds": self.metrics.last["seconds"] + seconds,
        }
        self._sums.clear()
        self._since_log, self._images_since_log = time.perf_counter(), 0
        self.metrics.append({"step": self.state.global_step, **row})
        super().log(row, start_time)

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        if not all(torch.isfinite(parameter).all() for parameter in self.encoder.parameters()):
            raise self._not_finite("the weights are not finite after the update", self.state.global_step)
        with disk_errors(self.checkpoints):
            try:
                super()._save_checkpoint(model, trial)
            except RuntimeError as error:
                if "inline_container" in str(error):  # so torch.save complains that a file came out too short
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
                raise

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        folder = Path(output_dir or self.checkpoints)
        self.encoder.save(folder)
        write_json(folder / _TALLY, self.tally.state_dict())

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        self.restore(Path(resume_from_checkpoint))

    def restore(self, checkpoint: Path) -> None:
        """Take weights and counts of broken samples from a checkpoint."""
        self.encoder.model.load_state_dict(DualEncoder.from_pretrained(checkpoint).model.state_dict())
        self.tally.load_state_dict(json.loads((checkpoint / _TALLY).read_text(encoding="utf-8")))


class LogitScaleClamp(TrainerCallback):
    """Keeps τ between 1 and ``largest`` after every step, as CLIP does."""

    def __init__(self, encoder: DualEncoder, largest: float) -> None:
        self.encoder, self.largest = encoder, math.log(largest)

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Bring the parameter back after every update."""
        with torch.no_grad():
            self.encoder.model.logit_scale.clamp_(0.0, self.largest)


class _LastStepLog(TrainerCallback):
    """Logs the last step, too, which Trainer does only when it is one of every so many."""

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Ask for a log at the end."""
        control.should_log = control.should_log or state.global_step >= state.max_steps


class _InDict:
    """Collates into ``{"batch": Batch}``: Trainer insists on dicts."""

    def __init__(self, collate: Collator) -> None:
        self.collate = collate

    def __call__(self, items: list[Any]) -> dict[str, Batch]:
        return {"batch": self.collate(items)}
