import io
import json
import tarfile

import pytest
from tiny_world import CAPTIONS, paint, write_foils, write_lines

from rebind.benchmarks import BENCHMARKS, build_benchmark, evaluate, read_foils, read_zero_shot
from rebind.types import UserError


def test_foils_are_read_in_the_papers_order_and_keys_may_have_gaps(tmp_path):
    for category in ("add_att", "zebra", "swap_obj", "apple", "swap_att"):
        write_foils(tmp_path / f"{category}.json", [("1.jpg", f"a {category}", "a foil")])
    gap = {
        "0": {"filename": "a/1.jpg", "caption": "x", "negative_caption": "y"},
        "7": {"filename": "2.jpg", "caption": "z", "negative_caption": "w"},
    }
    (tmp_path / "swap_obj.json").write_text(json.dumps(gap))
    items = read_foils(tmp_path, tmp_path / "images")
    assert [item.category for item in items] == ["swap_att", "swap_obj", "swap_obj", "add_att", "apple", "zebra"]
    assert items[1].image == tmp_path / "images/a/1.jpg"
    assert (items[2].caption, items[2].foil) == ("z", "w")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"swap_att.json is not valid JSON"),
        ("[]", r"swap_att.json must hold one JSON object of items"),
        (
            '{"4": {"filename": "1.jpg", "caption": "a"}}',
            r'swap_att.json, item "4": the field "negative_caption" must be',
        ),
        (
            '{"4": {"filename": "1.jpg", "caption": " ", "negative_caption": "b"}}',
            r'item "4": the field "caption" must be',
        ),
        ('{"4": {"filename": "../1.jpg", "caption": "a", "negative_caption": "b"}}', r'"../1.jpg" must lie inside'),
        ('{"4": {"filename": "/etc/1.jpg", "caption": "a", "negative_caption": "b"}}', r'"/etc/1.jpg" must lie inside'),
    ],
)
def test_what_is_wrong_in_a_foil_file_is_said(tmp_path, content, message):
    (tmp_path / "swap_att.json").write_text(content)
    with pytest.raises(UserError, match=message):
        read_foils(tmp_path, tmp_path)


def test_a_folder_without_foil_files(tmp_path):
    with pytest.raises(UserError, match=r"holds no .json file; expected one per foil category"):
        read_foils(tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("classes", "labels", "message"),
    [
        ([{"name": "a", "prompts": ["a"]}], [], r"classes.json must hold a JSON list of two classes or more"),
        (
            [{"name": "a", "prompts": ["a"]}, {"name": "b", "prompts": []}],
            [],
            r'class 2: "prompts" must be a list of one',
        ),
        (
            [{"name": "a", "prompts": ["a"]}, {"name": "a", "prompts": ["b"]}],
            [],
            r'the name "a" is given to two classes',
        ),
        ([{"name": "a", "prompts": ["a"]}, {"name": "b", "prompts": ["b"]}], [], r"labels.jsonl holds no rows"),
        (
            [{"name": "a", "prompts": ["a"]}, {"name": "b", "prompts": ["b"]}],
            [{"image": "1.png", "label": "a"}, {"image": "2.png", "label": "c"}],
            r'labels.jsonl, row 2: the label "c" is not the name of a class',
        ),
    ],
)
def test_what_is_wrong_in_zero_shot_files_is_said(tmp_path, classes, labels, message):
    (tmp_path / "classes.json").write_text(json.dumps(classes))
    write_lines(tmp_path / "labels.jsonl", labels)
    with pytest.raises(UserError, match=message):
        read_zero_shot(tmp_path)


def test_building_by_name_says_what_is_missing(tmp_path):
    with pytest.raises(UserError, match=r'there is no benchmark "imagenet_22k"; did you mean imagenet'):
        build_benchmark("imagenet_22k", data=tmp_path)
    with pytest.raises(UserError, match=r'benchmark sugarcrepe needs "images": folder that their file names'):
        build_benchmark("sugarcrepe", annotations=tmp_path)
    with pytest.raises(UserError, match=r"which does not exist; expected a source of captioned images"):
        build_benchmark("retrieval", data=tmp_path / "nowhere")
    with pytest.raises(UserError, match=r'benchmark retrieval does not read "images"; it reads data'):
        build_benchmark("retrieval", images=tmp_path)
    assert all(kind.files for kind in BENCHMARKS.values())


def test_foils_by_name(encoder, world):
    benchmark = build_benchmark("foils", annotations=world / "test/foils", images=world / "test")
    scores, _ = evaluate(encoder, [benchmark])
    assert [score.split for score in scores] == ["swap_att", "replace_obj", "held_out", "macro", "micro"]
    assert {score.benchmark for score in scores} == {"foils"}
    assert scores[-1].n == 28  # nothing is kept apart here


def test_retrieval_reads_shards_and_several_captions_an_image(encoder, tmp_path):
    folder = tmp_path / "photos"
    rows = [{"image": f"{i}.png", "caption": CAPTIONS[i], "captions": [CAPTIONS[i], f"a {i} box"]} for i in range(8)]
    for i in range(8):
        paint(folder / f"{i}.png", i)
    write_lines(folder / "captions.jsonl", rows)
    with tarfile.open(tmp_path / "0.tar", "w") as tar:
        for i, row in enumerate(rows):
            parts = {
                "png": (folder / row["image"]).read_bytes(),
                "json": json.dumps({"captions": row["captions"]}).encode(),
            }
            for suffix, content in {**parts, "txt": row["caption"].encode()}.items():
                member = tarfile.TarInfo(f"{i}.{suffix}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    scores, broken = evaluate(encoder, [build_benchmark("retrieval", data=folder)])
    assert broken == ()
    assert {score.metric: score.n for score in scores}["text_to_image_recall@5"] == 16
    assert {score.metric: score.n for score in scores}["image_to_text_recall@5"] == 8
    assert evaluate(encoder, [build_benchmark("retrieval", data=tmp_path / "0.tar")])[0] == scores
