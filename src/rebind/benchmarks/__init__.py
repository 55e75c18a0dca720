"""Benchmarks: what must be embedded, and pure scores of the embeddings with ties, intervals and both averages."""

from rebind.benchmarks.comparison import compare_runs, comparison_table
from rebind.benchmarks.concept_attention import ConceptAttention
from rebind.benchmarks.contract import Benchmark
from rebind.benchmarks.evaluation import evaluate, evaluate_model
from rebind.benchmarks.foils import FoilBenchmark, FoilItem, read_foils
from rebind.benchmarks.joint import JointBenchmark
from rebind.benchmarks.naming import BENCHMARKS, build_benchmark
from rebind.benchmarks.retrieval import RetrievalBenchmark
from rebind.benchmarks.world import read_world
from rebind.benchmarks.zero_shot import ZeroShotBenchmark, read_zero_shot

__all__ = [
    "BENCHMARKS",
    "Benchmark",
    "ConceptAttention",
    "FoilBenchmark",
    "FoilItem",
    "JointBenchmark",
    "RetrievalBenchmark",
    "ZeroShotBenchmark",
    "build_benchmark",
    "compare_runs",
    "comparison_table",
    "evaluate",
    "evaluate_model",
    "read_foils",
    "read_world",
    "read_zero_shot",
]
