import json

import numpy as np
import pytest
from tiny_world import paint

from rebind.benchmarks import build_benchmark, evaluate
from rebind.benchmarks.recognition import KINDS
from rebind.benchmarks.zero_shot import ZeroShotBenchmark
from rebind.types import UserError

SYNSETS = [f"n{10_000_000 + 137 * i:08d}" for i in range(1000)]  # sorted, as ImageNet's are
NAMES = [f"thing {i}" for i in range(1000)]
# The form of open_clip's zero_shot_metadata.py: lambdas, and names in one long tuple or list.
METADATA = f"""
OPENAI_IMAGENET_TEMPLATES = (
    lambda c: f'a bad photo of a {{c}}.',
    lambda c: f'the {{c}} in a video game.',
)

# a much smaller subset of above prompts
SIMPLE_IMAGENET_TEMPLATES = (
    lambda c: f'itap of a {{c}}.',
)

IMAGENET_CLASSNAMES = (
    {", ".join(json.dumps(name) for name in NAMES)},
)
"""


@pytest.fixture
def no_packages(monkeypatch):
    monkeypatch.setattr("rebind.benchmarks.class_names.find_spec", lambda name: None)


@pytest.fixture
def open_clip(tmp_path, monkeypatch):
    """Packages in the form of open_clip_torch and timm that cannot be imported, as where torchvision is missing."""
    for package, file, content in (
        ("open_clip", "zero_shot_metadata.py", METADATA),
        ("timm", "data/_info/imagenet_synsets.txt", "\n".join(SYNSETS) + "\n"),
    ):
        folder = tmp_path / "site" / package
        (folder / file).parent.mkdir(parents=True)
        (folder / "__init__.py").write_text("raise ImportError('no torchvision')\n")
        (folder / file).write_text(content)
    monkeypatch.syspath_prepend(tmp_path / "site")
    return tmp_path / "site/open_clip/zero_shot_metadata.py"


def class_folders(folder, labels, suffix=".JPEG"):
    for label in labels:
        (folder / label).mkdir(parents=True)
        (folder / label / f"{label}_1{suffix}").touch()
    (folder / "README.txt").touch()
    return folder


def write(path, value):
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


@pytest.fixture
def templates(tmp_path):
    return write(tmp_path / "templates.txt", "a photo of a {}.\n\nart of the {}.\n")


def test_imagenet_with_names_and_templates_out_of_open_clip(tmp_path, open_clip):
    val = class_folders(tmp_path / "val", SYNSETS)
    benchmark = KINDS["imagenet"].build(images=val)
    assert list(benchmark.prompts) == SYNSETS
    assert benchmark.prompts[SYNSETS[3]] == ["a bad photo of a thing 3.", "the thing 3 in a video game."]
    assert benchmark.images[3] == val / SYNSETS[3] / f"{SYNSETS[3]}_1.JPEG"
    assert benchmark.labels[3] == SYNSETS[3]


@pytest.mark.parametrize("name", ["imagenet_a", "imagenet_r"])
def test_200_of_the_classes_keep_their_own_names(tmp_path, open_clip, name):
    benchmark = KINDS[name].build(images=class_folders(tmp_path / name, SYNSETS[2:1000:5]))
    assert len(benchmark.prompts) == 200
    assert benchmark.prompts[SYNSETS[997]][0] == "a bad photo of a thing 997."


@pytest.mark.parametrize(
    "content",
    [
        NAMES,
        dict(zip(SYNSETS, NAMES, strict=True)),
        {str(i): [SYNSETS[i], NAMES[i].replace(" ", "_")] for i in sorted(range(1000), key=str)},
    ],
    ids=["list", "by synset", "class index"],
)
def test_names_from_a_file_in_any_of_its_forms(tmp_path, templates, no_packages, content):
    classes = write(tmp_path / "classes.json", content)
    v2 = class_folders(tmp_path / "v2", map(str, range(1000)), ".jpeg")
    benchmark = KINDS["imagenet_v2"].build(images=v2, classes=classes, templates=templates)
    assert list(benchmark.prompts)[:3] == ["0", "1", "2"]  # not 0, 1, 10
    assert benchmark.prompts["10"] == ["a photo of a thing 10.", "art of the thing 10."]
    sketch = class_folders(tmp_path / "sketch", SYNSETS)
    benchmark = KINDS["imagenet_sketch"].build(images=sketch, classes=classes, templates=templates)
    assert benchmark.prompts[SYNSETS[10]] == ["a photo of a thing 10.", "art of the thing 10."]


