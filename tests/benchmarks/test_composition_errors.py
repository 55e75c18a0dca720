"""What is wrong in the files of a composition benchmark is said in one sentence; and foil lists of one's own."""

import csv
import json

import pytest
from coarse_embeddings import scores_of, similarity
from tiny_world import write_lines

from rebind.benchmarks import BENCHMARKS, build_benchmark
from rebind.benchmarks.aro_order import official_readers
from rebind.benchmarks.naming import describe
from rebind.types import UserError

GOOD_CROP = {"image_path": "1.jpg", "true_caption": "a", "false_caption": "b", "relation_name": "on"}
GOOD_CROP |= {"bbox_x": 0, "bbox_y": 0, "bbox_w": 9, "bbox_h": 9}
TRIPLE = {"filename": "1.jpg", "caption": "a", "caption2": "b", "negative_caption": "c"}
CREPE = "prod_hard_negatives/atom/prod_vg_hard_negs_atom_complexity_4.csv"
CASES = [
    ("sugarcrepe++", "swap_obj.json", '[{"id":0,"filename":"1.j', "swap_obj.json is not valid JSON"),
    ("sugarcrepe++", "swap_obj.json", "3", "swap_obj.json must hold a JSON list of objects"),
    ("sugarcrepe++", "swap_obj.json", "[]", "swap_obj.json holds no rows"),
    ("sugarcrepe++", "swap_obj.json", [TRIPLE], "swap_att.json is missing; the five files of SugarCrepe"),
    (
        "sugarcrepe++",
        "swap_obj.json",
        [TRIPLE, {**TRIPLE, "caption2": ""}],
        'swap_obj.json, item 1: the field "caption2" must be a text',
    ),
    (
        "sugarcrepe++",
        "swap_obj.json",
        [{**TRIPLE, "filename": "/etc/passwd"}],
        'the image "/etc/passwd" must lie inside',
    ),
    ("winoground", "examples.jsonl", '{"image_0": "a"', "examples.jsonl, line 1: not valid JSON"),
    ("winoground", "examples.jsonl", '{"image_0": "a"}', 'row 1: the field "image_1" must be a text'),
    ("winoground", None, None, "is not Winoground as saved with save_to_disk"),
    ("colorswap", "test.json", [{"image_1": "a.png"}], 'test.json, item 0: the field "image_2" must be a text'),
    ("aro_vg_relation", "a.json", [{**GOOD_CROP, "bbox_w": 0}], "item 0: the fields bbox_w and bbox_h must be 1 pixel"),
    (
        "aro_vg_relation",
        "a.json",
        [{**GOOD_CROP, "bbox_x": "left"}],
        "item 0: the fields bbox_x, bbox_y, bbox_w, bbox_h",
    ),
    ("aro_vg_attribution", "a.json", [GOOD_CROP], 'item 0: the field "attributes" must be a list of two texts'),
    ("valse", None, None, "existence.json is missing; VALSE's eleven files"),
    ("valse", "existence.json", {"a_1": {"caption": "a"}}, 'existence.json, item "a_1": the field "mturk" must hold'),
    ("whatsup", None, None, "controlled_images_dataset.json is missing; get it from https"),
    ("whatsup_coco", "coco_qa_one_obj.json", [[1, "a"]], r"item 0: expected \[image id, caption, foil\]"),
    ("whatsup_coco", "coco_qa_one_obj.json", "{}", "must hold a JSON list of items"),
    ("svo_probes", "svo.csv", "sentence,subj_neg\nA,True\n", 'svo.csv, line 2: the field "verb_neg" must be a text'),
    (
        "svo_probes",
        "svo.csv",
        "subj_neg,verb_neg,obj_neg\n1,0,0\n",
        "line 2: the fields subj_neg, verb_neg, obj_neg must",
    ),
    ("svo_probes", "svo.csv", "subj_neg,verb_neg,obj_neg\nTrue,True,True\n", "holds no item that differs in one of"),
    ("mmvp_vlm", "Questions.csv", "Question ID,Type,Statement\n1,a,b\n", "holds 1 lines; expected two a pair"),
    ("mmvp_vlm", "Questions.csv", "Question ID,Type,Statement\n", "Questions.csv holds no rows"),
    ("crepe", None, None, "prod_vg_hard_negs_atom_complexity_4.csv is missing"),
    ("crepe", CREPE, "image_id,caption,hard_negs\n1,a,print(1)\n", 'line 2: the field "hard_negs" must be a list of'),
    ("vl_checklist", None, None, "holds no .json file in Attribute, Object, Relation"),
    ("vl_checklist", "Relation/other/a.json", "[]", "its name does not say where its images are from"),
    ("vl_checklist", "Relation/vg/a.json", [["1.jpg", {"POS": []}]], 'item 0: "POS" must be a list of one text'),
    ("vl_checklist", "Relation/vg/a.json", [["1.jpg"]], r"item 0: expected \[image, "),
    ("spec", None, None, "absolute_size/image2text.json is missing"),
    (
        "spec",
        "absolute_size/image2text.json",
        [{"query": "1.jpg", "keys": ["a", "b"], "label": 2}],
        'the field "label" must be the place of one of the 2 keys',
    ),
]


