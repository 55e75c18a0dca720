"""The backend that asks a language model, against a real HTTP server that answers well and badly."""

import pickle
from collections import Counter

import pytest
import yaml

from llm.openai_server import OpenAIServer, caption_of
from rebind.concepts import build_extractor
from rebind.concepts.llm_backend import PROMPT, LlmBackend, read_named
from rebind.llm import Unusable
from rebind.types import UserError

ANSWERS = {
    "A man in a red hat walks two dogs.": ["man", "red hat", "two dogs"],
    "the old barn": ["old barn"],
    "So blurry!": [],
}


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def well(body):
    return {"concepts": ANSWERS[caption_of(body)]}


def texts(mentions):
    return [[phrase.text for phrase in each.phrases] for each in mentions]


def test_phrases_come_caption_by_caption():
    with OpenAIServer(well) as server:
        assert texts(LlmBackend("tiny", server.url).read_many(list(ANSWERS))) == list(ANSWERS.values())
    assert sorted(server.captions) == sorted(ANSWERS)


def test_it_is_a_backend_of_the_extractor():
    with OpenAIServer(well) as server:
        extractor = build_extractor("llm", model="tiny", base_url=server.url)
        assert extractor("A man in a red hat walks two dogs.") == ["man", "red hat", "two dogs"]
        assert extractor.read_many(["the old barn", "So blurry!"]) == [["old barn"], ["So blurry!"]]
        keeping = build_extractor("llm", model="tiny", base_url=server.url, keep_determiners=True)
        assert keeping("A man in a red hat walks two dogs.") == ["a man", "a red hat", "two dogs"]


@pytest.mark.parametrize(
    ("caption", "listed", "found"),
    [
        ("A dog on a Red mat.", ["red mat", "dog"], ["dog", "red mat"]),
        ("A dog on a red mat.", ["A Dog", "the red mat"], ["dog", "red mat"]),
        ("a red, shiny hat", ["red shiny hat"], ["red shiny hat"]),
        ("a black cat and a cat", ["cat", "black cat"], ["black cat", "cat"]),
        ("a dog and a dog", ["dog", "dog"], ["dog"]),
        ("the man's hat", ["man's hat"], ["man's hat"]),
        ("a T-shirt", ["t-shirt"], ["t-shirt"]),
        ("A dog.", [], []),
    ],
)
def test_phrases_of_the_caption_are_found(caption, listed, found):
    named = read_named(caption, {"concepts": listed})
    assert [phrase.text for phrase in named.phrases] == found
    assert named.rejected == ()


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("cat", "not in the caption"),
        ("red dog", "not in the caption"),
        ("mat red", "not in the caption"),
        ("mats", "not in the caption"),
        ("the", "no words"),
        ("", "no words"),
        ("!", "no words"),
        ("it", "holds a pronoun"),
        ("dog on a red mat", "more than a noun phrase"),
        ("dog is", "more than a noun phrase"),
        ("mat", "not in the caption"),
    ],
)
def test_other_phrases_are_rejected(wrong, reason):
    named = read_named("A dog is on a red mat with it.", {"concepts": ["dog", "red mat", wrong]})
    assert ([phrase.text for phrase in named.phrases], named.rejected) == (["dog", "red mat"], (reason,))


@pytest.mark.parametrize("answer", [{}, {"concepts": "dog"}, {"concepts": [1]}, {"concepts": ["cat"]}, [], None])
def test_answers_of_another_shape_are_unusable(answer):
    with pytest.raises(Unusable):
        read_named("a dog", answer)


def test_what_went_wrong_is_counted():
    def badly(body):
        caption = caption_of(body)
        return "no" if caption == "the old barn" else {"concepts": [*ANSWERS[caption], "unicorn"]}

    tally = Counter()
    with OpenAIServer(badly) as server:
        found = LlmBackend("tiny", server.url).read_many(list(ANSWERS)[:2], tally)
    assert texts(found) == [["man", "red hat", "two dogs"], []]
    assert tally == {
        "answers as json_schema": 1,
        "rejected: not in the caption": 1,
        "asked again: not JSON": 2,
        "unanswered: not JSON": 1,
    }


def test_answers_are_kept(tmp_path):
    with OpenAIServer(well) as server:
        for _ in range(2):
            LlmBackend("tiny", server.url, cache=str(tmp_path)).read_many(list(ANSWERS))
    assert len(server.asked) == 3


def test_the_examples_in_the_prompt_keep_its_rules():
    for example in yaml.safe_load(PROMPT.read_text(encoding="utf-8"))["examples"]:
        named = read_named(example["caption"], example["answer"])
        assert [phrase.text for phrase in named.phrases] == example["answer"]["concepts"]
        assert named.rejected == ()


def test_it_can_be_sent_to_another_process_even_after_use():
    with OpenAIServer(well) as server:
        backend = LlmBackend("tiny", server.url)
        backend.read_many(["the old barn"])
        again = pickle.loads(pickle.dumps(backend))
        assert again == backend
        assert texts(again.read_many(["the old barn"])) == [["old barn"]]


def test_settings_and_version_say_what_phrases_depend_on():
    backend = LlmBackend("tiny", concurrency=2, cache="somewhere")
    assert backend.version.startswith("openai ")
    assert "prompt 1 (" in backend.version
    assert not {"concurrency", "cache"} & backend.settings.keys()


def test_wrong_settings_are_refused_when_it_is_built():
    with pytest.raises(UserError, match="needs the setting 'model'"):
        build_extractor("llm")
    with pytest.raises(UserError, match="not the address of a server"):
        build_extractor("llm", model="tiny", base_url="here")
