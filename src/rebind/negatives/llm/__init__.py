"""Hard negative captions written by a language model, and checked by rules."""

from rebind.negatives.llm.stage import LlmNegatives

__all__ = ["LlmNegatives"]