def test_what_is_missing_of_names_and_templates_is_said_with_both_ways(tmp_path, no_packages, templates):
    a = class_folders(tmp_path / "a", SYNSETS[:200])
    classes = write(tmp_path / "classes.json", NAMES)
    with pytest.raises(
        UserError, match=r"names of classes of ImageNet .* file of them as `classes`, or install open_cl"
    ):
        KINDS["imagenet_a"].build(images=a)
    with pytest.raises(
        UserError, match=r"templates of ImageNet .* give a file of them as `templates`, or install open_c"
    ):
        KINDS["imagenet_a"].build(images=a, classes=write(tmp_path / "200.json", NAMES[:200]))
    with pytest.raises(
        UserError, match=r"lists 1000 names for 200 class folders, so which is whose .*, or install timm"
    ):
        KINDS["imagenet_a"].build(images=a, classes=classes, templates=templates)
    with pytest.raises(UserError, match=r"val has 3 classes, where imagenet has 1000"):
        KINDS["imagenet"].build(images=class_folders(tmp_path / "val", SYNSETS[:3]), classes=classes)


def test_an_open_clip_of_another_form_is_an_error_in_one_sentence(tmp_path, open_clip):
    open_clip.write_text("IMAGENET_CLASSNAMES = list(names())\n")
    a = class_folders(tmp_path / "a", SYNSETS[:200])
    with pytest.raises(UserError, match=r"zero_shot_metadata.py is not as expected .* as a file: `classes`"):
        KINDS["imagenet_a"].build(images=a)


@pytest.mark.parametrize(
    ("classes", "templates", "message"),
    [
        ("{", None, r"classes.json is not valid JSON"),
        ({}, None, r"classes.json must be a JSON object .* or a list of names"),
        ({"cup": ""}, None, r"none of them empty"),
        ({"cup": "cup", "mug": "mug"}, None, r'classes.json has no name for the class "jug", only for 2 others'),
        ([{"name": "cup", "prompts": ["a cup"]}, {"name": "mug", "prompts": ["a mug"]}], None, r'the class "jug"'),
        (["cup", "jug", "mug"], "a photo\n", r"templates.txt, template 1: 'a photo' must be a text with {} where"),
        (["cup", "jug", "mug"], "\n", r"templates.txt must hold one template or more, such as: a photo of a {}."),
    ],
)
def test_what_is_wrong_with_names_is_said(tmp_path, classes, templates, message):
    folder = class_folders(tmp_path / "images", ["cup", "jug", "mug"])
    files = {"classes": write(tmp_path / "classes.json", classes)}
    if templates is not None:
        files["templates"] = write(tmp_path / "templates.txt", templates)
    with pytest.raises(UserError, match=message):
        KINDS["image_folder"].build(images=folder, **files)


def flat_val(tmp_path):
    (tmp_path / "val").mkdir()
    for i in range(1, 1001):
        (tmp_path / f"val/ILSVRC2012_val_{i:08d}.JPEG").touch()
    return tmp_path / "val"


def test_imagenet_as_shipped_with_the_list_of_the_competition(tmp_path, open_clip):
    val = flat_val(tmp_path)
    order = np.random.default_rng(0).permutation(1000)
    lines = [f"ILSVRC2012_val_{i + 1:08d},{SYNSETS[order[i]]} 85 1 499 272 {SYNSETS[0]} 1 2 3 4" for i in range(1000)]
    solution = write(tmp_path / "LOC_val_solution.csv", "\n".join(["ImageId,PredictionString", *lines]) + "\n")
    benchmark = KINDS["imagenet"].build(images=val, labels=solution)
    labels = dict(zip(benchmark.images, benchmark.labels, strict=True))
    assert labels == {val / f"ILSVRC2012_val_{i + 1:08d}.JPEG": SYNSETS[order[i]] for i in range(1000)}
    with pytest.raises(
        UserError, match=r"not in synset folders; give their classes as `labels`: LOC_val_solution.csv or"
    ):
        KINDS["imagenet"].build(images=val)
    with pytest.raises(
        UserError, match=r"wrong.csv is no LOC_val_solution.csv with the columns ImageId and Prediction"
    ):
        KINDS["imagenet"].build(images=val, labels=write(tmp_path / "wrong.csv", "image,label\n1,2\n"))


