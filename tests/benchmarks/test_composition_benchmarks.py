"""Each benchmark on small files in its official format, judged by its official rule written out plainly."""

import csv
import json
import random

import numpy as np
import pytest
from coarse_embeddings import scores_of, similarity
from tiny_world import write_lines

from rebind.benchmarks import build_benchmark
from rebind.benchmarks.aro_order import WordReaders, cleaned, read_order, shuffled
from rebind.benchmarks.contract import Crop

PLACES = ["cup", "box", "dog", "cat", "hat", "car", "bed", "sun", "fan", "jar"]


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def write_csv(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def argmax_is(images_and_texts, right):
    """Whether argmax over the similarities, which takes the first of equals, gives ``right``."""
    return int(np.argmax([similarity(image, text) for image, text in images_and_texts])) == right


def winoground_rule(i0, i1, c0, c1):
    text = similarity(i0, c0) > similarity(i0, c1) and similarity(i1, c1) > similarity(i1, c0)
    image = similarity(i0, c0) > similarity(i1, c0) and similarity(i1, c1) > similarity(i0, c1)
    return {"text": text, "image": image, "group": text and image}


def assert_groups(scores, split, groups):
    for metric in ("text", "image", "group"):
        assert scores[split, metric].correct.tolist() == [winoground_rule(*group)[metric] for group in groups]
        assert scores[split, metric].n == len(groups)


def test_winoground(tmp_path):
    rows = [
        {
            "id": i,
            "image_0": f"ex_{i}_img_0",
            "image_1": f"ex_{i}_img_1",
            "caption_0": f"a {PLACES[i]} on a hat",
            "caption_1": f"a hat on a {PLACES[i]}",
            "collapsed_tag": ["Object", "Relation", "Both"][i % 3],
        }
        for i in range(10)
    ]
    write_lines(tmp_path / "winoground/examples.jsonl", rows)
    (tmp_path / "winoground/images").mkdir()
    scores = scores_of(build_benchmark("winoground", data_root=tmp_path))
    groups = [
        (*(tmp_path / f"winoground/images/ex_{i}_img_{k}.png" for k in range(2)), row["caption_0"], row["caption_1"])
        for i, row in enumerate(rows)
    ]
    assert_groups(scores, "Relation", groups[1::3])
    assert scores["micro", "group"].value == np.mean([winoground_rule(*group)["group"] for group in groups])
    assert [scores["micro", metric].chance for metric in ("text", "image", "group")] == pytest.approx(
        [0.25, 0.25, 1 / 6]
    )


def test_winoground_saved_by_the_datasets_library(tmp_path):
    import io

    from datasets import Dataset, DatasetDict, Features, Image, Value
    from PIL import Image as Pictures

    def picture(shade):
        file = io.BytesIO()
        Pictures.new("RGB", (4, 4), (shade, shade, shade)).save(file, "PNG")
        return {"bytes": file.getvalue(), "path": None}

    texts = ("caption_0", "caption_1", "collapsed_tag")
    features = Features({"image_0": Image(), "image_1": Image(), **{name: Value("string") for name in texts}})
    row = {"image_0": picture(10), "image_1": picture(200), "caption_0": "a", "caption_1": "b", "collapsed_tag": "Both"}
    data = Dataset.from_list([row], features=features)
    DatasetDict({"test": data}).save_to_disk(tmp_path / "saved")
    benchmark = build_benchmark("winoground", annotations=tmp_path / "saved", images=tmp_path / "saved")
    assert benchmark.images == [row["image_0"]["bytes"], row["image_1"]["bytes"]]
    assert benchmark.texts == ["a", "b"]


def test_colorswap(tmp_path):
    rows = [
        {
            "id": i,
            "caption_1": f"a red {thing} and a blue box",
            "caption_2": f"a blue {thing} and a red box",
            "image_1": f"images/img_{i}_1.png",
            "image_2": f"images/img_{i}_2.png",
            "image_source": "midjourney",
        }
        for i, thing in enumerate(PLACES)
    ]
    write_json(tmp_path / "colorswap/test.json", rows)
    scores = scores_of(build_benchmark("colorswap", data_root=tmp_path))
    folder = tmp_path / "colorswap"
    names = ("image_1", "image_2")
    assert_groups(
        scores, "all", [(*(folder / row[name] for name in names), row["caption_1"], row["caption_2"]) for row in rows]
    )


def test_eqben_has_a_split_for_each_source_frames_in_numpy_files_among_them(tmp_path):
    rows = [
        {
            "image0": f"{folder}/{i}_0.{suffix}",
            "image1": f"{folder}/{i}_1.{suffix}",
            "caption0": f"the {PLACES[i]} opens",
            "caption1": f"the {PLACES[i]} closes",
        }
        for i in range(8)
        for folder, suffix in (("eqbensd", "jpg"), ("eqbenyoucook2", "npy"), ("eqbenkubric_loc", "png"))
    ]
    write_json(tmp_path / "eqben/eqben_subset_10percent_final.json", rows)
    images = tmp_path / "eqben/image_subset"
    images.mkdir()
    scores = scores_of(build_benchmark("eqben", data_root=tmp_path))
    assert {split for split, _ in scores} == {"eqbensd", "eqbenyoucook2", "eqbenkubric_loc", "macro", "micro"}
    for start, split in ((1, "eqbenyoucook2"), (2, "eqbenkubric_loc")):
        own = rows[start::3]
        groups = [(images / row["image0"], images / row["image1"], row["caption0"], row["caption1"]) for row in own]
        assert_groups(scores, split, groups)


def vg_row(i, **fields):
    box = {"bbox_x": 3 * i, "bbox_y": 2, "bbox_w": 30, "bbox_h": 40 + i}
    captions = {"true_caption": f"the {PLACES[i % 10]} is {i}", "false_caption": f"the {i} is {PLACES[i % 10]}"}
    return {"image_path": f"{i}.jpg", **box, **captions, **fields}


def aro_rule(images, row):
    """The official captions are [false, true], of which argmax must take the second."""
    box = (row["bbox_x"], row["bbox_y"], row["bbox_x"] + row["bbox_w"], row["bbox_y"] + row["bbox_h"])
    crop = Crop(images / row["image_path"], box)
    return argmax_is([(crop, row["false_caption"]), (crop, row["true_caption"])], 1)


def test_aro_relation_crops_and_keeps_symmetric_relations_out_of_the_average(tmp_path):
    rows = [vg_row(i, relation_name=["on", "to the left of", "near"][i % 3]) for i in range(60)]
    write_json(tmp_path / "aro/visual_genome_relation.json", rows)
    images = tmp_path / "visual_genome/images"
    images.mkdir(parents=True)
    scores = scores_of(build_benchmark("aro_vg_relation", data_root=tmp_path))
    right = np.array([aro_rule(images, row) for row in rows])
    for place, relation in enumerate(("on", "to the left of", "near")):
        assert scores[relation, "accuracy"].correct.tolist() == right[place::3].tolist()
    assert scores["macro", "accuracy"].value == pytest.approx((right[0::3].mean() + right[1::3].mean()) / 2)
    assert scores["micro", "accuracy"].n == 40
    assert scores["micro", "accuracy"].ties > 0


def test_aro_attribution_keeps_rare_pairs_out_of_the_average(tmp_path):
    pairs = [["red", "open"]] * 25 + [["big", "wet"]] * 30 + [["old", "new"]] * 24
    rows = [vg_row(i, attributes=pair) for i, pair in enumerate(pairs)]
    write_json(tmp_path / "aro/visual_genome_attribution.json", rows)
    images = tmp_path / "visual_genome/images"
    touch(images / "VG_100K_2/3.jpg")  # where the official archive of Visual Genome has it
    benchmark = build_benchmark("aro_vg_attribution", data_root=tmp_path)
    assert benchmark.images[3].path == images / "VG_100K_2/3.jpg"
    assert benchmark.images[4] == Crop(images / "4.jpg", (12, 2, 42, 46))
    scores = scores_of(benchmark)
    rows[3]["image_path"] = "VG_100K_2/3.jpg"
    right = np.array([aro_rule(images, row) for row in rows])
    assert scores["red_open", "accuracy"].correct.tolist() == right[:25].tolist()
    assert scores["macro", "accuracy"].value == pytest.approx((right[:25].mean() + right[25:55].mean()) / 2)
    assert scores["rare pairs", "accuracy"].n == 24


TAGS = {"dog": "NN", "cats": "NNS", "park": "NN", "red": "JJ", "big": "JJ", "ball": "NN"}
CAPTIONS = [
    "A big dog chases red cats in the park.",
    "Two cats, near a ball!",
    "Sitting.",
    "the red ball and the big red ball and the dog",
]
READERS = WordReaders(
    lambda captions: [[(word, TAGS.get(word, "X")) for word in caption.split()] for caption in captions],
    lambda caption: caption.replace(".", " .").split(),
)


def test_shufflings_are_those_of_the_official_recipe():
    np.random.seed(1)
    random.seed(1)
    expected = []
    for caption in CAPTIONS:
        words = np.array(caption.split())
        nouns = [i for i, word in enumerate(words) if TAGS.get(word, "X").startswith("NN")]
        adjectives = [i for i, word in enumerate(words) if TAGS.get(word, "X").startswith("JJ")]
        content = words.copy()
        content[nouns] = np.random.permutation(content[nouns])
        content[adjectives] = np.random.permutation(content[adjectives])
        others = np.array([i not in nouns + adjectives for i in range(len(words))])
        rest = words.copy()
        rest[others] = np.random.permutation(rest[others])
        foils = [" ".join(content), " ".join(rest)]
        tokens = READERS.tokenize(caption)
        threes = [tokens[i : i + 3] for i in range(0, len(tokens), 3)]
        for three in threes:
            random.shuffle(three)
        foils.append(" ".join(" ".join(three) for three in threes))
        threes = [tokens[i : i + 3] for i in range(0, len(tokens), 3)]
        random.shuffle(threes)
        foils.append(" ".join(" ".join(three) for three in threes))
        expected.append(foils)
    assert shuffled(CAPTIONS, READERS) == expected
    assert shuffled(CAPTIONS, READERS, seed=2) != expected


def test_captions_are_cleaned_as_officially():
    assert cleaned("A dog:  it (barks)... LOUDLY!") == "a dog it barks loudly"
    assert cleaned(" ".join("abcdefghijklmnopqrstuvwxyzabcdefghij")).split() == list("abcdefghijklmnopqrstuvwxyzabcd")


def test_aro_order_takes_a_tie_for_right(tmp_path):
    rows = [{"image": f"val2014/COCO_val2014_{i}.jpg", "caption": CAPTIONS[i : i + 2]} for i in range(3)]
    write_json(tmp_path / "coco_karpathy_test.json", rows)
    benchmark = read_order("aro_coco_order", tmp_path / "coco_karpathy_test.json", tmp_path / "images", READERS)
    score = scores_of(benchmark)["all", "accuracy"]
    pairs = [(tmp_path / "images" / row["image"].split("/")[1], caption) for row in rows for caption in row["caption"]]
    foils = shuffled([caption for _, caption in pairs], READERS)
    expected = [
        argmax_is([(image, cleaned(text)) for text in (caption, *wrong)], 0)
        for (image, caption), wrong in zip(pairs, foils, strict=True)
    ]
    assert score.correct.tolist() == expected
    assert (score.n, score.chance) == (6, 1 / 5)
    assert score.ties > 0  # "Sitting." can only be shuffled into itself


def test_whatsup_by_image_pair_and_set(tmp_path):
    rule, chosen = {}, {}
    for split, words in (
        ("controlled_images", ["left_of", "right_of", "on", "under"]),
        ("controlled_clevr", ["left_of", "right_of", "in-front_of", "behind"]),
    ):
        rows = []
        for thing in PLACES:
            for word in words:
                name = f"{thing}_{word}_table.jpeg"
                texts = [f"A {thing} {each.replace('_', ' ')} a table" for each in dict.fromkeys((word, *words))]
                rows.append({"image_path": f"data/{split}/{name}", "caption_options": texts})
                picture = tmp_path / "whatsup" / split / name
                chosen[split, thing, word] = argmax_is([(picture, text) for text in texts], 0)
        write_json(tmp_path / f"whatsup/{split}_dataset.json", rows)
        sets = [[chosen[split, thing, word] for word in words] for thing in PLACES]
        rule[split, "accuracy"] = np.mean(sets)
        rule[split, "pair_accuracy"] = np.mean([[all(each[:2]), all(each[2:])] for each in sets])
        rule[split, "set_accuracy"] = np.mean([all(each) for each in sets])
    scores = scores_of(build_benchmark("whatsup", data_root=tmp_path))
    for row, value in rule.items():
        assert scores[row].value == pytest.approx(value)
    chances = [scores["micro", metric].chance for metric in ("accuracy", "pair_accuracy", "set_accuracy")]
    assert chances == [1 / 4, 1 / 16, 1 / 256]
    assert [scores["micro", metric].n for metric in ("accuracy", "pair_accuracy", "set_accuracy")] == [80, 40, 20]


@pytest.mark.parametrize(
    ("name", "prefix", "images", "width"),
    [("whatsup_coco", "coco", "coco/val2017", 12), ("whatsup_gqa", "vg", "visual_genome/images", 0)],
)
def test_whatsup_on_coco_and_gqa(tmp_path, name, prefix, images, width):
    rows = [[i + 7, f"a {thing} on the left", f"a {thing} on the right"] for i, thing in enumerate(PLACES)]
    for split in ("one", "two"):
        write_json(tmp_path / f"whatsup/{prefix}_qa_{split}_obj.json", rows)
    (tmp_path / images).mkdir(parents=True)
    scores = scores_of(build_benchmark(name, data_root=tmp_path))
    files = [tmp_path / images / f"{str(row[0]).zfill(width)}.jpg" for row in rows]
    expected = [argmax_is([(file, text) for text in row[1:]], 0) for file, row in zip(files, rows, strict=True)]
    assert scores["two_obj", "accuracy"].correct.tolist() == expected
    assert scores["two_obj", "accuracy"].ties > 0


def test_valse_counts_valid_foils_alone(tmp_path):
    from rebind.benchmarks.valse import IMAGES

    expected = {}
    for name, folder in IMAGES.items():
        rows = {
            f"{name}_{i}": {
                "image_file": f"{i}.jpg" if i % 2 else f"COCO_val2014_{i}.jpg",
                "caption": f"A man has a {thing}.",
                "foil": f"A {thing} has a man.",
                "mturk": {"foil": 0, "caption": i % 4, "other": 0},
            }
            for i, thing in enumerate(PLACES)
        }
        write_json(tmp_path / f"valse/{name}.json", rows)
        expected[name] = [
            similarity(image, row["caption"]) > similarity(image, row["foil"])
            for i, row in enumerate(rows.values())
            for image in [tmp_path / (folder if i % 2 else "coco/val2014") / row["image_file"]]
            if row["mturk"]["caption"] >= 2
        ]
    scores = scores_of(build_benchmark("valse", data_root=tmp_path))
    assert len(expected) == 11
    for name, right in expected.items():
        assert scores[name, "accuracy"].correct.tolist() == right
    assert scores["macro", "accuracy"].value == pytest.approx(np.mean([np.mean(right) for right in expected.values()]))


def test_svo_probes_count_single_differences_alone(tmp_path):
    flags = [(True, False, False), (False, True, False), (False, False, True), (True, True, False)]
    rows = [
        {
            "sentence": f"A {thing} runs.",
            "pos_image_id": str(i),
            "neg_image_id": str(i + 100),
            **dict(zip(("subj_neg", "verb_neg", "obj_neg"), map(str, flags[i % 4]), strict=True)),
        }
        for i, thing in enumerate(PLACES)
    ]
    write_csv(tmp_path / "svo_probes/svo_probes.csv", rows)
    folder = tmp_path / "svo_probes/images"
    folder.mkdir()
    scores = scores_of(build_benchmark("svo_probes", data_root=tmp_path))
    for place, split in enumerate(("subj_neg", "verb_neg", "obj_neg")):
        expected = [
            similarity(folder / f"{row['pos_image_id']}.jpg", row["sentence"])
            > similarity(folder / f"{row['neg_image_id']}.jpg", row["sentence"])
            for row in rows[place::4]
        ]
        assert scores[split, "accuracy"].correct.tolist() == expected
    assert scores["micro", "accuracy"].n == 8


def test_mmvp_takes_the_second_of_equal_images(tmp_path):
    types = ["Orientation", "Camera Perspective"]
    rows = [
        {"Question ID": str(i + 1), "Type": types[i // 20], "Statement": f"a {PLACES[i % 10]} {i}"} for i in range(40)
    ]
    write_csv(tmp_path / "mmvp_vlm/Questions.csv", rows)
    folder = tmp_path / "mmvp_vlm/MLLM_VLM Images"
    folder.mkdir()
    scores = scores_of(build_benchmark("mmvp_vlm", data_root=tmp_path))
    expected = {kind: [] for kind in types}
    for first, second in zip(rows[::2], rows[1::2], strict=True):
        images = [folder / first["Type"] / f"{row['Question ID']}.jpg" for row in (first, second)]
        chosen = []
        for row in (first, second):
            one, two = (similarity(image, f"a photo of {row['Statement']}") for image in images)
            chosen.append("img1" if one > two else "img2")
        expected[first["Type"]].append(chosen == ["img1", "img2"])
    for kind in types:
        assert scores[kind, "pair_accuracy"].correct.tolist() == expected[kind]
        assert scores[kind, "pair_accuracy"].chance == 1 / 4


def test_crepe_finds_the_caption_among_its_negatives(tmp_path):
    rows = [
        {
            "image_id": str(i),
            "caption": f"{thing} on mat",
            "hard_negs": str([f"{other} on mat {i}" for other in PLACES[:5]]),
            **{"x": "1", "y": "2", "width": "30", "height": "20"},
        }
        for i, thing in enumerate(PLACES)
    ]
    for kind in ("atom", "swap", "negate"):
        for complexity in range(4, 13):
            path = tmp_path / f"crepe/prod_hard_negatives/{kind}/prod_vg_hard_negs_{kind}_complexity_{complexity}.csv"
            write_csv(path, rows)
    images = tmp_path / "visual_genome/images"
    images.mkdir(parents=True)
    scores = scores_of(build_benchmark("crepe", data_root=tmp_path))
    assert len({split for split, _ in scores} - {"macro", "micro"}) == 27
    expected = []
    for i, row in enumerate(rows):
        crop = Crop(images / f"{i}.jpg", (1, 2, 31, 22))
        negatives = [similarity(crop, f"{other} on mat {i}") for other in PLACES[:5]]
        expected.append(similarity(crop, row["caption"]) > max(negatives))
    assert scores["negate_12", "accuracy"].correct.tolist() == expected
    assert scores["negate_12", "accuracy"].chance == pytest.approx(1 / 6)


def test_vl_checklist_knows_the_folder_of_each_file(tmp_path):
    places = {
        "Attribute/vaw/size": "vg/VG_100K_2",
        "Object/Location/hake_location/hake_obj_margin": "hake/pic",
        "Object/Size/swig_size/swig_tool/swig_tool_small": "swig",
        "Relation/swig_action": "swig",
        "Relation/vg/spatial": "vg/VG_100K",
    }
    (tmp_path / "vl_checklist/images").mkdir(parents=True)
    for name, folder in places.items():
        inner = "/".join(folder.split("/")[1:])
        rows = [
            [f"{inner}/{i}.jpg".lstrip("/"), {"POS": [f"small {thing}"], "NEG": [f"large {thing}"]}]
            for i, thing in enumerate(PLACES)
        ]
        write_json(tmp_path / f"vl_checklist/data/{name}.json", rows)
    scores = scores_of(build_benchmark("vl_checklist", data_root=tmp_path))
    for name, folder in places.items():
        files = [tmp_path / "vl_checklist/images" / folder / f"{i}.jpg" for i in range(10)]
        expected = [
            similarity(file, f"small {thing}") > similarity(file, f"large {thing}")
            for file, thing in zip(files, PLACES, strict=True)
        ]
        assert scores[name, "accuracy"].correct.tolist() == expected


def test_spec_both_ways(tmp_path):
    from rebind.benchmarks.spec import SUBSETS

    texts = [f"{count} apples" for count in ("one", "two", "three")]
    for subset in SUBSETS:
        images = [f"images/{i}.jpg" for i in range(9)]
        to_text = [{"query": image, "keys": texts, "label": i % 3} for i, image in enumerate(images)]
        to_image = [{"query": f"{text} {i}", "keys": images[i : i + 4], "label": i} for i, text in enumerate(texts)]
        write_json(tmp_path / f"spec/{subset}/image2text.json", to_text)
        write_json(tmp_path / f"spec/{subset}/text2image.json", to_image)
    scores = scores_of(build_benchmark("spec", data_root=tmp_path))
    folder = tmp_path / "spec/count"
    expected = [argmax_is([(folder / row["query"], text) for text in texts], row["label"]) for row in to_text]
    assert scores["count", "image_to_text"].correct.tolist() == expected
    expected = [argmax_is([(folder / key, row["query"]) for key in row["keys"]], row["label"]) for row in to_image]
    assert scores["count", "text_to_image"].correct.tolist() == expected
    assert scores["count", "image_to_text"].chance == pytest.approx(1 / 3)
    assert scores["count", "text_to_image"].chance == 1 / 4
