"""Concepts and negatives by a language model: answers are kept, the server may move, and a bad start costs nothing."""

import socket

import pytest
from corpus import write_folder

from command_line import CommandLine
from llm.openai_server import OpenAIServer, caption_of, fault
from rebind.data import open_source
from rebind.data.annotation_files import has_annotation
from rebind.data.packing import pack

CAPTIONS = 12


@pytest.fixture
def rebind(monkeypatch, capfd):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return CommandLine(monkeypatch, capfd)


@pytest.fixture
def photos(tmp_path):
    return write_folder(tmp_path / "photos", CAPTIONS)


def words(command, photos, url):
    return (command, photos, "--backend", "llm", "--model", "tiny", "--base-url", url)


def answer(body):
    """Right for concepts and for negatives; nothing but the caption is needed."""
    caption = caption_of(body)
    return {"concepts": [" ".join(caption.split()[1:3])], "replace_att": caption.replace(caption.split()[1], "huge", 1)}


@pytest.mark.parametrize("command", ["concepts", "negatives"])
def test_answers_are_kept_and_the_server_may_move(rebind, photos, command):
    def all_but_the_last(body):
        return answer(body) if len(server.asked) < CAPTIONS else fault(401, "expired")

    with OpenAIServer(all_but_the_last) as server:
        assert "401 (expired)" in rebind.refuses(*words(command, photos, server.url), "--concurrency", 1)
        assert server.most_under_way == 1  # one process, though nobody said how many
    assert (photos / "annotations" / "answers" / "answers.sqlite").is_file()
    with OpenAIServer(answer) as other:
        rebind.succeeds(*words(command, photos, other.url))
    assert len(other.asked) == 1
    assert has_annotation(open_source(photos), command)


@pytest.mark.parametrize("command", ["concepts", "negatives"])
def test_a_server_that_was_not_there_claims_nothing(rebind, photos, tmp_path, command):
    with socket.create_server(("127.0.0.1", 0)) as free:
        nowhere = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    assert "cannot reach" in rebind.refuses(*words(command, photos, nowhere), "--temperature", 0.1)
    assert (photos / "annotations" / command).is_dir()
    assert not has_annotation(open_source(photos), command)
    for number in range(CAPTIONS):
        (photos / f"{number}.jpg").write_bytes(b"no picture")
    assert pack(photos, tmp_path / "packed")["samples"] == 0  # the annotation does not stand in its way
    rebind.succeeds(command, photos, "--jobs", 1)  # nor in that of another backend
    assert has_annotation(open_source(photos), command)
