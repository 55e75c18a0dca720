"""Every way a model folder can be wrong gets one sentence that names what is missing."""

import errno
import json
import resource

import pytest
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from rebind.models import DualEncoder, build_small_siglip
from rebind.models.checkpoint import rust_errors_as_os_errors
from rebind.storage import disk_errors
from rebind.types import UserError


@pytest.fixture
def folder(tmp_path):
    build_small_siglip(["a red circle"]).save(tmp_path / "model")
    return tmp_path / "model"


def message_of(folder):
    with pytest.raises(UserError) as caught:
        DualEncoder.from_pretrained(folder)
    text = str(caught.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("config.json", "no configuration: expected config.json"),
        ("tokenizer.json", "no tokenizer: expected tokenizer.json or tokenizer.model or spiece.model"),
        ("processor_config.json", "no image processor: expected preprocessor_config.json or processor_config.json"),
        ("model.safetensors", "expected a whole model.safetensors"),
    ],
)
def test_missing_file_is_named(folder, file, words):
    (folder / file).unlink()
    text = message_of(folder)
    assert words in text
    assert str(folder) in text


def test_missing_folder(tmp_path):
    assert "does not exist" in message_of(tmp_path / "nowhere")
    assert "does not exist" in message_of(str(tmp_path / "nowhere"))
    assert "does not exist" in message_of("./nowhere")


def test_hub_out_of_reach(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    text = message_of("nobody/no-such-model")
    assert "nobody/no-such-model is neither a folder here nor a model that the Hugging Face hub would give" in text


def test_other_kind_of_model(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "bert"}))
    text = message_of(folder)
    assert "'bert'" in text
    assert "clip, siglip, siglip2" in text


def test_configuration_that_is_not_json(folder):
    (folder / "config.json").write_text("{")
    assert f"cannot read config.json of model folder {folder}" in message_of(folder)


def test_damaged_tokenizer(folder):
    (folder / "tokenizer.json").write_text("{")
    assert "cannot load the tokenizer" in message_of(folder)


def test_damaged_image_processor(folder):
    (folder / "processor_config.json").write_text("{")
    assert "cannot load the image processor" in message_of(folder)


def test_truncated_weights(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    assert "cannot load the weights" in message_of(folder)


def test_weights_of_one_tower_only(folder):
    weights = load_file(folder / "model.safetensors")
    vision = {name: value for name, value in weights.items() if name.startswith("vision_model")}
    save_file(vision, folder / "model.safetensors", metadata={"format": "pt"})
    assert "such as logit_bias" in message_of(folder)


def test_weights_of_another_size(folder):
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["max_position_embeddings"] = 20
    (folder / "config.json").write_text(json.dumps(config))
    assert "such as text_model.embeddings.position_embedding.weight" in message_of(folder)


def test_pickled_weights_are_not_read(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert "expected a whole model.safetensors" in message_of(folder)


def test_full_disk_gets_a_sentence(tmp_path):
    full = SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
    with pytest.raises(UserError, match="disk is full"), disk_errors(tmp_path / "model"), rust_errors_as_os_errors():
        raise full


def test_failed_save_keeps_the_old_checkpoint_and_leaves_nothing_else(folder):
    encoder = build_small_siglip(["a blue star"], width=128)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))  # the weights are larger
    try:
        with pytest.raises((OSError, UserError)) as caught:
            encoder.save(folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    error = caught.value.__cause__ if isinstance(caught.value, UserError) else caught.value
    assert error.errno == errno.EFBIG
    assert [path.name for path in folder.parent.iterdir()] == ["model"]
    assert DualEncoder.from_pretrained(folder).width == 64


def test_other_files_do_not_give_way_to_a_model(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "1.jpg").write_bytes(b"one")
    with pytest.raises(UserError, match=r"cannot write a model to .*photos, which holds other files"):
        build_small_siglip(["a blue star"]).save(tmp_path / "photos")
    assert [path.name for path in tmp_path.rglob("*")] == ["photos", "1.jpg"]
