"""A recipe: every setting of a training run, checked before anything heavy is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from rebind.types import UserError

SMALL_MODEL = "small-siglip"
_RECIPES = Path(__file__).parent / "recipes"


class Recipe(BaseModel):
    """All settings of a training run; what is not given keeps the value of C2LIP's published recipe.

    Sizes are per process; the loss is that of all processes' batches together. ``steps`` counts optimiser steps and
    wins over ``epochs``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, protected_namespaces=())

    model: str = Field("google/siglip-base-patch16-224", description="folder or hub name, or small-siglip")
    from_scratch: bool = Field(False, description="start from random weights of the same architecture")
    data: Path = Field(description="captioned images: a folder, a captions file or WebDataset shards")
    leave_out: Path | None = Field(None, description="file of keys not to train on, e.g. held_out.txt of rebind foils")
    out: Path = Field(description="the run's folder")
    objective: str | dict[str, float] = Field(
        "c2lip", description="name of a file in rebind/objectives, or several with their weights"
    )
    objective_settings: dict[str, Any] = Field(
        default_factory=dict, description="settings of the objective; of several, under each one's name"
    )
    label: str | None = Field(None, description="what reports call this run; runs of one label are averaged")

    captions: Literal["drawn", "original"] = Field(
        "drawn", description="of several captions and rewrites, one drawn anew each epoch (LaCLIP), or the first"
    )
    concept_context_length: int | None = Field(
        None, ge=4, description="tokens that concepts are padded to; as many as captions if not given"
    )
    negative_families: list[str] | None = Field(
        None, description="hard negatives to train on, commas between; all if not given"
    )
    negatives_per_image: int | None = Field(None, ge=1, description="drawn anew each epoch; all if not given")
    hard_batches: bool = Field(False, description="put nearest neighbours into one batch (LaCLIP+HN)")

    batch_size: int = Field(96, ge=2)
    micro_batch_size: int | None = Field(
        None, ge=1, description="encode so many at a time, and cache gradients; the loss is that of batch_size"
    )
    gradient_accumulation: int = Field(1, ge=1)
    steps: int | None = Field(None, ge=1)
    epochs: float = Field(5.0, gt=0)
    learning_rate: float = Field(1e-5, gt=0, lt=1)
    warmup_steps: int = Field(50, ge=0)
    weight_decay: float = Field(0.1, ge=0, lt=1)
    beta1: float = Field(0.9, ge=0, lt=1)
    beta2: float = Field(0.98, ge=0, lt=1)
    epsilon: float = Field(1e-6, gt=0)
    max_gradient_norm: float = Field(1.0, gt=0)
    max_logit_scale: float = Field(100.0, gt=1)

    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    device: Literal["auto", "cpu"] = "auto"
    workers: int = Field(4, ge=0, description="processes that decode images")
    cache_images: bool = Field(False, description="keep decoded images in memory, for small data")
    max_broken_share: float = Field(0.10, ge=0, le=1)
    seed: int = Field(0, ge=0)
    log_every: int = Field(10, ge=1)
    save_every: int = Field(500, ge=1)
    keep_checkpoints: int = Field(2, ge=1)
    tensorboard: bool = True

    @field_validator("objective", mode="before")
    @classmethod
    def _names_objectives(cls, value: Any) -> Any:
        weights = value.values() if isinstance(value, dict) else ()
        if not isinstance(value, str | dict) or any(isinstance(weight, bool) for weight in weights):
            raise ValueError("give a name, or several names with a weight each")
        try:
            return value if isinstance(value, str) else {str(name): float(weight) for name, weight in value.items()}
        except (TypeError, ValueError):
            raise ValueError("give a name, or several names with a weight each") from None

    @field_validator("negative_families", mode="before")
    @classmethod
    def _separated_by_commas(cls, value: Any) -> Any:
        return value.split(",") if isinstance(value, str) else value

    @model_validator(mode="after")
    def _fits_together(self) -> Recipe:
        if self.save_every % self.log_every:
            raise ValueError(f"save_every ({self.save_every}) must be a multiple of log_every ({self.log_every})")
        return self

    @property
    def title(self) -> str:
        """What the run is called."""
        from rebind.objectives import objective_title

        return self.label or objective_title(self.objective)

    def as_dict(self) -> dict[str, Any]:
        """The settings as JSON and YAML can hold them."""
        return self.model_dump(mode="json")


def recipe_names() -> list[str]:
    """Names of the recipes that come with the package, sorted."""
    return sorted(file.stem for file in _RECIPES.glob("*.yaml"))


def load_recipe(name_or_path: str | Path | None, overrides: dict[str, Any] | None = None) -> Recipe:
    """Read a recipe and lay settings over it.

    Args:
        name_or_path: a YAML file, the name of a recipe of the package, or None for the defaults.
        overrides: settings that win over the file's; a dict lays itself over the file's dict.

    Raises:
        UserError: one sentence that names the file and the first field that is wrong.
    """
    settings = read_settings(_find(name_or_path)) if name_or_path is not None else {}
    origin = f"recipe {name_or_path}" if name_or_path is not None else "the settings given"
    for name, value in (overrides or {}).items():
        is_nested = isinstance(value, dict) and isinstance(settings.get(name), dict)
        settings[name] = {**settings[name], **value} if is_nested else value
    try:
        recipe = Recipe(**settings)
    except ValidationError as error:
        raise UserError(f"{origin}: {_sentence(error)}") from None
    _check_objective(recipe, origin)
    return recipe


def read_settings(file: Path) -> dict[str, Any]:
    """The settings that a YAML file names.

    Raises:
        UserError: when it cannot be read or holds something else.
    """
    try:
        settings = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"the recipe {file} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    except yaml.YAMLError as error:
        raise UserError(f"{file} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(settings, dict):
        raise UserError(f"{file} must hold `setting: value` lines, not a {type(settings).__name__}")
    return settings


def _find(name_or_path: str | Path) -> Path:
    path = Path(name_or_path)
    if path.suffix in {".yaml", ".yml"} or path.is_file():
        return path
    if str(name_or_path) in recipe_names():
        return _RECIPES / f"{name_or_path}.yaml"
    raise UserError(f"unknown recipe {str(name_or_path)!r}; give a .yaml file or one of {', '.join(recipe_names())}")


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"]) or "settings"
    if first["type"] == "missing":
        return f"the setting {field} is missing ({Recipe.model_fields[field].description})"
    if first["type"] == "extra_forbidden":
        return f"there is no setting {field}; known are {', '.join(Recipe.model_fields)}"
    message = first["msg"].removeprefix("Value error, ")
    return message if field == "settings" else f"{field}: {message[0].lower() + message[1:]}, not {first['input']!r}"


def _check_objective(recipe: Recipe, origin: str) -> None:
    from rebind.objectives import build_objective  # late: imports torch

    try:
        build_objective(recipe.objective, **recipe.objective_settings)
    except UserError as error:
        raise UserError(f"{origin}: {error}") from None
    except TypeError:  # a text where a number is compared
        raise UserError(
            f"{origin}: objective_settings holds a value of the wrong kind for {recipe.objective}: "
            f"{recipe.objective_settings}"
        ) from None
