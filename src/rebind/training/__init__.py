"""Training: recipes, the Trainer subclass, checkpoints that survive a kill, metrics and progress."""

from rebind.training.recipe import Recipe, load_recipe, recipe_names

__all__ = ["Recipe", "load_recipe", "recipe_names"]
