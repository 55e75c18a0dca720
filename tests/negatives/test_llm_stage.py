"""The stage that asks a language model for negatives, against a real HTTP server that answers well and badly."""

import json
import os
import pickle
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from llm.openai_server import OpenAIServer, Raw, caption_of, completion, fault
from rebind.engine import SequenceBlocks, Workforce, run_stage
from rebind.llm import LanguageModel, Patience
from rebind.negatives.families import FAMILIES
from rebind.negatives.llm import LlmNegatives
from rebind.negatives.llm.checks import fault as objection
from rebind.negatives.llm.checks import tidy
from rebind.negatives.llm.stage import PROMPT, schema_of
from rebind.types import UserError

EXAMPLES = yaml.safe_load(PROMPT.read_text(encoding="utf-8"))["examples"]
QUICK = Patience(timeout=5, attempts=3, first_wait=0.01, longest_wait=0.02, answers=2)


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def negatives_of(caption):
    """A right answer for "a red NOUN ..."."""
    return {
        "replace_att": caption.replace("red", "green"),
        "replace_num": caption.replace("a red", "two red"),
        "negate": caption.replace("a red", "no red"),
        "swap_att": None,
    }


def well(body):
    wanted = body["response_format"]["json_schema"]["schema"]["required"]
    right = negatives_of(caption_of(body))
    return {family: right.get(family) for family in wanted}


def stage(server, families=("replace_att", "replace_num", "negate", "swap_att"), **more):
    settings = {name: more.pop(name) for name in ("cache", "concurrency", "patience") if name in more}
    settings = {"patience": QUICK, **settings}
    return LlmNegatives(LanguageModel("tiny", base_url=server.url, **settings), families, **more)


def items(count):
    return [{"key": f"{n:04d}", "captions": [f"a red hat number {n} on a table"]} for n in range(count)]


def make(server, samples, **more):
    return stage(server, **more).open()(samples)


def test_rows_hold_the_negatives_of_each_sample_in_order():
    with OpenAIServer(well) as server:
        made = make(server, items(12))
    assert [row["key"] for row in made.rows] == [item["key"] for item in items(12)]
    first = made.rows[0]["negatives"]
    assert [(each["caption"], each["family"], each["of"]) for each in first] == [
        ("a green hat number 0 on a table", "replace_att", 0),
        ("two red hat number 0 on a table", "replace_num", 0),
        ("no red hat number 0 on a table", "negate", 0),
    ]
    assert [[each["caption"][start:end] for start, end in each["edits"]] for each in first] == [
        ["green"],
        ["two"],
        ["no"],
    ]
    assert made.tally == {
        "captions": 12,
        "answers as json_schema": 12,
        "negatives": 36,
        "negatives: replace_att": 12,
        "negatives: replace_num": 12,
        "negatives: negate": 12,
    }
    assert json.loads(json.dumps(made.rows)) == made.rows


def test_one_request_asks_for_all_families():
    with OpenAIServer(lambda body: dict.fromkeys(FAMILIES)) as server:
        made = make(server, items(1), families=FAMILIES)
    (body,) = server.asked
    assert body["response_format"]["json_schema"]["schema"] == schema_of(FAMILIES)
    assert all(f"- {family}: " in body["messages"][0]["content"] for family in FAMILIES)
    assert made.rows == [{"key": "0000", "negatives": []}]


def test_only_the_families_that_are_wanted_are_spoken_of():
    with OpenAIServer(well) as server:
        make(server, items(1), families=("negate", "swap_att"))
    said = json.dumps(server.asked[0])
    assert [family for family in FAMILIES if family in said] == ["swap_att", "negate"]
    assert "{" not in server.asked[0]["messages"][0]["content"]


@pytest.mark.parametrize("families", [("swap",), ("negate", "negate"), ()])
def test_wrong_families_are_refused(families):
    with pytest.raises(UserError, match="give each once, out of swap_att"):
        LlmNegatives(LanguageModel("tiny"), families)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_examples_in_the_prompt_keep_its_rules(family):
    shown = [(each["caption"], each["answer"][family]) for each in EXAMPLES]
    assert any(foil for _, foil in shown)
    for caption, foil in shown:
        assert foil is None or (objection(caption, foil, family), tidy(caption, foil)) == (None, foil)


