"""One training run from a recipe to a checkpoint: started, continued after a kill, or found finished."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import torch
from transformers import TrainingArguments, set_seed
from transformers.integrations import TensorBoardCallback
from transformers.trainer_callback import PrinterCallback

from rebind.data import Source, open_source
from rebind.data.annotations import with_concepts
from rebind.data.broken import BrokenTally
from rebind.data.collation import Collator
from rebind.data.dataset import CaptionedImages
from rebind.models import DualEncoder, build_small_siglip
from rebind.objectives import ObjectiveFunction, build_objective
from rebind.storage import disk_errors, write_json
from rebind.training.checkpoints import claim_run, is_final, last_checkpoint, remove_half_written, step_of
from rebind.training.metrics_file import MetricsFile
from rebind.training.progress import ProgressBar
from rebind.training.recipe import SMALL_MODEL, Recipe
from rebind.training.remembered_texts import RememberedTexts
from rebind.training.trainer import ContrastiveTrainer, LogitScaleClamp
from rebind.types import UserError


def train(recipe: Recipe, show_progress: bool = True) -> Path:
    """Train as the recipe says, and write ``model/``, ``metrics.jsonl``, ``summary.json`` into ``recipe.out``.

    A run that was killed continues from its last checkpoint when the same recipe is trained again; a finished one is
    left as it is.

    Args:
        recipe: all settings.
        show_progress: draw a progress bar when the screen is a terminal.

    Returns:
        The folder of the trained model, which plain transformers loads.

    Raises:
        UserError: one sentence for everything that the user can mend.
    """
    _check_machine(recipe)
    claim_run(recipe)
    remove_half_written(recipe.out)
    if not (recipe.out / "summary.json").is_file():
        try:
            with disk_errors(recipe.out):
                _train(recipe, show_progress)
        except torch.cuda.OutOfMemoryError:
            raise UserError(
                f"the GPU's memory is full at batch_size {recipe.batch_size}; set a smaller one, and a larger "
                "gradient_accumulation to take as many images a step"
            ) from None
    return recipe.out / "model"


def _train(recipe: Recipe, show_progress: bool) -> None:
    set_seed(recipe.seed)
    objective = build_objective(recipe.objective, **recipe.objective_settings)
    source = _open(recipe, objective)
    tally = BrokenTally(recipe.max_broken_share, source)
    encoder = _encoder(recipe, source)
    data = CaptionedImages(source, encoder.images, recipe.cache_images, recipe.seed)
    tokenize = RememberedTexts(encoder.texts) if recipe.cache_images and encoder.texts.full_length else encoder.texts
    checkpoint = last_checkpoint(recipe.out / "checkpoints")
    metrics = MetricsFile(recipe.out / "metrics.jsonl", step_of(checkpoint) if checkpoint else 0)
    settings = _arguments(recipe)
    collate = Collator(tokenize, objective.needs)
    trainer = ContrastiveTrainer(encoder, objective, data, collate, tally, metrics, settings)
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(LogitScaleClamp(encoder, recipe.max_logit_scale))
    if recipe.tensorboard:
        trainer.add_callback(TensorBoardCallback(_summary_writer(recipe.out / "tensorboard", metrics.last["step"])))
    if checkpoint and is_final(checkpoint):  # killed after the last step: Trainer would take one more
        trainer.restore(checkpoint)
    else:
        progress = ProgressBar(recipe.title, _subject(recipe, source, settings)) if show_progress else None
        _run(trainer, checkpoint, progress)
    tally.check(final=True)
    encoder.save(recipe.out / "model")
    write_json(recipe.out / "summary.json", _summary(recipe, source, encoder, tally, metrics))


def _run(trainer: ContrastiveTrainer, checkpoint: Path | None, progress: ProgressBar | None) -> None:
    if progress is not None:
        trainer.add_callback(progress)
    try:
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    finally:
        if progress is not None:
            progress.close()


def _check_machine(recipe: Recipe) -> None:
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UserError("this version trains on one process; start it without torchrun or accelerate launch")
    has_gpu = torch.cuda.is_available() and recipe.device == "auto"
    if recipe.precision == "fp16" and not has_gpu:
        raise UserError("precision: fp16 needs a GPU; on a processor use fp32 or bf16")
    if recipe.precision == "bf16" and has_gpu and not torch.cuda.is_bf16_supported():
        raise UserError("precision: this GPU does not compute in bf16; use fp16 or fp32")


def _open(recipe: Recipe, objective: ObjectiveFunction) -> Source:
    source = open_source(recipe.data)
    if len(source) < recipe.batch_size:
        raise UserError(
            f"{recipe.data} holds {len(source)} samples, fewer than one batch; set batch_size to at most {len(source)}"
        )
    return with_concepts(source) if "concepts" in objective.needs else source


def _encoder(recipe: Recipe, source: Source) -> DualEncoder:
    """The model to start from; from scratch, SigLIP's logit bias starts where one pair in a batch is positive."""
    if recipe.model == SMALL_MODEL:
        captions = (caption for index in range(len(source)) for caption in source.captions(index))
        encoder = build_small_siglip(captions, seed=recipe.seed)
    else:
        encoder = DualEncoder.from_pretrained(recipe.model)
        if recipe.from_scratch:
            fresh = type(encoder.model)(encoder.model.config)
            encoder = DualEncoder(fresh, encoder.texts.tokenizer, encoder.images.processor)
    if (recipe.from_scratch or recipe.model == SMALL_MODEL) and encoder.family != "clip":
        with torch.no_grad():
            encoder.model.logit_bias.fill_(-math.log(recipe.batch_size - 1))  # log(p / (1 - p)) with p = 1 / B
    return encoder