def test_imagenet_as_shipped_with_the_development_kit(tmp_path, open_clip):
    from scipy.io import savemat

    val = flat_val(tmp_path)
    rng = np.random.default_rng(1)
    numbers = rng.permutation(1000) + 1  # of the kit, not in the order of the synsets
    meta = np.zeros((1000, 1), dtype=[(name, object) for name in ("ILSVRC2012_ID", "WNID", "words", "num_children")])
    for row, (number, synset) in enumerate(zip(numbers, SYNSETS, strict=True)):
        meta[row, 0] = (number, synset, "a thing", 0)
    (tmp_path / "data").mkdir()
    savemat(tmp_path / "data/meta.mat", {"synsets": meta})
    truth = rng.permutation(1000) + 1
    with pytest.raises(
        UserError, match=r"data is not the folder data of ILSVRC2012's development kit: ILSVRC2012_valid"
    ):
        KINDS["imagenet"].build(images=val, labels=tmp_path / "data")
    write(tmp_path / "data/ILSVRC2012_validation_ground_truth.txt", "".join(f"{number}\n" for number in truth))
    benchmark = KINDS["imagenet"].build(images=val, labels=tmp_path / "data")
    synset = dict(zip(numbers.tolist(), SYNSETS, strict=True))
    labels = dict(zip(benchmark.images, benchmark.labels, strict=True))
    assert labels == {val / f"ILSVRC2012_val_{i:08d}.JPEG": synset[n] for i, n in enumerate(truth.tolist(), start=1)}


def test_any_folder_of_class_folders(encoder, tmp_path):
    for i in range(9):
        paint(tmp_path / f"photos/{('red_cup', 'blue_cup', 'star')[i % 3]}/{i}.png", i)
    (tmp_path / "photos/.cache").mkdir()
    benchmark = build_benchmark("image_folder", images=tmp_path / "photos")
    assert benchmark.prompts["red_cup"] == ["a photo of a red cup."]
    scores, broken = evaluate(encoder, [benchmark])
    assert broken == ()
    assert [(score.metric, score.n, score.chance) for score in scores] == [("top1", 9, pytest.approx(1 / 3))]
    paint(tmp_path / "photos/star/9.png", 9)
    scores, _ = evaluate(encoder, [build_benchmark("image_folder", images=tmp_path / "photos")])
    assert [score.metric for score in scores] == ["top1", "top1_per_class"]
    (tmp_path / "photos/empty").mkdir()
    with pytest.raises(UserError, match=r"empty holds no images; every folder in .*photos is taken for a class"):
        KINDS["image_folder"].build(images=tmp_path / "photos")
    with pytest.raises(UserError, match=r"red_cup has 0 classes, where image_folder has two or more"):
        KINDS["image_folder"].build(images=tmp_path / "photos/red_cup")
    with pytest.raises(UserError, match=r"cannot read .*nowhere: No such file"):
        KINDS["image_folder"].build(images=tmp_path / "nowhere")


def test_top_five_and_the_mean_over_classes_by_plain_loops():
    rng = np.random.default_rng(5)
    prompts = {f"class {i}": [f"{i}a", f"{i}b"] for i in range(8)}
    labels = [f"class {i}" for i in rng.integers(0, 7, size=90)]  # the last class has no image
    benchmark = ZeroShotBenchmark("imagenet", [f"{i}.jpg" for i in range(90)], labels, prompts)
    images, texts = rng.normal(size=(90, 6)), rng.normal(size=(16, 6))
    means = (texts[::2] + texts[1::2]) / np.linalg.norm(texts[::2] + texts[1::2], axis=1, keepdims=True)
    scores = {score.metric: score for score in benchmark.score(images, texts)}
    for k in (1, 5):
        order = [[f"class {each}" for each in np.argsort(-(means @ image))] for image in images]
        right = [labels[i] in order[i][:k] for i in range(90)]
        by_class = [np.mean([right[i] for i in range(90) if labels[i] == label]) for label in set(labels)]
        micro, macro = scores[f"top{k}"], scores[f"top{k}_per_class"]
        assert micro.value == pytest.approx(np.mean(right))
        assert macro.value == pytest.approx(np.mean(by_class)) != micro.value
        assert macro.correct.mean() == pytest.approx(macro.value)
        assert macro.low < macro.value < macro.high
        assert micro.chance == macro.chance == k / 8


def test_every_kind_says_what_it_is():
    for name, kind in KINDS.items():
        assert kind.measures
        assert set(kind.layout) <= set(kind.files), name
