import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from rebind.objectives.attention_pooling import concept_attention_logits
from rebind.types import UserError

HERE = Path(__file__).parent


def run(script: str, **environment: str) -> list:
    inherited = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    done = subprocess.run(
        [sys.executable, HERE / script], capture_output=True, text=True, env=inherited | environment, check=False
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_kernels_agree_with_the_equations_in_the_interpreter():
    """In float32 up to rounding; with bfloat16 operands the weights are off by 1/512, the gradients by more where s is
    large, since they are differences of nearly equal terms times s."""
    bounds = {"single": (1e-6, 1e-5), "half": (4e-3, 8e-2), "oddities": (1e-5, 1e-5)}
    results = run("attention_triton_errors.py", TRITON_INTERPRET="1")
    assert len(results) == 2 * 13 + 3
    for name, (cosines, *gradients), types_are_right in results:
        of_cosines, of_gradients = bounds[name.split()[0]]
        assert cosines < of_cosines, name
        assert max(gradients) < of_gradients, name
        assert types_are_right, name


@pytest.mark.slow
def test_the_kernels_compile_for_an_h100_and_fit_it(tmp_path):
    """227 KiB of shared memory; tensor cores' own instructions at the usual number of tokens."""
    results = run("attention_triton_compiled.py", TRITON_CACHE_DIR=str(tmp_path))
    assert len(results) == 4
    for name, shared, on_tensor_cores in results:
        assert shared <= 227 * 1024, name
        assert on_tensor_cores or "1024" in name, name


@pytest.mark.parametrize(
    ("tokens", "dtype", "sentence"),
    [
        (3, torch.float32, "needs image tokens on a CUDA device, not cpu"),
        (3, torch.float64, "computes in float32 or bfloat16, not float64"),
        (2000, torch.float32, "takes at most 1024 tokens an image, not 2000"),
    ],
)
def test_what_cannot_be_run_is_said(tokens, dtype, sentence, monkeypatch):
    if "CUDA" in sentence:
        monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    else:
        monkeypatch.setenv("TRITON_INTERPRET", "1")
    with pytest.raises(UserError, match=f"{sentence}; use kernel='torch'"):
        concept_attention_logits(
            torch.zeros(2, tokens, 4, dtype=dtype), torch.zeros(5, 4, dtype=dtype), kernel="triton"
        )


def test_without_triton(monkeypatch):
    monkeypatch.setitem(sys.modules, "triton", None)
    with pytest.raises(UserError, match="needs the package triton, which is not installed; use kernel='torch'"):
        concept_attention_logits(torch.zeros(2, 3, 4), torch.zeros(5, 4), kernel="triton")


def test_the_objectives_are_imported_without_triton():
    code = (
        "import sys; from rebind.objectives import objective_names; objective_names(); print('triton' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
