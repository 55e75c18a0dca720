"""transformers' Trainer, told how to take one contrastive step."""

from __future__ import annotations

import json
import math
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Trainer, TrainerCallback

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
        tally: counts broken samples.
        metrics: where loss parts and rates go.
        max_logit_scale: τ is kept between 1 and this after every step.
        trainer_settings: what ``transformers.Trainer`` takes: ``args``, ``callbacks``.
    """

    def __init__(
        self,
        encoder: DualEncoder,
        objective: ObjectiveFunction,
        data: CaptionedImages,
        tally: BrokenTally,
        metrics: MetricsFile,
        max_logit_scale: float = 100.0,
        **trainer_settings: Any,
    ) -> None:
        collate = Collator(encoder.texts, objective.needs)
        super().__init__(
            model=ContrastiveStep(encoder, objective),
            train_dataset=data,
            data_collator=_InDict(collate),
            **trainer_settings,
        )
        self.encoder, self.tally, self.metrics = encoder, tally, metrics
        self.add_callback(_LogitScaleClamp(encoder, max_logit_scale))
        self._sums: dict[str, Tensor] = defaultdict(lambda: torch.zeros((), device=self.args.device))
        self._since_log, self._images_since_log = time.perf_counter(), 0

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        return self.train_dataset.order

    def get_decay_parameter_names(self, model: nn.Module) -> list[str]:
        """Matrices decay; vectors and scalars (norms, biases, logit scale and bias) do not."""
        return [name for name, value in model.named_parameters() if value.numel() > max(value.shape, default=1)]

    def compute_loss(self, model: nn.Module, inputs: dict[str, Any], **unused: Any) -> Tensor:
        """The loss of one batch; its parts are kept for the log.

        Raises:
            UserError: when the loss is not finite, or too many samples are broken.
        """
        batch: Batch = inputs["batch"]
        self.tally.add(batch)
        self.tally.check()
        if not batch.keys:  # every image of the batch is broken: nothing to learn from
            return 0.0 * self.encoder.logit_scale
        terms = model(batch)
        self._check_finite(terms.total, batch)
        self._images_since_log += len(batch.keys)
        for name, part in {"loss": terms.total, **terms.parts}.items():
            self._sums[name] += part.detach() / self.args.gradient_accumulation_steps
        return terms.total

    def _check_finite(self, loss: Tensor, batch: Batch) -> None:
        if torch.isfinite(loss):
            return
        good = last_checkpoint(Path(self.args.output_dir))
        keys = ", ".join(batch.keys[:8]) + (f" and {len(batch.keys) - 8} more" if len(batch.keys) > 8 else "")
        raise UserError(
            f"the loss is {loss.item()} at step {self.state.global_step + 1} (samples {keys}); lower the learning "
            f"rate or set precision to fp32; the last good checkpoint is {good or 'none: no checkpoint was written yet'}"
        )

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Write the means since the last log to ``metrics.jsonl`` and pass them on to Trainer's callbacks."""
        if "loss" not in logs:  # Trainer's closing summary, which the run's own summary replaces
            return
        steps = self.state.global_step - self._last_logged_step()
        row = {name: (total / steps).item() for name, total in self._sums.items()}
        row |= {
            "gradient_norm": float(logs.get("grad_norm", math.nan)),
            "learning_rate": logs["learning_rate"],
            "logit_scale": self.encoder.logit_scale.item(),
            "logit_bias": self.encoder.logit_bias.item(),
            "images_per_second": self._images_since_log / (time.perf_counter() - self._since_log),
        }
        self._sums.clear()
        self._since_log, self._images_since_log = time.perf_counter(), 0
        self.metrics.append({"step": self.state.global_step, **row})
        super().log(row, start_time)

    def _last_logged_step(self) -> int:
        return self.state.log_history[-1]["step"] if self.state.log_history else 0

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        with disk_errors(Path(self.args.output_dir)):
            super()._save_checkpoint(model, trial)

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        folder = Path(output_dir or self.args.output_dir)
        self.encoder.save(folder)
        write_json(folder / _TALLY, self.tally.state_dict())

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        folder = Path(resume_from_checkpoint)
        self.encoder.model.load_state_dict(DualEncoder.from_pretrained(folder).model.state_dict())
        self.tally.load_state_dict(json.loads((folder / _TALLY).read_text(encoding="utf-8")))


class _LogitScaleClamp(TrainerCallback):
    """Keeps τ between 1 and its largest value, as CLIP does."""

    def __init__(self, encoder: DualEncoder, largest: float) -> None:
        self.encoder, self.largest = encoder, math.log(largest)

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Bring the parameter back after every update."""
        with torch.no_grad():
            self.encoder.model.logit_scale.clamp_(0.0, self.largest)


class _InDict:
    """Collates into ``{"batch": Batch}``: Trainer insists on dicts."""

    def __init__(self, collate: Collator) -> None:
        self.collate = collate

    def __call__(self, items: list[Any]) -> dict[str, Batch]:
        return {"batch": self.collate(items)}
