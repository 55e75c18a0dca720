"""Rules that change with the package: what was made by the old ones is neither continued nor mixed with new ones."""

import shutil
from pathlib import Path

import pytest
from corpus import write_folder

import rebind as package
from command_line import CommandLine
from killing import contents
from rebind.engine import rules
from rebind.engine.rules import rules_digest
from rebind.llm import LanguageModel
from rebind.negatives.llm import LlmNegatives

PLACES = ("concepts", "negatives", "annotate", "llm")


@pytest.fixture
def rebind(monkeypatch, capfd):
    return CommandLine(monkeypatch, capfd)


@pytest.fixture
def change(monkeypatch, tmp_path):
    """Change a file of the package, as far as can be told from its digest."""
    copy = tmp_path / "rebind"
    for place in PLACES:
        shutil.copytree(Path(package.__file__).parent / place, copy / place)

    def write(file):
        with (copy / file).open("a") as lines:
            lines.write("# another rule\n")
        monkeypatch.setattr(rules, "_PACKAGE", copy)
        rules_digest.cache_clear()

    yield write
    rules_digest.cache_clear()


@pytest.mark.parametrize(
    ("words", "file", "named"),
    [
        (("concepts",), "concepts/words.py", "rebind_rules"),
        (("concepts", "--min-frequency", 2), "concepts/words.py", "rebind_rules"),
        (("negatives",), "negatives/rules/swaps.py", "rebind_rules"),
        (("negatives",), "negatives/lexicon/vague.txt", "rebind_rules"),
        (("negatives",), "concepts/reader.py", "rebind_rules"),
        (("negatives", "--refine", "--families", "replace_att"), "negatives/refinement.py", "refined"),
    ],
)
def test_an_annotation_made_by_other_rules_is_refused(rebind, tmp_path, change, words, file, named):
    photos = write_folder(tmp_path / "photos", 20)
    command, *more = words
    rebind.succeeds(command, photos, *more, "--jobs", 1)
    before = contents(photos)
    change(file)
    assert f"was made with other settings ({named}: " in rebind.refuses(command, photos, *more, "--jobs", 1)
    assert contents(photos) == before
    shutil.rmtree(photos / "annotations" / command)
    rebind.succeeds(command, photos, *more, "--jobs", 1)
    if command == "negatives" and named == "rebind_rules":  # what the corpus speaks of was read by other rules, too
        assert contents(photos)["annotations/substitutes.json"] != before["annotations/substitutes.json"]


def test_the_checks_of_answers_are_rules_too(change):
    stage = LlmNegatives(LanguageModel("tiny"))
    before = stage.settings
    change("negatives/llm/checks.py")
    assert {name for name in before if before[name] != stage.settings[name]} == {"rebind_rules"}
