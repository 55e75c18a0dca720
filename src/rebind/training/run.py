"""One training run from a recipe to a checkpoint: started, continued after a kill, or found finished."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from transformers import TrainingArguments, set_seed
from transformers.integrations import TensorBoardCallback
from transformers.trainer_callback import PrinterCallback

from rebind.data import Source, open_source
from rebind.data.annotation_files import has_annotation
from rebind.data.annotations import with_concepts, with_negatives, with_rewrites
from rebind.data.broken import BrokenTally
from rebind.data.collation import Collator
from rebind.data.dataset import CaptionedImages
from rebind.data.left_out import leave_out
from rebind.data.neighbours import NeighbourShuffle, read_neighbours
from rebind.distributed import process_count
from rebind.models import DualEncoder, build_small_siglip
from rebind.objectives import build_objective
from rebind.storage import disk_errors, write_json
from rebind.training.arguments import check_machine, training_arguments
from rebind.training.checkpoints import claim_run, is_final, last_checkpoint, remove_half_written, step_of
from rebind.training.metrics_file import MetricsFile
from rebind.training.progress import ProgressBar
from rebind.training.recipe import SMALL_MODEL, Recipe
from rebind.training.remembered_texts import RememberedTexts
from rebind.training.step import ContrastiveStep
from rebind.training.trainer import ContrastiveTrainer, LogitScaleClamp
from rebind.types import UserError


def train(recipe: Recipe, show_progress: bool = True) -> Path:
    """Train as the recipe says, and write ``model/``, ``metrics.jsonl``, ``summary.json`` into ``recipe.out``.

    A run that was killed continues from its last checkpoint when the same recipe is trained again; a finished one is
    left as it is. Started by torchrun or ``accelerate launch``, the processes train one model together, and the first
    of them writes.

    Args:
        recipe: all settings.
        show_progress: draw a progress bar when the screen is a terminal.

    Returns:
        The folder of the trained model, which plain transformers loads.

    Raises:
        UserError: one sentence for everything that the user can mend.
    """
    check_machine(recipe)
    settings = training_arguments(recipe)
    processes = PartialState()
    with processes.main_process_first():
        if processes.is_main_process:
            claim_run(recipe)
            remove_half_written(recipe.out)
        finished = (recipe.out / "summary.json").is_file()
    if not finished:
        try:
            with disk_errors(recipe.out):
                _train(recipe, settings, show_progress and processes.is_main_process)
        except torch.cuda.OutOfMemoryError:
            raise UserError(
                f"the GPU's memory is full at batch_size {recipe.batch_size}, micro_batch_size "
                f"{recipe.micro_batch_size}; set a smaller micro_batch_size: the loss stays that of the whole batch"
            ) from None
    return recipe.out / "model"


def _train(recipe: Recipe, settings: TrainingArguments, show_progress: bool) -> None:
    set_seed(recipe.seed)
    objective = build_objective(recipe.objective, **recipe.objective_settings)
    source = _open(recipe, objective.needs)
    tally = BrokenTally(recipe.max_broken_share, source)
    encoder = _encoder(recipe, source)
    step = ContrastiveStep(objective, _chunks(recipe), _reference(recipe, objective.needs, settings))
    data = _data(recipe, source, encoder, objective.needs)
    checkpoint = last_checkpoint(recipe.out / "checkpoints")
    _check_processes(checkpoint)
    reached = step_of(checkpoint) if checkpoint else 0
    metrics = MetricsFile(recipe.out / "metrics.jsonl", reached, writes=settings.process_index == 0)
    trainer = ContrastiveTrainer(
        encoder, step, data, _collator(recipe, encoder, objective.needs), tally, metrics, settings
    )
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(LogitScaleClamp(encoder, recipe.max_logit_scale))
    if recipe.tensorboard and settings.process_index == 0:
        trainer.add_callback(TensorBoardCallback(_summary_writer(recipe.out / "tensorboard", metrics.last["step"])))
    if checkpoint and is_final(checkpoint):  # killed after the last step: Trainer would take one more
        trainer.restore(checkpoint)
    else:
        progress = ProgressBar(recipe.title, _subject(recipe, source, settings)) if show_progress else None
        _run(trainer, checkpoint, progress)
    whole = trainer.whole_tally()
    whole.check(final=True)
    trainer.save_encoder(recipe.out / "model")
    if settings.process_index == 0:
        write_json(recipe.out / "summary.json", _summary(recipe, source, encoder, whole, metrics))
    PartialState().wait_for_everyone()


def _run(trainer: ContrastiveTrainer, checkpoint: Path | None, progress: ProgressBar | None) -> None:
    if progress is not None:
        trainer.add_callback(progress)
    try:
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    finally:
        if progress is not None:
            progress.close()


def _check_processes(checkpoint: Path | None) -> None:
    """The loss is that of all processes' batches together, so a run goes on with as many as it began with."""
    if checkpoint is None:
        return
    before = len(list(checkpoint.glob("rng_state_*.pth"))) or 1  # one process leaves a file without a number
    if before != process_count():
        raise UserError(
            f"{checkpoint} was written by {before} processes, and these are {process_count()}; continue with as many"
        )


