"""A recipe in the terms of transformers' Trainer, and the machine that it is to run on."""

from __future__ import annotations

import torch
from transformers import TrainingArguments

from rebind.training.recipe import Recipe
from rebind.types import UserError


def check_machine(recipe: Recipe) -> None:
    """Raise UserError when the precision asked for cannot be had here."""
    has_gpu = torch.cuda.is_available() and recipe.device == "auto"
    if recipe.precision == "fp16" and not has_gpu:
        raise UserError("precision: fp16 needs a GPU; on a processor use fp32 or bf16")
    if recipe.precision == "bf16" and has_gpu and not torch.cuda.is_bf16_supported():
        raise UserError("precision: this GPU does not compute in bf16; use fp16 or fp32")


def training_arguments(recipe: Recipe) -> TrainingArguments:
    """Trainer's settings; making them joins the processes that torchrun or accelerate started."""
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
        ddp_find_unused_parameters=False,
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
