"""The rules on real captions: how many get a negative, and that none of them trips over its grammar."""

import json
import re
from collections import defaultdict
from pathlib import Path

import pytest

from rebind.negatives.families import FAMILIES
from rebind.negatives.lexicon import load_nouns
from rebind.negatives.rules import RuleNegatives, Substitutes

pytestmark = pytest.mark.annotations

CAPTIONS = Path(__file__).parents[3] / "shared" / "data" / "coco_captions" / "captions_val2017.json"
WRONG_AN = re.compile(
    r"\ba (?:apple|elephant|umbrella|orange|oven|old|empty|open|airplane|animal|owl|underwater)\b", re.I
)
WRONG_A = re.compile(
    r"\ban (?:dog|cat|giraffe|zebra|man|woman|red|blue|green|purple|young|wooden|unicorn|uniform)\b", re.I
)
COUNTED = re.compile(r"\b(?:two|three|four|five|six|seven|eight|nine|ten) ([a-z]+)\.?$", re.I)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Captions of each picture, and what the stage makes of all of them."""
    pictures = defaultdict(list)
    for annotation in json.loads(CAPTIONS.read_text(encoding="utf-8"))["annotations"]:
        pictures[annotation["image_id"]].append(annotation["caption"].strip())
    path = tmp_path_factory.mktemp("substitutes") / "coco.json"
    Substitutes.mine(pictures.values()).write(path)
    some = [{"key": str(key), "captions": captions} for key, captions in list(pictures.items())[:1500]]
    return some, RuleNegatives(substitutes=path, all_captions=True).open()(some)


def foils(made):
    items, done = made
    for item, row in zip(items, done.rows, strict=True):
        for negative in row["negatives"]:
            yield item["captions"][negative["of"]], negative["caption"]


def test_nearly_every_caption_has_a_negative_and_every_family_occurs(made):
    tally = made[1].tally
    assert tally["without_negative"] <= 0.05 * tally["captions"]
    assert all(tally[family] > 10 for family in FAMILIES)


@pytest.mark.parametrize("wrong", [WRONG_A, WRONG_AN])
def test_articles_follow_the_sound(made, wrong):
    assert [foil for caption, foil in foils(made) if wrong.search(foil) and not wrong.search(caption)] == []


def test_what_is_counted_is_plural(made):
    nouns = load_nouns()

    def singulars(text):
        heads = COUNTED.findall(text.lower())
        return {head for head in heads if nouns.kind(head) and nouns.singular(head) == (head, False)}

    assert [foil for caption, foil in foils(made) if singulars(foil) - singulars(caption)] == []


def test_no_word_stands_twice_in_a_row(made):
    twice = re.compile(r"\b(\w+) \1\b", re.I)
    assert [foil for caption, foil in foils(made) if twice.search(foil) and not twice.search(caption)] == []
