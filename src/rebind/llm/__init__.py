"""Asking a language model many questions, behind any server that speaks OpenAI's protocol."""

from rebind.llm.answerer import Answer, Answerer, Question, count
from rebind.llm.answers import Unusable
from rebind.llm.model import LanguageModel, Patience

__all__ = ["Answer", "Answerer", "LanguageModel", "Patience", "Question", "Unusable", "count"]
