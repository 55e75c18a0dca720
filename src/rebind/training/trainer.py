"""transformers' Trainer, told how to take one contrastive step: encode, gather, compare."""

from __future__ import annotations

import errno
import functools
import json
import math
import os
import time
from collections import defaultdict
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict
from torch.distributed.fsdp import FSDPModule
from transformers import Trainer, TrainerCallback, TrainingArguments

from rebind.data.broken import BrokenTally
from rebind.data.collation import Collator
from rebind.data.dataset import CaptionedImages
from rebind.distributed import gather_objects, sum_over_processes
from rebind.models import DualEncoder
from rebind.models.embedding import EncoderInputs, encoder_inputs
from rebind.storage import disk_errors, write_json
from rebind.training.checkpoints import last_checkpoint
from rebind.training.gradient_caching import GradientCache
from rebind.training.metrics_file import MetricsFile
from rebind.training.step import ContrastiveStep
from rebind.types import Batch, LossTerms, UserError

_TALLY = "broken_tally.json"


class ContrastiveTrainer(Trainer):
    """Trains a :class:`DualEncoder` with an objective, on one process or many.

    Args:
        encoder: the model; checkpoints are whole model folders that plain transformers loads.
        step: what is made of a batch.
        data: the samples and their order.
        collate: makes batches of them.
        tally: counts broken samples of this process.
        metrics: where loss parts and rates go.
        settings: of transformers' Trainer.
    """

    def __init__(
        self,
        encoder: DualEncoder,
        step: ContrastiveStep,
        data: CaptionedImages,
        collate: Collator,
        tally: BrokenTally,
        metrics: MetricsFile,
        settings: TrainingArguments,
    ) -> None:
        super().__init__(model=encoder, train_dataset=data, data_collator=_InDict(collate), args=settings)
        self._check_sharding()
        self.encoder, self.step, self.data, self.tally, self.metrics = encoder, step, data, tally, metrics
        self.checkpoints = Path(str(settings.output_dir))
        self.add_callback(_LastStepLog())
        self._sums: dict[str, Tensor] = defaultdict(lambda: torch.zeros((), device=self.args.device))
        self._scalars: dict[str, Tensor] = {}
        self._since_log, self._images_since_log = time.perf_counter(), 0
        self._keys: tuple[str, ...] = ()

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        return self.data.order

    def get_decay_parameter_names(self, model: nn.Module) -> list[str]:
        """Matrices decay; vectors and scalars (norms, biases, SigLIP's probe, logit scale and bias) do not."""
        return [name for name, value in model.named_parameters() if value.numel() > max(value.shape, default=1)]

    def training_step(self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Any = None) -> Tensor:
        """Forward and backward; with more than one chunk, gradients are cached."""
        if self.step.chunks == 1:
            return super().training_step(model, inputs, num_items_in_batch)
        model.train()
        batch, whole = self._prepare(inputs)
        with self.compute_loss_context_manager():
            cache = GradientCache(model, whole.chunks(self.step.chunks))
        with self.accelerator.autocast():
            terms = self.step.cached_loss(batch, cache.outputs, 1 / self.current_gradient_accumulation_steps)
        self._record(terms, cache.outputs)
        without_reduction = nullcontext if self.is_fsdp_enabled else functools.partial(self.accelerator.no_sync, model)
        with self.compute_loss_context_manager():
            cache.backward(self.accelerator.backward, without_reduction)
        return cache.outputs["logit_scale"].new_zeros(()) if terms is None else terms.total

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The loss of one batch; its parts are kept for the log.

        Raises:
            UserError: when the loss is not finite, or too many samples are broken.
        """
        batch, whole = self._prepare(inputs)
        outputs = model(whole.images, whole.texts, whole.with_tokens)
        with self.accelerator.autocast():  # for the reference model; objectives compute in float32 all the same
            loss, terms = self.step.loss(batch, outputs)
        self._record(terms, outputs)
        return loss

    def _prepare(self, inputs: dict[str, Any]) -> tuple[Batch, EncoderInputs]:
        batch: Batch = inputs["batch"]
        self.tally.add(batch)
        self.tally.check()
        self._keys = batch.keys
        self._images_since_log += len(batch.keys)
        return batch, encoder_inputs(self.encoder, batch, self.step.objective.needs)

    def _record(self, terms: LossTerms | None, outputs: dict[str, Tensor]) -> None:
        """Keep what the log will say of this batch."""
        self._scalars = {name: outputs[name].detach() for name in ("logit_scale", "logit_bias")}
        if terms is None:
            return
        if not torch.isfinite(terms.total):
            raise self._not_finite(f"the loss is {terms.total.item()}", self.state.global_step + 1)
        for name, part in {"loss": terms.total, **terms.parts}.items():
            self._sums[name] += part.detach() / self.current_gradient_accumulation_steps

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
        """Write the means since the last log to ``metrics.jsonl`` and pass them on to Trainer's callbacks.

        Losses and images are summed over processes; logit scale and bias are those that the last step computed with.
        """
        if "loss" not in logs:  # Trainer's closing summary, which the run's own summary replaces
            return
        steps = self.state.global_step - self.metrics.last["step"]
        seconds = time.perf_counter() - self._since_log
        images = torch.tensor(float(self._images_since_log), device=self.args.device)
        *sums, images = sum_over_processes(torch.stack([*self._sums.values(), images]))
        row = {name: (total / steps).item() for name, total in zip(self._sums, sums, strict=True)}
        row |= {
            "gradient_norm": float(logs.get("grad_norm", math.nan)),
            "learning_rate": logs["learning_rate"],
            **{name: value.item() for name, value in self._scalars.items()},
            "images_per_second": images.item() / seconds,
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

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Write the model folder of a checkpoint and the counts of broken samples; called in every process."""
        folder = Path(output_dir or self.checkpoints)
        tally = self.whole_tally().state_dict()
        self.save_encoder(folder)
        if self.args.should_save:
            write_json(folder / _TALLY, tally)
        self.accelerator.wait_for_everyone()  # the folder is put in place whole: nobody else may write there before

    def save_encoder(self, folder: Path) -> None:
        """Write the model folder; called in every process, since FSDP's hold a part of the weights each."""
        weights = self.accelerator.get_state_dict(self.model_wrapped) if self._is_sharded() else None
        if self.args.should_save:
            self.encoder.save(folder, weights)

    def _check_sharding(self) -> None:
        """Raise UserError where accelerate would quietly not shard, or shard in a way that was never tried here."""
        if self.is_fsdp_enabled and self.accelerator.state.fsdp_plugin.fsdp_version != 2:
            raise UserError("accelerate's configuration asks for the first version of FSDP; set fsdp_version: 2")
        if not self.is_fsdp_enabled and os.environ.get("ACCELERATE_USE_FSDP", "false").lower() == "true":
            raise UserError("accelerate shards models (FSDP) on accelerators only; on processors use torchrun")

    def _is_sharded(self) -> bool:
        return isinstance(self.model_wrapped, FSDPModule)

    def whole_tally(self) -> BrokenTally:
        """The counts of all processes; called in every one."""
        whole = BrokenTally(self.tally.max_broken_share)
        for state in gather_objects(self.tally.state_dict()):
            whole.load_state_dict(state)
        return whole

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        self.restore(Path(resume_from_checkpoint))

    def restore(self, checkpoint: Path) -> None:
        """Take weights and counts of broken samples from a checkpoint."""
        weights = DualEncoder.from_pretrained(checkpoint).state_dict()
        if self._is_sharded():
            set_model_state_dict(self.model_wrapped, weights, options=StateDictOptions(full_state_dict=True))
        else:
            self.encoder.load_state_dict(weights)
        if self.args.process_index == 0:  # the saved counts are those of all processes
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
