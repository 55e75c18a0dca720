from pathlib import Path

import pytest
import torch
from tiny_world import CAPTIONS, write_world

from rebind.models import build_small_siglip


@pytest.fixture
def world(tmp_path: Path) -> Path:
    write_world(tmp_path / "world")
    return tmp_path / "world"


@pytest.fixture(scope="session")
def encoder():
    torch.manual_seed(0)
    built = build_small_siglip(CAPTIONS, image_size=32, patch_size=16, width=16, mlp=16, layers=1, heads=2)
    return built.eval()
