"""Answers kept: by content, by several processes, through kill -9."""

import json
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from llm.openai_server import OpenAIServer, Raw, completion, fault
from llm.questions import SCHEMA, ask, counted, model, question, words
from rebind.llm import Answerer, Question, Unusable, count
from rebind.llm.cache import AnswerCache, content_key
from rebind.types import UserError


def test_a_second_run_asks_nothing(tmp_path):
    with OpenAIServer(counted) as server:
        first = ask(server, words(20), cache=tmp_path)
        before = len(server.headers)
        assert ask(server, words(20), cache=tmp_path) == first
        assert len(server.headers) == before


def test_a_full_cache_needs_no_server(tmp_path):
    with OpenAIServer(counted) as server:
        first = ask(server, words(5), cache=tmp_path)
        url = server.url
    assert ask(url, words(5), cache=tmp_path) == first


@pytest.mark.parametrize("change", [{"temperature": 0.1}, {"seed": 4}, {"seed": None}, {"max_tokens": 5}])
def test_other_sampling_is_another_question(tmp_path, change):
    with OpenAIServer(counted) as server:
        ask(server, ["word"], cache=tmp_path)
        ask(server, ["word"], cache=tmp_path, **change)
    assert len(server.asked) == 2


def test_patience_concurrency_and_address_are_no_part_of_a_question(tmp_path):
    with OpenAIServer(counted) as server:
        ask(server, ["word"], cache=tmp_path)
    with OpenAIServer(counted) as other:
        ask(other, ["word"], cache=tmp_path, concurrency=1, patience={"attempts": 9})
    assert len(server.asked) + len(other.asked) == 1


def test_only_good_answers_are_kept(tmp_path):
    def bad_then_good(body):
        return "no" if "bad" in body["messages"][-1]["content"] else counted(body)

    with OpenAIServer(bad_then_good) as server:
        ask(server, ["good", "bad"], cache=tmp_path, patience={"answers": 1})
        server.answer = counted
        answers = ask(server, ["good", "bad"], cache=tmp_path)
    assert sorted(server.captions) == ["bad", "bad", "good"]
    assert [answer.value for answer in answers] == [4, 3]


def test_the_history_of_an_answer_is_kept_with_it(tmp_path):
    with OpenAIServer(counted) as server:
        server.script = ["no", "{}"]
        first = ask(server, ["word"], cache=tmp_path)
        again = ask(server, ["word"], cache=tmp_path)
    assert again == first
    assert count(again) == {"answers as json_schema": 1, "asked again: not JSON": 1, "asked again: no length": 1}


def test_an_answer_that_newer_rules_reject_is_asked_for_again(tmp_path):
    def stricter(answer):
        if answer["length"] < 100:
            raise Unusable("too short")
        return answer["length"]

    with OpenAIServer(counted) as server:
        ask(server, ["word"], cache=tmp_path)
        server.script = ['{"length": 400}']
        asked = Question(question("word").messages, SCHEMA, stricter)
        assert Answerer(model(server, cache=tmp_path)).answers([asked])[0].value == 400


def test_any_text_can_be_kept(tmp_path):
    cache = AnswerCache(tmp_path)
    for number, text in enumerate(["", "é", "\ud800", "a\0b", "'; DROP TABLE answers; --"]):
        cache.put(content_key([text]), {"text": text, "number": number})
        assert AnswerCache(tmp_path).get(content_key([text])) == {"text": text, "number": number}
    assert cache.get(content_key(["other"])) is None


def test_keys_follow_the_content_not_the_order_of_fields():
    assert content_key({"a": 1, "b": [1, 2]}) == content_key(json.loads('{"b": [1, 2], "a": 1}'))
    assert content_key([1, 2]) != content_key([2, 1])


def put_some(folder, first, count, start, failed):
    start.wait()
    try:
        cache = AnswerCache(folder)
        for number in range(first, first + count):
            cache.put(content_key(number), {"number": number})
            cache.put(content_key("shared"), {"number": 0})
    except BaseException:
        failed.set()
        raise


def test_processes_share_a_cache(tmp_path):
    context = multiprocessing.get_context("fork")
    failed, start = context.Event(), context.Barrier(8)
    processes = [context.Process(target=put_some, args=(tmp_path, 1000 * n, 50, start, failed)) for n in range(8)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert not failed.is_set()
    cache = AnswerCache(tmp_path)
    assert all(cache.get(content_key(1000 * n + k)) == {"number": 1000 * n + k} for n in range(8) for k in range(50))


def test_a_file_that_is_no_cache_is_named(tmp_path):
    (tmp_path / "answers.sqlite").write_bytes(b"not a database, whatever it is called" * 100)
    with pytest.raises(UserError, match=r"answers.sqlite holds no answers .*remove it"):
        AnswerCache(tmp_path)


def test_a_folder_that_is_a_file_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="choose another folder"):
        AnswerCache(tmp_path / "file")


ASK = """
import sys
from llm.questions import ask, words
answers = ask(sys.argv[1], words(60), cache=sys.argv[2], concurrency=4)
print(*(answer.value for answer in answers))
"""


def asking(url, folder):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", ASK, url, str(folder)], env=environment, stdout=subprocess.PIPE, text=True
    )


def test_what_was_answered_before_kill_9_is_not_asked_again(tmp_path):
    with OpenAIServer(counted, delay=0.02) as server:
        process = asking(server.url, tmp_path)
        while len(server.asked) < 20:
            assert process.poll() is None
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        time.sleep(0.1)
        database = sqlite3.connect(tmp_path / "answers.sqlite")
        kept = database.execute("SELECT count(*) FROM answers").fetchone()[0]
        before = len(server.asked)
        process = asking(server.url, tmp_path)
        printed, _ = process.communicate()
        after = server.captions[before:]
    assert 12 <= kept < 60
    assert len(after) == 60 - kept
    assert before - kept <= 4
    assert printed.split() == [str(len(word)) for word in words(60)]


def test_an_outage_keeps_what_was_answered(tmp_path):
    with OpenAIServer(counted) as server:
        server.answer = lambda body: counted(body) if len(server.asked) <= 10 else fault(503, "gone")
        server.greeting = lambda body: "{}" if len(server.asked) == 0 else fault(503, "gone")
        with pytest.raises(UserError, match="503"):
            ask(server, words(30), cache=tmp_path, concurrency=1, patience={"attempts": 2})
        server.answer = counted
        server.greeting = lambda body: Raw(body=completion("{}"))
        before = len(server.asked)
        answers = ask(server, words(30), cache=tmp_path)
    assert len(server.asked) - before == 20
    assert [answer.value for answer in answers] == [len(word) for word in words(30)]
