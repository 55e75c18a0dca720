"""Many questions at a time, over real HTTP: order, concurrency, formats, bad answers."""

import json
import re

import pytest

from llm.openai_server import OpenAIServer, Raw, caption_of, completion, fault
from llm.questions import SCHEMA, ask, counted, model, question, words
from rebind.llm import Answerer, count
from rebind.types import UserError


def test_answers_come_in_the_order_of_the_questions():
    texts = words(40)
    with OpenAIServer(
        lambda body: Raw(body=completion(json.dumps(counted(body))), delay=len(caption_of(body)) / 500)
    ) as server:
        answers = ask(server, texts)
    assert [answer.value for answer in answers] == [len(text) for text in texts]
    assert sorted(server.captions) == sorted(texts)
    assert len(server.greetings) == 1


@pytest.mark.parametrize("concurrency", [1, 3])
def test_no_more_requests_are_under_way_than_allowed(concurrency):
    with OpenAIServer(counted, delay=0.02) as server:
        ask(server, words(12), concurrency=concurrency)
    assert server.most_under_way == concurrency


def test_a_request_says_all_that_was_set():
    with OpenAIServer(counted) as server:
        ask(server, ["word"], temperature=0.25, seed=7, max_tokens=99)
    body = server.asked[0]
    assert (body["model"], body["temperature"], body["seed"], body["max_tokens"]) == ("tiny", 0.25, 7, 99)
    assert body["response_format"]["type"] == "json_schema"
    assert body["response_format"]["json_schema"]["schema"] == SCHEMA
    assert [message["role"] for message in body["messages"]] == ["system", "user"]


def test_servers_without_seeds_are_sent_none():
    with OpenAIServer(counted) as server:
        ask(server, ["word"], seed=None)
    assert "seed" not in server.asked[0]


@pytest.mark.parametrize("accepted", ["json_schema", "json_object", "text"])
@pytest.mark.parametrize("refusal", [fault(400, "unknown parameter"), fault(422, "no"), fault(500, "response_format!")])
def test_the_format_steps_down_until_the_server_accepts_it(accepted, refusal):
    def picky(reply):
        return lambda body: reply(body) if body.get("response_format", {}).get("type", "text") == accepted else refusal

    with OpenAIServer(picky(counted), picky(lambda body: "{}")) as server:
        answers = ask(server, words(5))
    steps = ["json_schema", "json_object", "text"].index(accepted)
    assert [answer.value for answer in answers] == [len(text) for text in words(5)]
    assert count(answers) == {f"answers as {accepted}": 5}
    assert len(server.greetings) == steps + 1
    assert len(server.asked) == 5


def test_the_newer_name_of_the_length_limit_is_used_where_the_old_one_is_refused():
    def newer(reply):
        refusal = fault(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")
        return lambda body: refusal if "max_tokens" in body else reply(body)

    with OpenAIServer(newer(counted), newer(lambda body: "{}")) as server:
        answers = ask(server, ["word"], max_tokens=50)
    assert answers[0].value == 4
    assert server.asked[0]["max_completion_tokens"] == 50
    assert answers[0].format == "json_schema"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"length": 4}', 4),
        ('```json\n{"length": 4}\n```', 4),
        ('Sure! Here it is: {"length": 4}. Anything else?', 4),
        ('<think>{"length": 9}? No.</think>{"length": 4}', 4),
        ('\n\n {"length": 4}', 4),
    ],
)
def test_the_object_is_found_in_what_surrounds_it(text, value):
    with OpenAIServer(lambda body: text) as server:
        assert ask(server, ["word"])[0].value == value


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("I cannot do that.", "not JSON"),
        ('{"length": 4', "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"a":' * 100_000, "not JSON"),
        ('{"size": 4}', "no length"),
        ("", "empty"),
        (Raw(body=completion(None)), "empty"),
        (Raw(body=completion('{"length": 4}', "length")), "cut off at max_tokens"),
        (Raw(body={"object": "chat.completion", "choices": []}), "no choices"),
        (Raw(body={"object": "chat.completion"}), "no choices"),
        (Raw(body={"error": {"message": "overloaded"}}), "no choices"),
    ],
)
def test_a_bad_answer_is_asked_for_again_and_then_counted(reply, reason):
    def bad_for_one(body):
        return reply if caption_of(body) == "bad" else counted(body)

    with OpenAIServer(bad_for_one) as server:
        answers = ask(server, ["good", "bad", "better"], patience={"answers": 3})
    assert [answer.value for answer in answers] == [4, None, 6]
    assert server.captions.count("bad") == 3
    assert answers[1].refused == (reason,) * 3
    tally = {"answers as json_schema": 2, f"asked again: {reason}": 2, f"unanswered: {reason}": 1}
    assert count(answers) == tally


