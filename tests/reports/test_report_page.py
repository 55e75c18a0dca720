"""The page: right numbers, nothing fetched, nothing injected, and still a page when files are missing."""

import base64
import html
import io
import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest
from fake_runs import score, write_run
from PIL import Image

from rebind.reports import verdict, write_report
from rebind.reports.pictures import open_picture
from rebind.types import UserError

VOID = {"meta", "img", "br", "link", "input", "hr", "col", "source", "wbr"}


class Page(HTMLParser):
    """Collects tags with attributes and checks that they nest."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open = [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def page(runs, tmp_path_factory):
    out = tmp_path_factory.mktemp("page") / "deep" / "report.html"
    assert write_report(runs, out, title="Binding & co") == out
    return out.read_text(encoding="utf-8")


def visible(text):
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", text)))


def test_it_nests_and_is_small(page):
    Page(page)
    assert len(page.encode()) < 5_000_000


def test_it_needs_nothing_but_itself(page):
    assert not re.search(r"https?://|@import|<script|<link|<iframe", page)
    for tag, attributes in Page(page).tags:
        for name in ("src", "href", "xlink:href", "srcset", "data", "poster"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:image/webp;base64,", "#")), (tag, name, value[:80])
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", page))


def test_ids_are_unique(page):
    ids = [attributes["id"] for _, attributes in Page(page).tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_title_and_verdict_stand_at_the_top(page, runs):
    text = visible(page)
    assert "Binding & co" in text
    assert "<title>Binding &amp; co</title>" in page
    assert verdict(runs) in text


def test_the_numbers_are_those_of_the_files(page, raw_scores):
    rows = re.findall(r'<tr><th scope="row">([^<]+)</th>(.*?)</tr>', page, flags=re.DOTALL)
    found = {name: visible(cells) for name, cells in rows}
    quantile = 4.302652729911275  # Student's t, 2 degrees of freedom
    for name, key in {
        "swap attribute": ("world", "swap_att", "accuracy"),
        "add attribute": ("world", "add_att", "accuracy"),
        "image → text R@1": ("world", "retrieval", "image_to_text_recall@1"),
        "retention top-1": ("world", "retention", "top1"),
    }.items():
        for label in ("base", "SigLIP", "CLIP", "C2LIP", "NPC alone", "XAC alone"):
            values = 100 * np.array([raw_scores[label, seed][key] for seed in (1, 2, 3)])
            half = quantile * values.std(ddof=1) / np.sqrt(3)
            low, high = max(0, values.mean() - half), min(100, values.mean() + half)
            assert f"{values.mean():.1f} {low:.1f}–{high:.1f}" in found[name]
    assert found["swap attribute"].split()[-3:] == ["1,000", "50.0", "–"]  # n, chance and, in these files, no blind


def test_it_says_what_was_run(page):
    text = visible(page)
    for said in ("128,000", "1,000", "1, 2, 3", "torch 2.13.0", "img_0042 (truncated file)", "learning_rate"):
        assert said in text


def test_examples_show_both_scores_and_the_outcome_in_words(page, runs):
    example = json.loads((runs[3] / "examples.json").read_text())[0]  # SigLIP, first seed
    text = visible(page)
    assert f"{example['caption_score']:.3f} {example['foil_score']:.3f}" in text
    rows = [row for run in runs[::3] for row in json.loads((run / "examples.json").read_text())]
    right = sum(row["caption_score"] > row["foil_score"] for row in rows)
    assert text.count("✓ right") == right
    assert text.count("✗ wrong") == len(rows) - right


def test_attention_is_drawn_where_it_lies(page):
    """The C2LIP map of "a red circle" is brightest on the left, that of "a blue star" on the right."""
    for concept, side in (("a red circle", "left"), ("a blue star", "right")):
        uri = re.search(rf'<img src="data:image/webp;base64,([^"]+)" alt="attention of C2LIP for {concept}"', page)[1]
        picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(uri))), dtype=float)
        red = picture[..., 0]
        half = red.shape[1] // 2
        assert (red[:, :half].max() > red[:, half:].max()) == (side == "left")


def test_captions_cannot_inject(tmp_path):
    evil = '<script>alert("x")</script>'
    run = write_run(tmp_path, f"C2LIP {evil}", 1, settings={"label": f"C2 {evil}", evil: evil}, model=evil)
    rows = json.loads((run / "examples.json").read_text())
    rows[0] |= {"caption": evil, "foil": evil + "2", "category": evil}
    rows[0]["concepts"][0]["text"] = evil + '" onload="x'
    (run / "examples.json").write_text(json.dumps(rows))
    (run / "summary.json").write_text(json.dumps({"broken": {evil: evil}}))
    (run / "metrics.jsonl").write_text("".join(json.dumps({"step": step, evil: step}) + "\n" for step in (1, 2)))
    text = write_report([run], tmp_path / "r.html", title=evil).read_text()
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert not any("onload" in attributes for _, attributes in Page(text).tags)


def test_missing_files_leave_a_page_that_says_so(runs, tmp_path):
    bare = []
    for run in runs[3:12:3]:
        folder = tmp_path / run.name
        folder.mkdir()
        shutil.copy(run / "results.json", folder)
        bare.append(folder)
    text = visible(write_report(bare, tmp_path / "r.html").read_text())
    assert "Files that some runs do not have" in text
    assert f"{bare[0]}: summary.json, metrics.jsonl, examples.json" in text
    assert "Caption or foil?" not in text
    assert "Loss, part by part" not in text
    assert "bootstrap over test items of its single seed" in text


def test_every_part_of_a_loss_is_drawn_and_nothing_else_that_was_logged(tmp_path):
    run = write_run(tmp_path, "C2LIP", 1)
    row = {"loss": 3.0, "c2lip.concept": 2.0, "tripletclip.negative_pair": 1.0, "seconds": 4.0, "logit_bias": -9.0}
    (run / "metrics.jsonl").write_text("".join(json.dumps({"step": step, **row}) + "\n" for step in (1, 2)))
    page = write_report([run], tmp_path / "r.html").read_text()
    drawn = re.findall(r'aria-label="Loss part ([^"]+) over steps"', page)
    assert drawn == ["total", "c2lip.concept", "tripletclip.negative pair"]


def test_a_missing_or_damaged_picture_is_said_quietly(tmp_path):
    run = write_run(tmp_path, "C2LIP", 1)
    (tmp_path / "scenes" / "000.png").unlink()
    (tmp_path / "scenes" / "001.png").write_bytes(b"\x89PNG\r\n\x1a\nnot really")
    text = write_report([run], tmp_path / "r.html").read_text()
    assert text.count("picture not found") == 2


def test_retrieval_on_own_photos_makes_a_page(tmp_path):
    rows = [score("retrieval", "photos", f"{way}_recall@1", 0.4, 12) for way in ("image_to_text", "text_to_image")]
    run = write_run(tmp_path, "C2LIP", 1, rows)
    text = visible(write_report([run], tmp_path / "r.html").read_text())
    assert "image → text R@1" in text
    assert "swap attribute 50.0" not in text
    Page((tmp_path / "r.html").read_text())


def test_guessing_is_drawn_only_where_chance_is_known(tmp_path):
    for benchmark, known in (("world", True), ("unheard_of", False)):
        rows = [score(benchmark, "swap_att", "accuracy", 0.6), score(benchmark, "retention", "top1", 0.9)]
        run = write_run(tmp_path / benchmark, "C2LIP", 1, rows)
        assert (">guessing<" in write_report([run], tmp_path / "r.html").read_text()) == known


def test_no_scores_at_all_still_make_a_page(tmp_path):
    run = write_run(tmp_path, "C2LIP", 1, [])
    assert "These runs hold no scores." in write_report([run], tmp_path / "r.html").read_text()


def test_seeds_with_different_settings_are_pointed_out(tmp_path):
    first = write_run(tmp_path, "C2LIP", 1)
    second = write_run(tmp_path, "C2LIP", 2, settings={"label": "C2LIP", "learning_rate": 1e-5})
    text = visible(write_report([first, second], tmp_path / "r.html").read_text())
    assert "The runs of C2LIP differ in more than the seed (learning_rate)" in text


def test_an_unreadable_run_writes_no_page(tmp_path):
    run = write_run(tmp_path, "C2LIP", 1)
    (run / "results.json").write_text("[]")
    with pytest.raises(UserError, match=r"results\.json, field \(the whole file\)"):
        write_report([run], tmp_path / "r.html")
    assert not (tmp_path / "r.html").exists()


def test_what_was_other_when_a_benchmark_was_measured_is_said_with_its_name(tmp_path):
    now = {"torch": "2.13.0", "device": "cpu"}
    rows = [score("world", "swap_att", "accuracy", 0.9), score("coco", "test", "image_to_text_recall@1", 0.5)]
    sources = {"world": {"items": "d"}, "coco": {"items": "e", "environment": {"torch": "2.12.0", "device": "cpu"}}}
    run = write_run(tmp_path, "SigLIP", 1, rows, environment=now, benchmarks=sources)
    page = write_report([run], tmp_path / "page.html").read_text()
    assert "torch 2.13.0, 2.12.0 (coco) · device cpu</p>" in page


def test_a_picture_is_shown_as_the_model_saw_it(tmp_path):
    """Orientation 6: the stored picture lies on its side, as the code of published benchmarks reads it."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 20)).save(tmp_path / "a.jpg", exif=exif)
    assert open_picture(tmp_path / "a.jpg").size == (128, 256)
    assert open_picture(tmp_path / "a.jpg", upright=False).size == (256, 128)