def test_the_examples_answer_as_they_are_asked_to():
    with OpenAIServer(well) as server:
        make(server, items(1), families=FAMILIES)
    turns = server.asked[0]["messages"][1:-1]
    assert [turn["role"] for turn in turns] == ["user", "assistant"] * len(EXAMPLES)
    assert all(list(json.loads(turn["content"])) == list(FAMILIES) for turn in turns[1::2])


def test_what_rules_reject_is_counted_and_the_rest_kept():
    answer = {
        "replace_att": "a red hat number 0 on a table.",
        "replace_num": "Sure! Here are two red hats",
        "negate": "no red hat number 0 on a table",
        "swap_att": "a green\nhat",
    }
    with OpenAIServer(lambda body: answer) as server:
        made = make(server, items(1))
    assert [each["family"] for each in made.rows[0]["negatives"]] == ["negate"]
    rejected = {name: n for name, n in made.tally.items() if name.startswith("rejected")}
    assert rejected == {
        "rejected: same as the caption": 1,
        "rejected: speaks of the task": 1,
        "rejected: more than one line": 1,
    }
    assert len(server.asked) == 1


def test_no_negative_comes_twice():
    twice = "a green hat number 0 on a table"
    answer = {"replace_att": twice, "replace_obj": twice.upper(), "negate": None}
    with OpenAIServer(lambda body: answer) as server:
        made = make(server, items(1), families=("replace_att", "replace_obj", "negate"))
    assert [each["caption"] for each in made.rows[0]["negatives"]] == [twice]
    assert made.tally["rejected: twice"] == 1


def test_what_another_caption_of_the_sample_says_is_no_negative():
    sample = {"key": "a", "captions": ["a red hat", "a green hat!", "a red cap"]}
    with OpenAIServer(well) as server:
        made = make(server, [sample], families=("replace_att", "negate"), all_captions=True)
    negatives = [(each["caption"], each["of"]) for each in made.rows[0]["negatives"]]
    assert ("a green hat", 0) not in negatives
    assert ("no red hat", 0) in negatives
    assert ("a green cap", 2) in negatives
    assert made.tally["rejected: said of the same sample"] == 1


def test_the_first_caption_is_asked_about_unless_all_are_wanted():
    sample = {"key": "a", "captions": ["a red hat", "a red cap"]}
    with OpenAIServer(well) as server:
        make(server, [sample])
        make(server, [sample], all_captions=True)
    assert sorted(server.captions) == ["a red cap", "a red hat", "a red hat"]


def test_odd_captions_do_no_harm():
    samples = [
        {"key": "a", "captions": ["  a red\n hat "]},
        {"key": "b", "captions": ["   "]},
        {"key": "c", "captions": []},
        {"key": "d", "captions": ["a red hat"], "concepts": ["red hat"]},
    ]
    with OpenAIServer(well) as server:
        made = make(server, samples)
    assert server.captions == ["a red hat"] * 2
    assert [len(row["negatives"]) for row in made.rows] == [3, 0, 0, 3]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("I would rather not.", "not JSON"),
        ('{"negatives": {}}', "not of the shape asked for"),
        ('{"replace_att": 3}', "not of the shape asked for"),
        ('["a green hat"]', "not JSON"),
        ('{"replace_att": "a red hat number 1 on a table"}', "nothing in it fits (same as the caption)"),
        (Raw(body=completion('{"replace_att": "a gre', "length")), "cut off at max_tokens"),
        (fault(400, "content filter"), "refused with status 400"),
    ],
)
def test_a_caption_that_the_model_fails_at_is_counted_and_the_others_go_on(bad, reason):
    with OpenAIServer(lambda body: bad if "number 1 " in caption_of(body) else well(body)) as server:
        made = make(server, items(3))
    assert [len(row["negatives"]) for row in made.rows] == [3, 0, 3]
    assert made.tally[f"unanswered: {reason}"] == 1


