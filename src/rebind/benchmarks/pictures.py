"""How the pictures of a benchmark are decoded: as its own code does it, or as training data."""

from __future__ import annotations

from rebind.benchmarks.contract import AsStored, Benchmark, Picture
from rebind.benchmarks.joint import JointBenchmark
from rebind.benchmarks.naming import BENCHMARKS
from rebind.types import BrokenSample

AS_STORED, UPRIGHT = "as stored", "upright"


def decoding_of(benchmark: str) -> str:
    """``as stored`` for the pictures of a published benchmark, ``upright`` for those of one's own, by its name."""
    return AS_STORED if benchmark in BENCHMARKS and BENCHMARKS[benchmark].source else UPRIGHT


def pictures_of(benchmark: Benchmark) -> list[Picture]:
    """The images of a benchmark, each saying how it is decoded.

    The code of published benchmarks knows nothing of EXIF orientation and drops transparency, and the rectangles of ARO
    and CREPE are in coordinates of the picture as it is stored.
    """
    if isinstance(benchmark, JointBenchmark):
        return [picture for part in benchmark.parts for picture in pictures_of(part)]
    if decoding_of(benchmark.name) == UPRIGHT:
        return list(benchmark.images)
    return [each if isinstance(each, BrokenSample | AsStored) else AsStored(each) for each in benchmark.images]
