"""Foils judged by the concepts of their captions and the tokens of the image, beside the usual pooled cosine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rebind.benchmarks.contract import Benchmark, Picture
from rebind.benchmarks.coverage import without_headlines
from rebind.benchmarks.decoding import prepared_pictures
from rebind.benchmarks.embedding import embed_texts, evaluation_mode
from rebind.benchmarks.foils import FoilBenchmark
from rebind.benchmarks.items import item_digest
from rebind.benchmarks.joint import JointBenchmark
from rebind.benchmarks.pictures import decoding_of, pictures_of
from rebind.benchmarks.results import Evaluation, read_results, write_results
from rebind.metrics import Outcomes
from rebind.types import Score, UserError

if TYPE_CHECKING:
    from torch import Tensor

WITHOUT_TOKENS = ("open_clip:", "sentence:", "precomputed:")  # models, as rebind.models.load_encoder names them


def require_image_tokens(model: str) -> None:
    """Refuse a model whose name says that it is of a kind without image tokens; a command does so before any work.

    Raises:
        UserError: when it is.
    """
    if model.startswith(WITHOUT_TOKENS):
        raise UserError(f"{model} gives no image tokens in the joint space; score it without --concept-attention")


def with_foils(benchmarks: Sequence[Benchmark]) -> list[FoilBenchmark]:
    """Those of the benchmarks that are lists of one foil a caption; of the built-in world, its foils.

    Raises:
        UserError: when there is none.
    """
    parts = [part for each in benchmarks for part in (each.parts if isinstance(each, JointBenchmark) else [each])]
    found = [part for part in parts if isinstance(part, FoilBenchmark)]
    if not found:
        raise UserError("concepts are scored in lists of one foil a caption: name sugarcrepe, foils or world")
    return found


def add_concept_scores(folder: Path, model: str, benchmarks: Sequence[FoilBenchmark], scale: float) -> Path:
    """Score foil benchmarks that a folder has results of by concepts, too, and add that to the results.

    Args:
        folder: what :func:`rebind.benchmarks.evaluate_model` wrote to.
        model: the same that was evaluated.
        benchmarks: of :func:`with_foils`.
        scale: sharpness s of the attention.

    Raises:
        UserError: when the model gives no image tokens.
    """
    import torch

    from rebind.models import load_encoder

    encoder = load_encoder(model)
    encoder.to("cuda" if torch.cuda.is_available() else "cpu")
    kinds = [ConceptAttention(each, scale) for each in benchmarks]
    scores = [score for kind in kinds for score in without_headlines(kind.score(encoder, model))]
    everything = {
        kind.name: {
            "items": item_digest(kind, np.ones(len(kind.images), dtype=bool)),
            "pictures": decoding_of(kind.benchmark.name),
        }
        for kind in kinds
    }
    evaluated, before = read_results(folder)
    return write_results(folder, evaluated, Evaluation(scores, (), everything, before.notes))


def concept_name(benchmark: str) -> str:
    """What the scores by concepts of a benchmark are called."""
    return f"{benchmark}_by_concepts"


@dataclass(frozen=True)
class ConceptAttention:
    """A foil benchmark scored by concept-attention pooling (the pooling of C2LIP's XAC, arXiv 2603.25722).

    A text's score is the mean over its concepts of ``v̂·c`` with ``v̂ = norm(Σ_l a_l V_l)`` and
    ``a_l = softmax_l(s V_l·c)``, V being the image tokens in the joint space. A caption and a foil of the same concepts
    tie, which is wrong: this score does not see relations.

    Attributes:
        benchmark: its items.
        scale: sharpness s of the attention.
    """

    benchmark: FoilBenchmark
    scale: float = 10.0

    @property
    def name(self) -> str:
        """Goes into every score's ``benchmark``."""
        return concept_name(self.benchmark.name)

    @property
    def images(self) -> list[Picture]:
        """Those of the benchmark."""
        return self.benchmark.images

    @property
    def texts(self) -> list[str]:
        """Those of the benchmark."""
        return self.benchmark.texts

    def score(self, encoder: Any, model: str = "the model") -> list[Score]:
        """Score an encoder that gives image tokens; items of unreadable images are left out.

        Raises:
            UserError: when it gives none.
        """
        from rebind.concepts import build_extractor
        from rebind.models import DualEncoder

        if not isinstance(encoder, DualEncoder):
            raise UserError(f"{model} gives no image tokens in the joint space; score it without --concept-attention")
        concepts = build_extractor().read_many(self.texts)
        distinct = list(dict.fromkeys(concept for of_text in concepts for concept in of_text))
        row = {concept: number for number, concept in enumerate(distinct)}
        with evaluation_mode(encoder):
            embeddings = embed_texts(encoder, distinct, model)
        rows = [[row[concept] for concept in of_text] for of_text in concepts]
        with evaluation_mode(encoder):
            scores = self._scores(encoder, embeddings, rows)  # (2, n)
        outcomes = Outcomes(correct=scores[0] > scores[1], tied=scores[0] == scores[1])
        return replace(self.benchmark, name=self.name).score_outcomes(outcomes, scores[:1].T)

    def _scores(self, encoder: Any, concepts: np.ndarray, rows: list[list[int]]) -> np.ndarray:
        """(2, n) scores of captions and foils; NaN where the image cannot be read."""
        import torch

        items: dict[Picture, list[int]] = {}
        for number, picture in enumerate(pictures_of(self.benchmark)):
            items.setdefault(picture, []).append(number)
        pictures = list(items)
        scores = np.full((2, len(self.images)), np.nan)
        vectors = torch.from_numpy(concepts).double().to(encoder.device)
        with torch.inference_mode():
            for prepared in prepared_pictures(encoder, pictures, None):
                if not prepared.places:
                    continue
                _, tokens, mask = encoder.encode_image(prepared.inputs, with_tokens=True)
                for number, place in enumerate(prepared.places):
                    real = tokens[number] if mask is None else tokens[number][mask[number]]
                    for item in items[pictures[place]]:
                        for side in (0, 1):
                            own = vectors[rows[side * len(self.images) + item]]
                            scores[side, item] = float(self._mean_cosine(real.double(), own))
        return scores

    def _mean_cosine(self, tokens: Tensor, concepts: Tensor) -> Tensor:
        """Mean over (K, d) concepts of their cosine with the (L, d) tokens, pooled by attention to each."""
        from torch.nn.functional import normalize

        attention = (self.scale * tokens @ concepts.T).softmax(dim=0)  # (L, K)
        pooled = normalize(attention.T @ tokens, dim=1)  # (K, d)
        return (pooled * concepts).sum(dim=1).mean()