def test_a_second_answer_may_be_better():
    with OpenAIServer(well) as server:
        server.script = ['{"replace_att": "a red hat number 0 on a table"}']
        made = make(server, items(1))
    assert len(made.rows[0]["negatives"]) == 3
    assert made.tally["asked again: nothing in it fits (same as the caption)"] == 1


def test_a_model_that_cannot_do_it_ends_the_run():
    with (
        OpenAIServer(lambda body: {"negate": caption_of(body)}) as server,
        pytest.raises(UserError, match="same as the"),
    ):
        make(server, items(100), patience=Patience(answers=1, trial=10))
    assert len(server.asked) < 30


def test_settings_say_what_the_rows_depend_on(monkeypatch):
    monkeypatch.setenv("REBIND_LLM_API_KEY", "sk-hunter2hunter2")
    model = LanguageModel("tiny", concurrency=3, cache=Path("somewhere"))
    one = LlmNegatives(model, ("negate",))
    assert json.loads(json.dumps(one.settings)) == one.settings
    assert one.settings["backend"] == "llm"
    assert one.settings["families"] == ["negate"]
    assert one.settings["model"] == "tiny"
    assert one.settings["prompt"]["version"] == 1
    assert "hunter2" not in str(one.settings) + repr(one)
    assert not {"concurrency", "cache"} & one.settings.keys()
    assert pickle.loads(pickle.dumps(one)) == one


PATIENT = Patience(first_wait=0.01, answers=2)


def random_server():
    """Answers at random moments with right, wrong and broken answers, each a function of the request alone."""

    def answer(body):
        dice = random.Random(json.dumps([body["messages"], body["seed"]]))
        time.sleep(dice.random() / 100)
        return dice.choice([well(body), well(body), "no", {"negate": caption_of(body)}])

    return OpenAIServer(answer)


RUN = """
import sys
from pathlib import Path
from rebind.engine import SequenceBlocks, Workforce, run_stage
from rebind.llm import LanguageModel, Patience
from rebind.negatives.llm import LlmNegatives
url, out, cache = sys.argv[1:]
families = ("replace_att", "replace_num", "negate", "swap_att")
patience = Patience(first_wait=0.01, answers=2)
stage = LlmNegatives(LanguageModel("tiny", url, cache=Path(cache), patience=patience), families, part_size=40)
items = [{"key": f"{n:04d}", "captions": [f"a red hat number {n} on a table"]} for n in range(120)]
run_stage(stage, SequenceBlocks(items, 40), Path(out), Workforce(jobs=1))
"""


def test_kill_9_and_resume_equal_one_run_and_ask_only_for_the_rest(tmp_path):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with random_server() as server:
        whole = stage(server, patience=PATIENT, part_size=40)
        run_stage(whole, SequenceBlocks(items(120), 40), tmp_path / "whole", Workforce(jobs=1))
        all_at_once = len(server.asked)
        unanswered = json.loads((tmp_path / "whole" / "report.json").read_text())["tally"]
        server.asked.clear()
        for enough in (30, 80):
            command = [sys.executable, "-c", RUN, server.url, str(tmp_path / "killed"), str(tmp_path / "cache")]
            process = subprocess.Popen(command, env=environment)
            while len(server.asked) < enough:
                assert process.poll() is None
                time.sleep(0.002)
            process.kill()
            process.wait()
        again = stage(server, patience=PATIENT, part_size=40, cache=tmp_path / "cache")
        run_stage(again, SequenceBlocks(items(120), 40), tmp_path / "killed", Workforce(jobs=1))
    files = sorted(path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole").rglob("*") if path.is_file())
    assert len(files) == 3 + 3 + 2
    for file in files:
        assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "killed" / file).read_bytes()
    lost = 2 * 8 * 2  # two kills, eight requests under way, each after a first answer that was not kept
    failed = 2 * 2 * sum(n for name, n in unanswered.items() if name.startswith("unanswered"))
    assert len(server.asked) <= all_at_once + lost + failed
