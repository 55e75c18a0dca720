"""The formulae of ``docs/scaling.md`` against what processes really send and what torch really multiplies."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import CLIPConfig, CLIPModel, SiglipConfig, SiglipImageProcessorPil, SiglipModel

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY))

from benchmarks import scaling  # noqa: E402
from rebind.models import DualEncoder  # noqa: E402
from rebind.models.small import build_word_tokenizer  # noqa: E402
from rebind.objectives import build_objective  # noqa: E402
from rebind.types import Embeddings  # noqa: E402

PROCESSES = 4


@pytest.fixture(scope="module")
def counted(tmp_path_factory):
    """By number of processes, what each process counted."""
    folder = tmp_path_factory.mktemp("group")
    command = [sys.executable, str(Path(__file__).with_name("scaling_worker.py")), str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    workers = [subprocess.Popen([*command, str(rank), str(PROCESSES)], env=environment) for rank in range(PROCESSES)]
    try:
        assert [worker.wait(timeout=150) for worker in workers] == [0] * PROCESSES
    finally:
        for worker in workers:
            worker.kill()
    found = [json.loads((folder / f"{rank}.json").read_text()) for rank in range(PROCESSES)]
    return {count: [each[str(count)] for each in found[:count]] for count in range(2, PROCESSES + 1)}


def arguments(group):
    return [scaling.Load(**each["load"]) for each in group], group[0]["width"], group[0]["parameters"]


@pytest.mark.slow
@pytest.mark.parametrize("processes", range(2, PROCESSES + 1))
@pytest.mark.parametrize("way", ["dense", "cached"])
def test_collectives_are_handed_what_the_formula_says(counted, processes, way):
    group = counted[processes]
    payloads = scaling.payloads(*arguments(group))
    for each in group:
        assert each[way]["handed"] == {
            "all_gather torch.int64": payloads["counts"] + payloads["row numbers"],
            "all_gather torch.float32": payloads["embeddings"] + payloads["reference embeddings"],
            "reduce_scatter torch.float32": processes * payloads["gradients of embeddings"],
            "all_reduce": payloads["gradients of parameters"],
        }


@pytest.mark.slow
@pytest.mark.parametrize("processes", range(2, PROCESSES + 1))
@pytest.mark.parametrize("way", ["dense", "cached", "alone"])
def test_sockets_send_what_the_formula_says(counted, processes, way):
    """Up to the heads of messages; gloo makes of a reduce-scatter an all-reduce, and so sends twice as much for it."""
    if sys.platform != "linux":
        return  # only Linux counts a connection's bytes
    group = counted[processes]
    sent = scaling.bytes_per_step(*arguments(group))
    if way == "alone":
        del sent["gradients of parameters"]
    total = sum(sent.values()) + sent["gradients of embeddings"]
    for each in group:
        assert total <= each[way]["sent"] <= 1.05 * total


def flops_of(run):
    """Of matrix products and convolutions, attention included, forward and backward."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


def encoder_of(kind):
    """A pair of small towers, and what the formulae call it."""
    text = {"hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 3, "num_attention_heads": 2}
    text |= {"vocab_size": 20, "max_position_embeddings": 11, "bos_token_id": None, "eos_token_id": 2}
    vision = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4}
    vision |= {"image_size": 48, "patch_size": 8}
    both = {"text_config": text, "vision_config": vision, "attn_implementation": "eager"}
    tokenizer = build_word_tokenizer(["a word"], most_tokens=11)
    if kind == "clip":
        tokenizer.eos_token = "word"  # CLIP takes the id 2 for another
        text["eos_token_id"] = tokenizer.eos_token_id
        model = CLIPModel(CLIPConfig(**both, projection_dim=32))
    else:
        text["projection_size"] = 64
        model = SiglipModel(SiglipConfig(**both))
    towers = scaling.Tower(64, 96, 2, 36 + (kind == "clip")), scaling.Tower(48, 80, 3, 11)
    processor = SiglipImageProcessorPil(size={"height": 48, "width": 48})
    encoder = DualEncoder(model, tokenizer, processor)
    return encoder, scaling.Model(*towers, encoder.width, 3 * 8 * 8, kind != "clip", 0)


@pytest.mark.parametrize("image_tokens", [False, True])
@pytest.mark.parametrize("kind", ["siglip", "clip"])
def test_towers_multiply_what_the_formula_says(kind, image_tokens):
    encoder, model = encoder_of(kind)
    images = {"pixel_values": torch.zeros(5, 3, 48, 48, dtype=torch.uint8)}
    captions, concepts = ({"input_ids": torch.full((5, length), 2)} for length in (11, 4))

    def run():
        outputs = encoder(images, {"texts": captions, "concepts": concepts}, image_tokens)
        names = ["image", "texts", "concepts", *(["image_tokens"] if image_tokens else [])]
        torch.stack([outputs[name].sum() for name in names]).sum().backward()

    expected = scaling.tower_flops(model, scaling.Load(5, 20, 5), 4, image_tokens)
    assert flops_of(run) == pytest.approx(expected, rel=0.01)


def global_batch(load, whole, width):
    def rows(count, *shape):
        return torch.nn.functional.normalize(torch.randn(count, *shape, width), dim=-1).requires_grad_()

    return Embeddings(
        image=rows(whole.images),
        text=rows(whole.images),
        logit_scale=torch.tensor(10.0),
        logit_bias=torch.tensor(-5.0),
        own=slice(0, load.images),
        image_tokens=rows(load.images, 36),
        concepts=rows(whole.strings),
        concept_index=torch.arange(whole.concepts) % whole.strings,
        concept_owner=torch.arange(whole.concepts) % whole.images,
        negative_text=rows(whole.negatives),
        negative_owner=torch.arange(whole.negatives) // 2,
        negative_image=rows(whole.pictures),
        negative_image_text=torch.arange(whole.pictures),
    )


@pytest.mark.parametrize("strings", [20, 200])  # few: pooled form of the attention; many: Gram form
@pytest.mark.parametrize("name", ["siglip", "clip", "negclip", "tripletclip", "c2lip"])
def test_a_process_multiplies_its_own_rows_only(name, strings):
    whole = scaling.Load(24, 240, strings, negatives=36, pictures=20)
    model = replace(encoder_of("siglip")[1], width=32)
    for own in (24, 6):  # a share of a quarter is a quarter of the work
        load = scaling.Load(own, negatives=own + own // 2, pictures=20 if own == 24 else 12)
        embeddings, objective = global_batch(load, whole, 32), build_objective(name)
        expected = sum(scaling.pairwise_flops(name, model, load, whole).values())
        assert flops_of(lambda e=embeddings, o=objective: o(e).total.backward()) == pytest.approx(expected, rel=0.01)


def test_the_law_of_phrases_meets_what_captions_showed():
    """Distinct shares of the phrases of COCO's captions, measured on batches of 8 to 4,096 images."""
    measured = {23: 0.954, 92: 0.894, 276: 0.786, 2208: 0.530, 11776: 0.349, 41: 0.958, 496: 0.761, 21176: 0.332}
    for concepts, share in measured.items():
        assert scaling.expected_strings(concepts) / concepts == pytest.approx(share, abs=0.03)


def test_the_page_shows_the_tables_that_the_module_prints():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scaling"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    page = (REPOSITORY / "docs" / "scaling.md").read_text(encoding="utf-8")
    tables = [line for line in done.stdout.splitlines() if line.startswith("|")]
    assert len(tables) > 8
    assert [line for line in tables if line not in page] == []
    met = re.search(r"at (\d+) GPUs", done.stdout)
    assert met
    assert f"at {met[1]} GPUs" in page