def test_asking_again_says_why_and_takes_another_seed():
    with OpenAIServer(counted) as server:
        server.script = ["no idea"]
        answers = ask(server, ["word"], seed=5)
    assert answers[0].value == 4
    assert answers[0].refused == ("not JSON",)
    assert [body["seed"] for body in server.asked] == [5, 6]
    first, second = (body["messages"][-1]["content"] for body in server.asked)
    assert second.startswith(first)
    assert "not JSON" in second


def test_a_question_that_the_server_refuses_is_counted_and_not_repeated():
    def censor(body):
        return fault(400, "content filter") if caption_of(body) == "bad" else counted(body)

    with OpenAIServer(censor) as server:
        answers = ask(server, ["good", "bad", "better"])
    assert [answer.value for answer in answers] == [4, None, 6]
    assert server.captions.count("bad") == 1
    assert count(answers)["unanswered: refused with status 400"] == 1


@pytest.mark.parametrize(
    ("failure", "says"),
    [
        (fault(500, "grammar crashed"), r"replies 500 \(grammar crashed\) when asked 'Caption: bad'; see the server's"),
        (Raw(delay=1.0), "no answer from .* within 0.3 s when asked 'Caption: bad'; lower the concurrency"),
    ],
)
def test_a_question_without_an_answer_in_all_patience_ends_the_run_and_is_asked_again_by_the_next(
    tmp_path, failure, says
):
    def fragile(body):
        return failure if caption_of(body) == "bad" else counted(body)

    patience = {"attempts": 3, "timeout": 0.3}
    with OpenAIServer(fragile) as server:
        with pytest.raises(UserError, match=says):
            ask(server, ["good", "bad"], patience=patience, cache=tmp_path, concurrency=1)
        assert server.captions.count("bad") == 3
        server.answer = counted
        answers = ask(server, ["good", "bad"], patience=patience, cache=tmp_path)
    assert [answer.value for answer in answers] == [4, 3]
    assert server.captions.count("good") == 1


def test_a_model_that_fails_at_nearly_everything_stops_the_run_early():
    with OpenAIServer(lambda body: "As an AI, I would rather talk.") as server, pytest.raises(UserError) as stopped:
        ask(server, words(200), patience={"answers": 2, "trial": 20, "trial_failures": 0.9}, concurrency=2)
    assert 36 <= len(server.asked) <= 44
    # Two are under way at a time: another may come in before the run has stopped.
    assert re.match(r"(18|19|20) of the first \1 answers of model 'tiny'", str(stopped.value))
    assert "not JSON" in str(stopped.value)


def test_what_the_server_says_is_part_of_the_reason_to_stop():
    with OpenAIServer(lambda body: fault(400, "prompt too long")) as server, pytest.raises(UserError, match="too long"):
        ask(server, words(20), patience={"trial": 10})


def test_a_model_that_fails_at_half_goes_on():
    def moody(body):
        return "no" if int(caption_of(body)[:3]) % 2 else counted(body)

    with OpenAIServer(moody) as server:
        answers = ask(server, words(40), patience={"answers": 1, "trial": 10, "trial_failures": 0.9})
    assert sum(answer.value is None for answer in answers) == 20


def test_nothing_is_sent_for_no_questions():
    with OpenAIServer(counted) as server:
        assert ask(server, []) == []
    assert server.headers == []


def test_an_open_model_is_greeted_once():
    with OpenAIServer(counted) as server:
        answerer = Answerer(model(server))
        for text in words(3):
            assert answerer.answers([question(text)])[0].value == len(text)
    assert len(server.greetings) == 1
