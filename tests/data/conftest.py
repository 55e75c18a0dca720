import io
import json

import pytest
from PIL import Image


def encode(colour="red", size=(8, 6), form="PNG", mode="RGB"):
    file = io.BytesIO()
    Image.new(mode, size, colour).save(file, form)
    return file.getvalue()


@pytest.fixture
def photos(tmp_path):
    """A folder with three pictures (red, lime, blue) and no captions yet."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for colour in ("red", "lime", "blue"):
        (folder / f"{colour}.png").write_bytes(encode(colour))
    return folder


@pytest.fixture
def write_rows():
    def write(file, rows):
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return file

    return write