def _open(recipe: Recipe, needs: frozenset[str]) -> Source:
    """The samples with the annotations that the objective and the recipe ask for."""
    source = open_source(recipe.data)
    if recipe.leave_out is not None:
        source = leave_out(source, recipe.leave_out)
    wanted = recipe.batch_size * process_count()
    if len(source) < wanted:
        among = f" for {process_count()} processes" if process_count() > 1 else ""
        raise UserError(
            f"{recipe.data} holds {len(source)} samples, fewer than one batch{among}; set batch_size to at most "
            f"{len(source) // process_count()}"
        )
    if recipe.captions == "drawn" and has_annotation(source, "rewrites"):
        source = with_rewrites(source)
    if "concepts" in needs:
        source = with_concepts(source)
    if needs & {"negative_captions", "negative_images"}:
        source = with_negatives(source, recipe.negative_families, with_images="negative_images" in needs)
    return source


def _data(recipe: Recipe, source: Source, encoder: DualEncoder, needs: frozenset[str]) -> CaptionedImages:
    data = CaptionedImages(
        source,
        encoder.images,
        cache_images=recipe.cache_images,
        seed=recipe.seed,
        needs=needs,
        captions=recipe.captions,
        negatives_per_image=recipe.negatives_per_image,
    )
    if recipe.hard_batches:
        data.order = NeighbourShuffle(read_neighbours(source), recipe.batch_size, recipe.seed)
    return data


def _collator(recipe: Recipe, encoder: DualEncoder, needs: frozenset[str]) -> Collator:
    def remembered(tokenize: Any) -> Any:
        return RememberedTexts(tokenize) if recipe.cache_images and tokenize.full_length else tokenize

    short = recipe.concept_context_length
    concepts = remembered(encoder.texts.shortened(short)) if short is not None else None
    return Collator(remembered(encoder.texts), needs, tokenize_concepts=concepts)


def _chunks(recipe: Recipe) -> int:
    """In how many parts a batch is encoded."""
    return math.ceil(recipe.batch_size / recipe.micro_batch_size) if recipe.micro_batch_size else 1


def _reference(recipe: Recipe, needs: frozenset[str], settings: TrainingArguments) -> DualEncoder | None:
    if "reference" not in needs:
        return None
    if recipe.from_scratch or recipe.model == SMALL_MODEL:
        raise UserError(
            "distillation holds a model to where it started; give a pre-trained model, not one from scratch"
        )
    reference = DualEncoder.from_pretrained(recipe.model).eval().requires_grad_(False)
    return reference.to(settings.device)


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
            pairs = recipe.batch_size * process_count()
            encoder.model.logit_bias.fill_(-math.log(pairs - 1))  # log(p / (1 - p)) with p = 1 / B
    return encoder


def _summary_writer(folder: Path, step: int) -> Any:
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder), purge_step=step + 1)


def _subject(recipe: Recipe, source: Source, settings: TrainingArguments) -> str:
    """What is trained on what, as one line of a terminal should say it."""
    count = recipe.batch_size * recipe.gradient_accumulation * process_count()
    images = f"{count} of the {len(source):,} samples in {recipe.data}"
    start = f"{recipe.model}{' from scratch' if recipe.from_scratch else ''}"
    precision = "bf16" if settings.bf16 else "fp16" if settings.fp16 else "fp32"
    processes = f"{process_count()} processes, " if process_count() > 1 else ""
    return f"{images}, {start}, {processes}{settings.device.type} in {precision}"


def _summary(
    recipe: Recipe, source: Source, encoder: DualEncoder, tally: BrokenTally, metrics: MetricsFile
) -> dict[str, Any]:
    counted = tally.summary()
    return {
        "samples": len(source),
        "samples_seen": counted["seen"],
        "broken": {sample["key"]: sample["reason"] for sample in counted["samples"]},
        "broken_count": counted["distinct"],
        "processes": process_count(),
        "steps": metrics.last["step"],
        "seconds": round(metrics.last["seconds"], 1),
        "parameters": sum(parameter.numel() for parameter in encoder.parameters()),
        "settings": recipe.as_dict(),
    }
