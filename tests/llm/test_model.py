"""Settings and keys: what is recorded, what is refused, what is sent to whom."""

import logging
import pickle
import sys

import openai
import pytest

from llm.openai_server import OpenAIServer, fault
from llm.questions import ask, counted, model, question
from rebind.llm import Answerer, LanguageModel, Patience
from rebind.types import UserError


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({"model": " "}, "name"),
        ({"base_url": "localhost:8000"}, "http://localhost:8000/v1"),
        ({"base_url": "ftp://host/v1"}, "not the address"),
        ({"base_url": "http://host:port/v1"}, "not the address"),
        ({"base_url": "http:///v1"}, "not the address"),
        ({"temperature": -1.0}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"concurrency": 0}, "concurrency"),
        ({"patience": Patience(attempts=0)}, "attempts"),
    ],
)
def test_what_cannot_be_right_is_refused(settings, wrong):
    with pytest.raises(UserError, match=wrong):
        LanguageModel(**{"model": "tiny", **settings})


@pytest.mark.parametrize(
    "secret", ["http://me:hunter2@host/v1", "https://host/v1?key=hunter2", "http://hunter2@host/v1"]
)
def test_a_key_in_the_address_is_refused_and_not_repeated(secret):
    with pytest.raises(UserError, match="REBIND_LLM_API_KEY") as refused:
        LanguageModel("tiny", base_url=secret)
    assert "hunter2" not in str(refused.value)


def test_settings_hold_what_answers_depend_on():
    settings = LanguageModel("tiny", base_url="http://host:1/v1/", temperature=0.5, seed=3, concurrency=99).settings
    assert settings.pop("openai") == openai.__version__
    assert settings == {
        "model": "tiny",
        "temperature": 0.5,
        "seed": 3,
        "max_tokens": 1024,
    }


def test_the_key_is_sent_and_written_nowhere(monkeypatch, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("REBIND_LLM_API_KEY", "sk-hunter2hunter2")
    with OpenAIServer(counted) as server:
        ask(server, ["word"], cache=tmp_path)
    assert server.headers[0]["Authorization"] == "Bearer sk-hunter2hunter2"
    assert all(b"hunter2" not in file.read_bytes() for file in tmp_path.iterdir())
    assert "hunter2" not in caplog.text
    tiny = model(server)
    assert "hunter2" not in repr(tiny) + str(tiny.settings) + str(pickle.dumps(tiny))


@pytest.mark.parametrize("status", [400, 401])
@pytest.mark.parametrize("padding", ["", "x" * 185])
def test_a_key_that_the_server_repeats_is_masked(monkeypatch, status, padding):
    monkeypatch.setenv("REBIND_LLM_API_KEY", "sk-hunter2hunter2")
    refusal = fault(status, padding + "sk-hunter2hunter2")
    with OpenAIServer(lambda body: refusal) as server, pytest.raises(UserError, match=r"\*\*\*") as end:
        ask(server, ["word"], patience={"trial": 1})
    assert "hunter" not in str(end.value)


@pytest.mark.parametrize(
    ("url", "ours", "hosted", "sent"),
    [
        ("https://api.example.com/v1", "", "hosted", "hosted"),
        ("https://api.example.com/v1", "ours", "hosted", "ours"),
        ("http://localhost:8000/v1", "", "hosted", "hosted"),
        ("http://127.0.0.1:8000/v1", "", "hosted", "hosted"),
        ("http://gpu1:8000/v1", "", "hosted", "none"),
        ("http://gpu1:8000/v1", "ours", "hosted", "ours"),
        ("http://localhost:8000/v1", "", "", "none"),
    ],
)
def test_the_hosted_key_goes_over_no_open_line(monkeypatch, url, ours, hosted, sent):
    monkeypatch.setenv("REBIND_LLM_API_KEY", ours)
    monkeypatch.setenv("OPENAI_API_KEY", hosted)
    assert LanguageModel("tiny", base_url=url).api_key == sent


def test_servers_without_keys_are_sent_none():
    with OpenAIServer(counted) as server:
        ask(server, ["word"])
    assert server.headers[0]["Authorization"] == "Bearer none"


def test_a_model_that_was_sent_to_a_worker_asks_nothing_when_it_is_opened():
    with OpenAIServer(counted) as server:
        sent = pickle.loads(pickle.dumps(model(server.url)))
        answerer = Answerer(sent)
        assert server.headers == []
        assert len(answerer.answers([question("word")])) == 1
        assert server.headers


def test_without_the_package_the_extra_is_named(monkeypatch):
    for name in ("rebind.llm.server", "rebind.llm.faults"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(UserError, match=r"package openai; install it with: pip install 'rebind\[llm\]'"):
        Answerer(model("http://127.0.0.1:9/v1")).answers([question("word")])
