"""Texts as numbered word n-grams, all of them at once in flat arrays: what text-only judges of captions look at."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from scipy import sparse

_WORD = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")


@dataclass(frozen=True)
class WordGrams:
    """The n-grams of T texts, every word of which stands behind ``order`` - 1 start marks and every text before an end.

    Attributes:
        owner: (P,) the text that each position belongs to, ascending; start marks have no position.
        grams: of length 1 … ``order``, each (P,): the number of the n-gram that ends at a position.
        shorter: for each length, (number of n-grams,): the number of the (n - 1)-gram left when the first word goes.
        context: likewise when the last word goes.
    """

    owner: np.ndarray
    grams: tuple[np.ndarray, ...]
    shorter: tuple[np.ndarray, ...]
    context: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, texts: Sequence[str], order: int = 3, keep_case: bool = False) -> WordGrams:
        """Number the n-grams of ``texts`` up to ``order`` words; punctuation marks are words."""
        numbers = {"<s>": 0, "</s>": 1}
        words = [_WORD.findall(text if keep_case else text.lower()) for text in texts]
        flat = np.fromiter((numbers.setdefault(w, len(numbers)) for w in chain.from_iterable(words)), dtype=np.int64)
        lengths = np.fromiter(map(len, words), dtype=np.int64, count=len(words))
        padded = lengths + order  # order - 1 start marks and one end
        ends = np.cumsum(padded)
        ids = np.zeros(int(padded.sum()), dtype=np.int64)
        ids[ends - 1] = 1
        owner = np.repeat(np.arange(len(words)), padded)
        marks = np.arange(len(ids)) - np.repeat(ends - padded, padded) < order - 1
        is_word = ~marks
        is_word[ends - 1] = False
        ids[is_word] = flat
        return cls(owner[~marks], *_number(ids, order, ~marks))

    def counts(self, length: int) -> sparse.csr_array:
        """How often each n-gram of ``length`` words occurs in each text, as (T, number of n-grams)."""
        gram = self.grams[length - 1]
        shape = (int(self.owner[-1]) + 1, len(self.shorter[length - 1]))
        return sparse.coo_array((np.ones(len(gram)), (self.owner, gram)), shape=shape).tocsr()


def _number(ids: np.ndarray, order: int, kept: np.ndarray) -> tuple[tuple[np.ndarray, ...], ...]:
    """Gram numbers at the ``kept`` positions, and of each gram its shorter gram and its context."""
    before = np.zeros(len(ids), dtype=np.int64)  # the empty gram
    grams, shorter, context = [], [], []
    for _ in range(order):
        previous = np.concatenate([before[:1], before[:-1]])  # of the same length, ending one word earlier
        _, first, gram = np.unique(previous * (ids.max() + 1) + ids, return_index=True, return_inverse=True)
        grams.append(gram[kept])
        shorter.append(before[first])
        context.append(previous[first])
        before = gram
    return tuple(grams), tuple(shorter), tuple(context)
