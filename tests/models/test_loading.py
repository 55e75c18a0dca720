import json

import torch

from rebind.models import DualEncoder, load_encoder


def test_a_folder_gives_the_dual_encoder(encoder, tmp_path):
    encoder.save(tmp_path / "model")
    loaded = load_encoder(tmp_path / "model")
    assert isinstance(loaded, DualEncoder)
    assert loaded.describe() == encoder.describe()


def test_the_description_says_what_moves_a_number(encoder):
    about = json.loads(json.dumps(encoder.describe()))
    assert about["kind"] == encoder.family
    assert about["dtype"] == "float32"
    clip = encoder.family == "clip"
    assert about["padding"] == ("to the longest of the batch" if clip else "to 24 tokens")
    assert about["activation"]["text"] == ("quick_gelu" if clip else "gelu_pytorch_tanh")
    assert about["resolution"] == (16 if encoder.family == "siglip2" else 48)
    assert "image_mean" in about["image"]


@torch.no_grad()
def test_a_changed_weight_changes_the_digest_and_no_other_does(encoder):
    before = encoder.describe()
    parameter = next(encoder.parameters())
    value = parameter.flatten()[0].item()
    parameter.view(-1)[0] = value + 1
    changed = encoder.describe()
    parameter.view(-1)[0] = value
    assert {name for name in before if before[name] != changed[name]} == {"weights"}
    encoder.texts(["a star", "two dogs"])
    assert encoder.describe() == before
