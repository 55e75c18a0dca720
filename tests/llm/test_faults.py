"""What servers do wrong, over real HTTP: what is waited for, what ends the run, and in which words."""

import socket
import time
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest

from llm.openai_server import OpenAIServer, Raw, completion, fault
from llm.questions import ask, counted, words
from rebind.types import UserError


@pytest.mark.parametrize(
    "passing", [fault(429, "slow down"), fault(500, "oops"), fault(503, "loading"), fault(408, "late")]
)
def test_a_passing_failure_is_waited_for(passing):
    with OpenAIServer(counted) as server:
        server.script = [passing, passing]
        answers = ask(server, ["word"], patience={"attempts": 3})
    assert answers[0].value == 4
    assert answers[0].refused == ()
    assert len(server.asked) == 3


@pytest.mark.parametrize("nonsense", ["nan", "-5", "soon", ""])
def test_nonsense_about_waiting_is_ignored(nonsense):
    with OpenAIServer(counted) as server:
        server.script = [fault(429, "slow down", headers={"Retry-After": nonsense})]
        assert ask(server, ["word"])[0].value == 4


@pytest.mark.parametrize("wait", ["0.3", "date"])
def test_the_server_says_how_long_to_wait(wait):
    if wait == "date":  # has no fractions of a second
        wait = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=1.5), usegmt=True)
    with OpenAIServer(counted) as server:
        server.script = [fault(429, "slow down", headers={"Retry-After": wait})]
        start = time.monotonic()
        assert ask(server, ["word"])[0].value == 4
    assert time.monotonic() - start >= 0.3


def test_a_wait_longer_than_our_patience_ends_the_run():
    late = fault(429, "quota of the day", headers={"Retry-After": "7200"})
    with OpenAIServer(lambda body: late) as server, pytest.raises(UserError, match="asks to wait 7200 s"):
        ask(server, ["word"])
    assert len(server.asked) == 1


def test_a_server_that_stays_busy_ends_the_run():
    with (
        OpenAIServer(lambda body: fault(429, "slow down")) as server,
        pytest.raises(UserError, match="concurrency") as end,
    ):
        ask(server, ["word"], patience={"attempts": 4})
    assert len(server.asked) == 4
    assert "429 (slow down)" in str(end.value)


def test_a_spent_account_is_not_waited_for():
    spent = fault(429, "You exceeded your current quota", code="insufficient_quota")
    with OpenAIServer(lambda body: spent) as server, pytest.raises(UserError, match="exceeded your current quota"):
        ask(server, ["word"])
    assert len(server.asked) == 1


def test_a_server_that_stops_working_ends_the_run():
    replies = iter(["{}"])
    with (
        OpenAIServer(lambda body: fault(502, "gone"), lambda body: next(replies, fault(502, "gone"))) as server,
        pytest.raises(UserError, match=r"replies 502 \(gone\)"),
    ):
        ask(server, words(30), concurrency=2, patience={"attempts": 2})
    assert len(server.asked) <= 8


def test_slow_answers_are_asked_for_again_in_time():
    with OpenAIServer(counted) as server:
        server.script = [Raw(body=completion('{"length": 4}'), delay=0.6)]
        answers = ask(server, ["word"], patience={"timeout": 0.3})
    assert answers[0].value == 4
    assert len(server.asked) == 2


def test_a_server_that_is_too_slow_from_the_start_is_named():
    slow = Raw(body=completion("{}"), delay=0.3)
    with OpenAIServer(greeting=lambda body: slow) as server, pytest.raises(UserError, match=r"within 0.1 s"):
        ask(server, ["word"], patience={"timeout": 0.1, "attempts": 2})
    assert len(server.greetings) == 2


@pytest.mark.parametrize(
    ("status", "advice"),
    [(401, "REBIND_LLM_API_KEY"), (403, "REBIND_LLM_API_KEY"), (404, "/models"), (402, "choose another model")],
)
def test_a_refusal_ends_the_run_at_once_in_one_sentence(status, advice):
    refusal = fault(status, "no way")
    with OpenAIServer(greeting=lambda body: refusal) as server, pytest.raises(UserError) as end:
        ask(server, words(20))
    assert len(server.greetings) == 1
    assert server.asked == []
    message = str(end.value)
    assert all(part in message for part in (server.url, "'tiny'", f"{status} (no way)", advice))
    assert "\n" not in message


@pytest.mark.parametrize("status", [401, 402, 403, 404])
def test_a_refusal_on_the_way_ends_the_run(status):
    with OpenAIServer(lambda body: fault(status, "expired")) as server, pytest.raises(UserError, match="expired"):
        ask(server, words(20), concurrency=2)
    assert len(server.asked) <= 4


def test_a_wrong_path_is_explained():
    with OpenAIServer() as server, pytest.raises(UserError, match="usually ends in /v1"):
        ask(server.url.removesuffix("/v1"), ["word"])


def test_a_page_in_place_of_an_answer_is_explained():
    page = Raw(body=b"<html>Welcome!</html>", headers={"Content-Type": "text/html"})
    with (
        OpenAIServer(greeting=lambda body: page) as server,
        pytest.raises(UserError, match="does not speak OpenAI's protocol"),
    ):
        ask(server, ["word"])


def test_broken_json_on_the_wire_is_explained():
    with (
        OpenAIServer(greeting=lambda body: Raw(body=b'{"choices": [')) as server,
        pytest.raises(UserError, match="protocol"),
    ):
        ask(server, ["word"])


def test_a_server_that_is_not_there_is_named():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    with pytest.raises(UserError, match=f"cannot reach {url} .*refused.*start the server"):
        ask(url, words(20))


def test_a_server_that_hangs_up_is_asked_again():
    with socket.create_server(("127.0.0.1", 0)) as rude:
        rude.settimeout(5)
        url = f"http://127.0.0.1:{rude.getsockname()[1]}/v1"
        import threading

        def hang_up():
            for _ in range(2):
                connection, _ = rude.accept()
                connection.recv(10)
                connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(UserError, match="cannot reach"):
            ask(url, ["word"], patience={"attempts": 2})
        thread.join()
