"""One process or many, whole or in chunks: the same loss and the same gradients, for every objective."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from gradients_worker import CASES, CHUNKS
from safetensors.torch import load_file

from rebind.objectives import objective_names
from tiny_models import build_encoders

WORKER = Path(__file__).with_name("gradients_worker.py")
#: Seven samples; the fourth has eight concepts, its neighbours one or two; of the three processes, one has none at all.
SHARES = ["7", "3,4", "4,0,3"]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What every group of processes found, by their shares."""
    folder = tmp_path_factory.mktemp("gradients")
    encoders = build_encoders(folder)
    for family in ("siglip", "clip"):
        encoders[family].save(folder / family)
    results = {}
    for shares in SHARES:
        out = folder / f"{shares}.safetensors"
        words = [str(WORKER), str(out), str(folder / "siglip"), str(folder / "clip"), shares]
        count = shares.count(",") + 1
        torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"] if count > 1 else []
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        subprocess.run([sys.executable, *torchrun, *words], env=environment, check=True, timeout=300)
        results[shares] = load_file(out)
    return results


def of_case(results, family, case, chunks):
    prefix = f"{family}/{case}/{chunks}/"
    return {name.removeprefix(prefix): value for name, value in results.items() if name.startswith(prefix)}


@pytest.mark.slow
@pytest.mark.parametrize("chunks", CHUNKS)
@pytest.mark.parametrize("shares", SHARES)
@pytest.mark.parametrize("case", CASES)
def test_they_equal_those_of_one_process_and_one_chunk(found, case, shares, chunks):
    for family in ("siglip", "clip"):
        expected = of_case(found["7"], family, case, 1)
        actual = of_case(found[shares], family, case, chunks)
        assert actual.keys() == expected.keys()
        assert len(actual) > 30
        largest = max(value.abs().max() for name, value in expected.items() if name != "loss")
        assert largest > 1e-3
        for name, value in expected.items():
            error = (actual[name] - value).abs().max()
            scale = abs(value) if name == "loss" else largest
            assert error <= 1e-5 * scale, f"{family} {name}: {error:.1e} of {scale:.1e}"


def test_every_objective_is_among_the_cases():
    assert set(objective_names()) <= set(CASES)
    assert torch.tensor(CHUNKS).max() > 1