@pytest.mark.parametrize(("name", "file", "content", "message"), CASES)
def test_what_is_wrong_in_a_file_is_said(tmp_path, name, file, content, message):
    path = tmp_path / "given"
    path.mkdir()
    if file is not None:
        written = path / file
        written.parent.mkdir(parents=True, exist_ok=True)
        written.write_text(content if isinstance(content, str) else json.dumps(content))
    kind = BENCHMARKS[name]
    single = file is not None and next(iter(kind.files.values())).startswith("file ")
    place = path / "prod_hard_negatives" if file == CREPE else path / file if single else path
    given = {each: tmp_path if each == "images" else place for each in kind.files}
    with pytest.raises(UserError, match=message) as caught:
        build_benchmark(name, **given)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_missing_is_named_with_where_to_get_it(tmp_path):
    with pytest.raises(UserError) as caught:
        build_benchmark("winoground", data_root=tmp_path)
    expected = f'benchmark winoground: "annotations" is {tmp_path}/winoground/examples.jsonl, which does not exist'
    assert str(caught.value).startswith(expected)
    assert "get it from https://huggingface.co/datasets/facebook/winoground" in str(caught.value)
    with pytest.raises(UserError, match=r'benchmark spec needs "data": folder of SPEC.*; get it from https'):
        build_benchmark("spec")


def test_a_file_that_is_given_wins_over_the_data_root(tmp_path):
    write_lines(tmp_path / "mine.jsonl", [{"image_0": "1", "image_1": "2", "caption_0": "a", "caption_1": "b"}])
    (tmp_path / "winoground/images").mkdir(parents=True)
    with pytest.raises(UserError, match=r'mine.jsonl, row 1: the field "collapsed_tag" must be'):
        build_benchmark("winoground", data_root=tmp_path, annotations=tmp_path / "mine.jsonl")


@pytest.mark.parametrize("name", list(BENCHMARKS))
def test_every_benchmark_says_what_it_measures_and_reads(name):
    kind, told = BENCHMARKS[name], describe(name)
    assert kind.measures in told
    assert all(f"--{file.replace('_', '-')}: " in told for file in kind.files)
    assert set(kind.layout) <= set(kind.files)
    assert not any(place.startswith(("/", "..")) for place in kind.layout.values())


def test_what_the_order_tasks_need_is_said(monkeypatch):
    monkeypatch.setattr("rebind.benchmarks.aro_order.PIPELINE", "a_pipeline_that_nobody_has")
    with pytest.raises(UserError, match=r"python -m spacy download .* and python -m nltk.downloader punkt_tab"):
        official_readers()


ROWS = [
    {"picture": f"{i}.jpg", "text": f"a cat {i}", "bad": f"a dog {i}", "worse": f"a hat {i}", "kind": "ab"[i % 2]}
    for i in range(12)
]


def write_table(path, suffix):
    if suffix == "jsonl":
        write_lines(path, ROWS)
    elif suffix == "json":
        path.write_text(json.dumps([{**row, "bad": [row["bad"]]} for row in ROWS]))
    else:
        with path.open("w", newline="") as file:
            table = csv.DictWriter(file, list(ROWS[0]), delimiter="\t" if suffix == "tsv" else ",")
            table.writeheader()
            table.writerows(ROWS)


@pytest.mark.parametrize("suffix", ["json", "jsonl", "csv", "tsv"])
@pytest.mark.parametrize("ties", ["wrong", "right"])
def test_a_foil_list_of_ones_own(tmp_path, suffix, ties):
    write_table(tmp_path / f"rows.{suffix}", suffix)
    spec = f"annotations: rows.{suffix}\nimages: photos\nimage: picture\ncaption: text\nfoils: [bad, worse]\n"
    (tmp_path / "list.yaml").write_text(f"{spec}category: kind\nties: {ties}\n")
    scores = scores_of(build_benchmark("foil_list", data=tmp_path / "list.yaml"))
    expected = []
    for row in ROWS[::2]:
        caption, *foils = (
            similarity(tmp_path / "photos" / row["picture"], row[key]) for key in ("text", "bad", "worse")
        )
        expected.append(caption >= max(foils) if ties == "right" else caption > max(foils))
    assert scores["a", "accuracy"].correct.tolist() == expected
    assert scores["a", "accuracy"].chance == 1 / 3


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("[", "cannot read .*list.yaml"),
        ("- a", "must be a mapping with the keys annotations, caption"),
        ("annotation: a", "must be a mapping with the keys annotations, caption"),
        ("annotations: a.json\nties: maybe", '"ties" must be wrong or right'),
        ("annotations: a.json", 'the field "images" must be a text'),
        (
            "{annotations: a.json, images: i, image: i, caption: c, foils: []}",
            'the field "foils" must be a text or a list',
        ),
        ("{annotations: a.json, images: i, image: i, caption: c, foils: f}", "cannot read .*a.json"),
        ("{annotations: a.csv, images: i, image: i, caption: c, foils: f}", "cannot read .*a.csv"),
    ],
)
def test_what_is_wrong_in_a_foil_list_is_said(tmp_path, spec, message):
    (tmp_path / "list.yaml").write_text(spec)
    with pytest.raises(UserError, match=message):
        build_benchmark("foil_list", data=tmp_path / "list.yaml")
