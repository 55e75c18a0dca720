"""Stronger blind judges: any Hugging Face language model, or a model of what is plausible or grammatical."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rebind.negatives.blind import Pairs
from rebind.types import UserError

if TYPE_CHECKING:
    from torch import Tensor

_LONGEST = 128  # tokens; captions are shorter


class TextJudge:
    """Judges by a causal language model (log-likelihood) or a sequence classifier (plausibility).

    A classifier with one output gives its value; with several, the log-odds of its last label, which is the acceptable
    one for models of the CoLA kind. SugarCrepe refined with a plausibility model (Vera) and such a grammar model.

    Args:
        model: folder or hub name; ``AutoModelForSequenceClassification`` when its configuration says so, else
            ``AutoModelForCausalLM``.
        batch_size: texts at once.

    Raises:
        UserError: when there is no such model.
    """

    def __init__(self, model: str, batch_size: int = 64) -> None:
        import torch
        from transformers import (
            AutoConfig,
            AutoModelForCausalLM,
            AutoModelForSequenceClassification,
            AutoTokenizer,
        )

        try:
            kinds = AutoConfig.from_pretrained(model).architectures or []
            self._classifies = any(kind.endswith("ForSequenceClassification") for kind in kinds)
            loader = AutoModelForSequenceClassification if self._classifies else AutoModelForCausalLM
            self._tokenizer = AutoTokenizer.from_pretrained(model)
            network: Any = loader.from_pretrained(model)
        except (OSError, ValueError) as error:
            raise UserError(
                f"cannot load {model} as a language model or a sequence classifier ({str(error).splitlines()[0]}); "
                "give a folder or a hub name that transformers can load"
            ) from error
        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        self._tokenizer.padding_side = "right"
        network.config.pad_token_id = self._tokenizer.pad_token_id
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._network = network.eval().to(self._device)
        self._batch_size = batch_size
        self.name = Path(model).name

    def __call__(self, pairs: Pairs) -> dict[str, np.ndarray]:
        """One column of a classifier; a language model also has one per token."""
        # Texts of like length together: less padding.
        texts = sorted({*pairs.captions, *pairs.foils}, key=lambda text: (len(text), text))
        scores = np.concatenate(
            [self._score(texts[first : first + self._batch_size]) for first in range(0, len(texts), self._batch_size)]
        )
        row = {text: number for number, text in enumerate(texts)}
        caption, foil = ([row[text] for text in side] for side in (pairs.captions, pairs.foils))
        gaps = scores[caption] - scores[foil]
        names = [self.name] if self._classifies else [self.name, f"{self.name}_per_token"]
        return {name: gaps[:, column] for column, name in enumerate(names)}

    def _score(self, texts: list[str]) -> np.ndarray:
        """(t, 1) plausibility, or (t, 2) log-likelihood and the same per token."""
        import torch

        inputs = self._tokenizer(texts, padding=True, truncation=True, max_length=_LONGEST, return_tensors="pt")
        ids, mask = inputs["input_ids"].to(self._device), inputs["attention_mask"].to(self._device)
        with torch.inference_mode():
            if self._classifies:
                logits = self._network(input_ids=ids, attention_mask=mask).logits.double()
                odds = logits if logits.shape[1] == 1 else _log_odds_of_last(logits)
                return odds.cpu().numpy()
            if self._tokenizer.bos_token_id not in (None, *ids[:, 0].tolist()):  # so that the first word counts, too
                ids = torch.cat([torch.full_like(ids[:, :1], self._tokenizer.bos_token_id), ids], dim=1)
                mask = torch.cat([torch.ones_like(mask[:, :1]), mask], dim=1)
            logits = self._network(input_ids=ids, attention_mask=mask).logits[:, :-1].double()
        likely = logits.log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0] * mask[:, 1:]
        tokens = mask[:, 1:].sum(1).clamp(min=1)
        total = likely.sum(1)
        return torch.stack([total, total / tokens], dim=1).cpu().numpy()


def _log_odds_of_last(logits: Tensor) -> Tensor:
    """(t, 1) log-odds of the last of several labels."""
    return logits[:, -1:] - logits[:, :-1].logsumexp(1, keepdim=True)
