"""Small random checkpoints of every family."""

import numpy as np
import pytest
from PIL import Image

from tiny_models import CAPTIONS, FAMILIES, SIZE, build_encoders


@pytest.fixture(scope="session")
def encoders(tmp_path_factory):
    """One untrained encoder of each family."""
    return build_encoders(tmp_path_factory.mktemp("tokenizers"))


@pytest.fixture(scope="session", params=FAMILIES)
def encoder(request, encoders):
    return encoders[request.param]


@pytest.fixture(scope="session")
def captions():
    return CAPTIONS


@pytest.fixture(scope="session")
def pictures():
    """Noise of several shapes, one of them the size that the fixed-resolution models want."""
    noise = np.random.default_rng(0)
    shapes = [(SIZE, SIZE), (61, 83), (100, 40), (20, 31)]
    return [Image.fromarray(noise.integers(0, 256, (*shape, 3), dtype=np.uint8)) for shape in shapes]
