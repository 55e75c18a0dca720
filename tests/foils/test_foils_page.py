import base64
import hashlib
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from urllib.parse import unquote, urljoin, urlsplit

import pytest
from PIL import Image

from rebind.data import open_source
from rebind.foils import FoilSettings, Veto, build_foils, write_foils
from rebind.foils.page import pieces

EVIL = '<script>alert("x")</script>'
#: Elements without an end.
VOID = {"meta", "img", "input", "br", "link"}


class Page(HTMLParser):
    """Elements with their attributes and text; checks that they are nested as they should be."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open = [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        element = {"tag": tag, "text": "", **dict(attributes)}
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag):
        assert self.open.pop()["tag"] == tag

    def handle_data(self, data):
        for element in self.open:
            element["text"] += data

    def all(self, tag, **attributes):
        return [e for e in self.elements if e["tag"] == tag and all(e.get(k) == v for k, v in attributes.items())]


@pytest.fixture(scope="module")
def evil(tmp_path_factory):
    """The page of a source whose captions and file names mean harm, and its text."""
    folder = tmp_path_factory.mktemp("evil") / "<i>&photos"
    folder.mkdir()
    name = "a\"'><img src=x onerror=alert(1)>.png"
    Image.new("RGB", (400, 300), "red").save(folder / name)
    (folder / "captions.jsonl").write_text(json.dumps({"image": name, "key": EVIL, "caption": f"a red {EVIL} cup"}))
    foil = {"caption": f"a blue {EVIL} cup", "family": "replace_att", "edits": [[2, 6], [9, 14]]}
    rows = [{"key": EVIL, "negatives": [foil]}]
    source = open_source(folder)
    foils = build_foils(source, lambda items: rows, FoilSettings(share=1, refine=False))
    text = write_foils(foils, source, folder.parent / "out").page.read_text()
    return Page(text), text, name


def test_captions_and_file_names_are_text_and_nothing_else(evil):
    page, _, name = evil
    (script,) = page.all("script")
    assert "alert" not in script["text"]
    assert not [element for element in page.elements if "onerror" in element]
    (article,) = page.all("article")
    assert article["data-foil"] == f"a blue {EVIL} cup"
    assert article["data-filename"] == name
    assert page.all("title")[0]["text"] == "Foils of <i>&photos"
    assert f"a red {EVIL} cup" in article["text"]


def test_only_its_own_script_may_run_and_nothing_is_fetched(evil):
    page, text, _ = evil
    (policy,) = page.all("meta", **{"http-equiv": "Content-Security-Policy"})
    (script,) = page.all("script")
    digest = base64.b64encode(hashlib.sha256(script["text"].encode()).digest()).decode()
    assert policy["content"].endswith(f"script-src 'sha256-{digest}'")
    assert policy["content"].startswith("default-src 'none'")
    assert not re.search(r"https?://", text)
    assert [e["src"][:23] for e in page.elements if "src" in e] == ["data:image/webp;base64,"]


def test_what_differs_is_marked(evil):
    page, _, _ = evil
    assert [mark["text"] for mark in page.all("mark")] == ["red", "blue", "cript"]


def test_the_thumbnail_is_small(evil):
    page, _, _ = evil
    (image,) = page.all("img")
    data = base64.b64decode(image["src"].split(",")[1])
    assert Image.open(io.BytesIO(data)).size == (200, 150)


def test_pieces_put_together_are_the_text():
    assert pieces("a red cup", [(2, 5)]) == [("a ", False), ("red", True), (" cup", False)]
    assert pieces("a red cup", []) == [("a red cup", False)]
    assert pieces("a red cup", [(6, 99), (0, 1), (0, 3), (4, 4), (-5, 0)]) == [
        ("a", True), (" r", True), ("ed ", False), ("cup", True)
    ]  # fmt: skip
    for spans in ([(3, 1)], [(50, 60)], [(0, 9)], [(0, 5), (2, 4), (5, 6)]):
        assert "".join(piece for piece, _ in pieces("a red cup", spans)) == "a red cup"


def test_every_foil_has_its_card_and_every_judge_its_column(source, write_negatives, tmp_path):
    foils = build_foils(source, write_negatives, FoilSettings(share=1))
    written = write_foils(foils, source, tmp_path / "out")
    page = Page(written.page.read_text())
    assert [(card["data-family"], card["data-foil"]) for card in page.all("article")] == [
        (foil.family, foil.foil) for foil in foils.foils
    ]
    heads = [head["text"] for head in page.all("th", scope="col")]
    assert heads[4:] == ["length", "likelihood", "likelihood per word", "classifier", "classifier, retrained"]
    shown = {option["value"]: option["text"] for option in page.all("option")}
    assert shown["add_obj"] == f"add_obj ({written.report['foils']['add_obj']})"
    others = [card for card in page.all("article") if "made of" in card["text"]]
    assert len(others) == sum(foil.caption != foil.original for foil in foils.foils) > 0


def test_many_pictures_are_linked(source, write_negatives, tmp_path, monkeypatch):
    monkeypatch.setattr("rebind.foils.writing._EMBEDDED", 3)
    foils = build_foils(source, write_negatives, FoilSettings(share=1, refine=False))
    written = write_foils(foils, source, tmp_path / "deep" / "out")
    page = Page(written.page.read_text())
    assert all((written.folder / unquote(image["src"])).is_file() for image in page.all("img"))
    assert page.all("img")[0]["src"].endswith("/photos/of%20things/000%20%C3%A9.png")


def test_names_are_encoded_in_links(tmp_path, monkeypatch):
    monkeypatch.setattr("rebind.foils.writing._EMBEDDED", 0)
    folder = tmp_path / "100 % #1?"
    (folder / "a:b").mkdir(parents=True)
    name = "a:b/c#d?e%20f.png"
    Image.new("RGB", (4, 3), "red").save(folder / name)
    (folder / "captions.jsonl").write_text(json.dumps({"image": name, "key": "k", "caption": "a red cup"}))
    source = open_source(folder)
    rows = [{"key": "k", "negatives": [{"caption": "a blue cup", "family": "replace_att"}]}]
    foils = build_foils(source, lambda items: rows, FoilSettings(share=1, refine=False))
    written = write_foils(foils, source, tmp_path / "out")
    (image,) = Page(written.page.read_text()).all("img")
    place = urlsplit(urljoin(written.page.as_uri(), image["src"]))
    assert (place.query, place.fragment) == ("", "")
    assert unquote(place.path) == str(folder / name)


def test_the_page_says_what_was_left_out_and_why(source, write_negatives, tmp_path):
    foils = build_foils(source, write_negatives, FoilSettings(share=1, per_family=60))
    exposed = {"add_obj": ["length", "classifier"]}
    without = tuple(foil for foil in foils.foils if foil.family != "add_obj")
    veto = Veto("gone.png", "a zebra")
    left = replace(foils, foils=without, exposed=exposed, unmatched=(veto,))
    text = Page(write_foils(left, source, tmp_path / "out", [veto]).page.read_text()).all("body")[0]["text"]
    assert re.search(r"add_obj is left out: length, classifier\s+still tell its foils .* name it in --families", text)
    assert "1 of 1 vetoes match no foil" in text
    assert "Too few pairs to know whether blind readers tell the foils of swap_att, replace_obj." in text
    assert "Nothing is left of" not in text
