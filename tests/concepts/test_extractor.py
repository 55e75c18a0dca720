import pickle
import subprocess
import sys
from importlib.metadata import version

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebind.concepts import build_extractor
from rebind.types import UserError

EXTRACT = build_extractor()


WORDS = ("a", "the", "red", "man's", ",", "and", "'", ".", "left", "of", "/", "2", "one", "sitting", "is", "\n")


@given(st.text() | st.lists(st.sampled_from(WORDS)).map(" ".join))
def test_any_text_yields_concepts_unless_it_is_blank(text):
    if not text.strip():
        with pytest.raises(UserError, match="blank"):
            EXTRACT(text)
        return
    concepts = EXTRACT(text)
    assert concepts
    assert all(concept.strip() == concept != "" for concept in concepts)
    assert len(set(concepts)) == len(concepts)


def test_a_very_long_text_is_read_to_its_end():
    assert EXTRACT("a red and " * 5000 + "blue house")[-1].endswith("blue house")


def test_extractor_knows_how_it_was_built():
    defaults = {
        "keep_determiners": False,
        "keep_numbers": True,
        "relations": False,
        "stop_concepts": [],
        "max_per_image": None,
    }
    assert (EXTRACT.name, EXTRACT.settings) == ("textblob", defaults)
    assert build_extractor("textblob", keep_numbers=False).settings == {**defaults, "keep_numbers": False}
    assert EXTRACT.version == version("textblob")


def test_extractor_can_be_sent_to_another_process():
    assert pickle.loads(pickle.dumps(EXTRACT))("a big cat") == ["big cat"]


def test_many_captions_are_read_like_each_alone():
    captions = ["a cat", " two hats\n", "Is it so?", "a cat"]
    assert EXTRACT.read_many(iter(captions)) == [["cat"], ["two hats"], ["Is it so?"], ["cat"]]
    assert EXTRACT.find_many(captions) == [["cat"], ["two hats"], [], ["cat"]]
    assert EXTRACT.read_many([]) == []
    with pytest.raises(UserError, match="blank"):
        EXTRACT.read_many(["a cat", " "])


@pytest.mark.parametrize(
    ("backend", "settings", "message"),
    [
        ("nltk", {}, "unknown concept backend 'nltk'.*textblob"),
        ("textblob", {"numbers": True}, "unknown setting 'numbers'.*keep_numbers"),
        ("llm", {}, "'llm' needs the setting 'model'"),
        ("llm", {"model": 7}, "'model'.*7.*must be of type str"),
        ("llm", {"model": "m", "seed": True}, "'seed'.*True.*must be of type int"),
        ("llm", {"model": "m", "relations": True}, "'llm' finds no relations"),
        ("spacy", {"pipeline": 7}, "'pipeline'.*7.*must be of type str"),
    ],
)
def test_unknown_names_are_answered_with_the_known_ones(backend, settings, message):
    with pytest.raises(UserError, match=message):
        build_extractor(backend, **settings)


def test_reading_captions_does_not_import_torch():
    code = "import sys, rebind.concepts as c; print(*c.build_extractor()('a cat'), 'torch' in sys.modules, sep=', ')"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "cat, False\n"
