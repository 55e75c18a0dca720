"""The commands, their options, and what they show."""

import os
import re
import signal
import subprocess
import sys
import threading
import time

import pytest
import typer

from command_line import CommandLine
from photos import write_photos
from rebind.cli import app
from rebind.training.metrics_file import read_metrics

PROMISE = {
    "quickstart": "out seeds jobs steps pretrain-steps scenes test-scenes",
    "world": "out train test pretrain seed picture-size format",
    "concepts extract": "DATA captions out backend",
    "train": "RECIPE settings",
    "eval": "MODEL benchmark out label list",
    "report": "RUNS out title",
    "score": "MODEL IMAGE CAPTIONS",
}
SMALL = ("--model", "small-siglip", "--objective", "siglip", "--workers", 0, "--batch-size", 4, "--device", "cpu")


@pytest.fixture
def rebind(monkeypatch, capfd):
    return CommandLine(monkeypatch, capfd)


def test_the_options_are_a_promise():
    """People's scripts hold these words: add some, but take none away."""
    for name, words in PROMISE.items():
        command = typer.main.get_command(app)
        for word in name.split():
            command = command.commands[word]
        options = {word.lstrip("-") for option in command.params for word in option.opts}
        arguments = {option.name.upper() for option in command.params if option.param_type_name == "argument"}
        assert set(words.split()) <= options | arguments, name


def test_help_does_not_load_torch():
    code = "import sys, rebind.cli; sys.argv = ['rebind', '--help']\n"
    code += "try: rebind.cli.main()\nfinally: assert not {'torch', 'transformers', 'numpy'} & set(sys.modules)"
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr
    assert "Teach CLIP and SigLIP models" in outcome.stdout


def test_lists(rebind):
    settings = rebind.succeeds("train", "--settings")
    assert "c2lip-paper" in settings
    assert re.search(r"--learning-rate +│ 1e-05", settings)
    assert "\n  --data: source of captioned images\n" in rebind.succeeds("eval", "--list")


def test_flags_win_over_the_recipe_in_either_spelling(rebind, tmp_path):
    photos = write_photos(tmp_path / "photos", 8)
    (tmp_path / "mine.yaml").write_text("model: small-siglip\nbatch_size: 64\nlearning_rate: 0.5\nworkers: 0\n")
    places = ("--data", photos, f"--out={tmp_path / 'run'}", "--objective", "c2lip", "--label", "8")
    rebind.succeeds("concepts", photos)
    flags = ("--batch_size=4", "--learning-rate", "1e-5", "--steps", 1, "--objective-settings.attention-scale", "1e1")
    rebind.succeeds("train", tmp_path / "mine.yaml", *places, *flags, "--tensorboard", "false")
    written = (tmp_path / "run" / "recipe.yaml").read_text()
    for line in (
        "batch_size: 4",
        "learning_rate: 1.0e-05",
        "  attention_scale: 10.0",
        "label: '8'",
        "tensorboard: false",
    ):
        assert line in written


def test_a_terminal_of_80_columns_shows_the_loss_and_its_parts(rebind, tmp_path, monkeypatch):
    photos = write_photos(tmp_path / "photos", 12)
    rebind.succeeds("concepts", photos)
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", "80")
    words = ("--data", photos, "--out", tmp_path / "run", *SMALL, "--objective", "c2lip", "--label", "C2LIP")
    shown = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", rebind.succeeds("train", *words, "--steps", 6, "--log-every", 2))
    lines = [line.strip() for line in re.split(r"[\r\n]+", shown)]
    bars = [line for line in lines if "━" in line]
    assert re.fullmatch(r"C2LIP ━+ 6/6 [\d,]+ images/s 0?0:00 left", bars[-1])
    assert all(len(bar) <= 80 for bar in bars)
    assert re.fullmatch(
        r"loss [\d.]+ = contrastive [\d.]+ \+ concept [\d.]+ \+ attention [\d.e-]+", lines[lines.index(bars[-1]) + 1]
    )


def test_a_file_gets_no_bar_and_whole_paths(rebind, tmp_path):
    deep = tmp_path / ("a_rather_long_name" * 5)
    deep.mkdir()
    photos = write_photos(deep / "photos [2024]", 8)
    shown = rebind.succeeds("train", "--data", photos, "--out", deep / "run", *SMALL, "--steps", 2)
    assert shown.splitlines() == [
        f"siglip: steps 1 to 2, each on 4 of the 8 samples in {photos}, small-siglip, cpu in fp32",
        f"The model is in {deep / 'run' / 'model'}; what happened on the way is in {deep / 'run' / 'summary.json'}.",
    ]


def test_interrupting_says_how_to_go_on(rebind, tmp_path):
    photos, metrics = write_photos(tmp_path / "photos", 24), tmp_path / "run" / "metrics.jsonl"
    words = ("train", "--data", photos, "--out", tmp_path / "run", *SMALL, "--log-every", 1, "--save-every", 1)

    def interrupt():
        while not read_metrics(metrics):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    # Whoever starts the tests in the background has their interrupts ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread = threading.Thread(target=interrupt, daemon=True)
    thread.start()
    outcome = rebind(*words, "--steps", 2000)
    signal.signal(signal.SIGINT, before)
    assert outcome.status == 130
    assert outcome.error == ""
    assert outcome.out.splitlines()[-1] == "Stopped. The same command continues from the last checkpoint."
