"""The fingerprint of the rules: any change of them changes it, and nothing that they are made of is left out."""

import ast
from pathlib import Path

import pytest

import rebind
from rebind.annotate import balanced_negatives
from rebind.concepts import stage as concepts
from rebind.engine import rules
from rebind.engine.rules import rules_digest
from rebind.negatives.llm import stage as llm_negatives
from rebind.negatives.rules import stage as rule_negatives

PACKAGE = Path(rebind.__file__).parent
WITHOUT_RULES = ("__init__.py", "types.py", "storage.py", "engine", "metrics")  # they carry rows and decide none


@pytest.fixture
def package(tmp_path, monkeypatch):
    (tmp_path / "room" / "inner").mkdir(parents=True)
    for name in ("room/one.py", "room/words.txt", "room/inner/two.py", "single.py"):
        (tmp_path / name).write_text(f"of {name}")
    monkeypatch.setattr(rules, "_PACKAGE", tmp_path)
    return tmp_path


def digest(*places):
    rules_digest.cache_clear()
    found = rules_digest(*places)
    rules_digest.cache_clear()
    return found


@pytest.mark.parametrize("changed", ["room/one.py", "room/words.txt", "room/new.tsv", "single.py"])
def test_every_change_is_told(package, changed):
    before = digest("room", "single.py")
    (package / changed).write_text("other")
    assert digest("room", "single.py") != before


def test_what_is_no_rule_changes_nothing(package):
    before = digest("room", "single.py")
    for name in ("room/inner/two.py", "room/one.pyc", "other.py"):
        (package / name).write_text("other")
    assert digest("room", "single.py") == before


def imported(file):
    """Files of the package that a file of it imports, the folders' own among them."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = [f"{node.module}.{one.name}" for one in node.names] if isinstance(node, ast.ImportFrom) else []
        names += [one.name for one in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            for end in range(1, len(parts := name.split(".")) + 1):
                place = PACKAGE.parent.joinpath(*parts[:end])
                found |= {each for each in (place.with_suffix(".py"), place / "__init__.py") if each.is_file()}
    return {each for each in found if PACKAGE in each.parents}


@pytest.mark.parametrize(
    ("start", "places"),
    [
        ("concepts/textblob_backend.py", concepts.RULES),
        ("concepts/spacy_backend.py", concepts.RULES),
        ("concepts/stage.py", concepts.RULES),
        ("concepts/llm_backend.py", (*concepts.RULES, "llm")),
        ("negatives/rules/stage.py", rule_negatives.RULES),
        ("negatives/llm/stage.py", llm_negatives.RULES),
        ("annotate/balanced_negatives.py", (*balanced_negatives.RULES, *rule_negatives.RULES)),
    ],
)
def test_all_that_the_rows_are_made_by_is_in_it(start, places):
    todo, reached = [PACKAGE / start], set()
    while todo:
        file = todo.pop()
        name = file.relative_to(PACKAGE).as_posix()
        if name not in reached and name.split("/")[0] not in WITHOUT_RULES:
            reached.add(name)
            todo += imported(file)
    assert len(reached) > 3
    packages = {f"{parent}/__init__.py" for place in places for parent in Path(place).parents}
    assert sorted(name for name in reached - packages if {name, str(Path(name).parent)}.isdisjoint(places)) == []