def _arguments(recipe: Recipe) -> TrainingArguments:
    use_cpu = recipe.device == "cpu" or not torch.cuda.is_available()
    precision = recipe.precision
    if precision == "auto":
        precision = "bf16" if not use_cpu and torch.cuda.is_bf16_supported() else "fp32"
    arguments = TrainingArguments(
        output_dir=str(recipe.out / "checkpoints"),
        per_device_train_batch_size=recipe.batch_size,
        gradient_accumulation_steps=recipe.gradient_accumulation,
        max_steps=recipe.steps or -1,
        num_train_epochs=recipe.epochs,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=recipe.warmup_steps,
        weight_decay=recipe.weight_decay,
        adam_beta1=recipe.beta1,
        adam_beta2=recipe.beta2,
        adam_epsilon=recipe.epsilon,
        max_grad_norm=recipe.max_gradient_norm,
        optim="adamw_torch_fused",
        bf16=precision == "bf16",
        fp16=precision == "fp16",
        use_cpu=use_cpu,
        dataloader_num_workers=recipe.workers,
        dataloader_persistent_workers=recipe.workers > 0,
        dataloader_pin_memory=not use_cpu,
        dataloader_drop_last=True,
        remove_unused_columns=False,
        logging_steps=recipe.log_every,
        logging_nan_inf_filter=False,
        save_steps=recipe.save_every,
        save_total_limit=recipe.keep_checkpoints,
        seed=recipe.seed,
        report_to="none",
        log_level="error",
        disable_tqdm=True,
    )
    if arguments.n_gpu > 1:
        arguments._n_gpu = 1  # Trainer would wrap the model in DataParallel, whose shards see too few negatives
    return arguments


def _summary_writer(folder: Path, step: int) -> Any:
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder), purge_step=step + 1)


def _subject(recipe: Recipe, source: Source, settings: TrainingArguments) -> str:
    """What is trained on what, as one line of a terminal should say it."""
    images = f"{recipe.batch_size * recipe.gradient_accumulation} of the {len(source):,} samples in {recipe.data}"
    start = f"{recipe.model}{' from scratch' if recipe.from_scratch else ''}"
    precision = "bf16" if settings.bf16 else "fp16" if settings.fp16 else "fp32"
    return f"{images}, {start}, {settings.device.type} in {precision}"


def _summary(
    recipe: Recipe, source: Source, encoder: DualEncoder, tally: BrokenTally, metrics: MetricsFile
) -> dict[str, Any]:
    counted = tally.summary()
    return {
        "samples": len(source),
        "samples_seen": counted["seen"],
        "broken": {sample["key"]: sample["reason"] for sample in counted["samples"]},
        "broken_count": counted["distinct"],
        "steps": metrics.last["step"],
        "seconds": round(metrics.last["seconds"], 1),
        "parameters": sum(parameter.numel() for parameter in encoder.parameters()),
        "settings": recipe.as_dict(),
    }
