"""The rules of the house, read from the source: sizes, names, imports, safety, and the promise of the command line."""

import ast
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
import typer

from rebind.cli import app

REPOSITORY = Path(__file__).parents[1]
SOURCE = REPOSITORY / "src" / "rebind"
FILES = {str(path.relative_to(SOURCE)): path for path in sorted(SOURCE.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in FILES.items()}
NODES = [(name, node) for name, tree in TREES.items() for node in ast.walk(tree)]

BOTTOM = {"types", "storage", "metrics"}
EVERYTHING = {Path(name).parts[0].removesuffix(".py") for name in FILES} - {"__init__"}

#: Room -> the rooms it may import. A new room gets a row here.
LAYERS = {
    "types": set(),
    "storage": {"types"},
    "metrics": {"types"},
    "objectives": BOTTOM,
    "models": BOTTOM,
    "data": BOTTOM | {"engine"},  # an annotation knows what the engine made it of
    "engine": {"types", "storage"},
    "llm": {"types", "storage"},
    "concepts": BOTTOM | {"engine", "llm"},
    "negatives": BOTTOM | {"engine", "llm", "concepts"},  # what is edited is what was read in the caption
    "world": BOTTOM | {"data", "engine"},
    "benchmarks": BOTTOM | {"data", "models", "concepts"},
    "training": BOTTOM | {"data", "models", "objectives", "distributed"},
    "distributed": {"types"},
    "inspection": BOTTOM | {"data"},
    "foils": BOTTOM | {"data", "negatives"},
    "annotate": BOTTOM | {"engine", "data", "concepts", "models", "negatives", "world", "llm"},
    "evaluate": BOTTOM | {"benchmarks", "models", "training"},
    "reference": BOTTOM,
    "reports": BOTTOM | {"reference"},
    "forgetting": BOTTOM | {"benchmarks", "reports"},
    "reproduce": BOTTOM | {"benchmarks", "evaluate", "reference", "reports"},
    "blending": BOTTOM | {"benchmarks", "evaluate", "forgetting", "models", "reports"},
    "quickstart": EVERYTHING - {"cli", "__main__"},
    "cli": EVERYTHING - {"__main__"},
    "__main__": {"cli"},
}

#: The command line is a promise: nothing here may go, and what is added is added here too.
COMMANDS = {
    "quickstart": [
        *["--out", "--seeds", "--jobs", "--steps", "--pretrain-steps", "--scenes", "--test-scenes"],
        "--objectives",
    ],
    "world": ["--out", "--train", "--test", "--pretrain", "--seed", "--picture-size", "--format", "--negatives"],
    "concepts": [],
    "concepts extract": [*["[data]", "--captions", "--out", "--backend", "--engine", "--jobs", "--address"]],
    "concepts evaluate": ["gold", "--captions", "--backend"],
    "data": [],
    "data inspect": ["source", "--out", "--limit", "--pictures", "--decode"],
    "data pack": ["source", "--out", "--samples-per-shard", "--max-side", "--without-annotations"],
    "negatives": ["[data]", "--captions", "--out", "--backend", "--refine", "--engine", "--jobs", "--address"],
    "foils": ["data", "--out", "--families", "--share", "--per-family", "--vetoes", "--judge", "--from", "--seed"],
    "pictures": ["data", "--backend", "--families", "--filter-by", "--engine", "--jobs", "--address"],
    "neighbours": ["data", "--model", "--count", "--by", "--engine", "--jobs", "--address"],
    "train": ["[recipe]", "--settings"],
    "eval": ["[model]", "--benchmark", "--base", "--out", "--label", "--list", "--download"],
    "compare": ["first", "second", "--out"],
    "reproduce": ["[name]", "--out", "--model", "--download"],
    "blend": ["base", "tuned", "--benchmark", "--out", "--alpha", "--max-loss", "--report"],
    "report": ["runs", "--out", "--title"],
    "score": ["model", "image", "captions"],
}


def imported(tree):
    """Every module that a file imports, wherever in it; ``from a import b`` gives ``a`` and ``a.b``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))


def room_of(name):
    return Path(name).parts[0].removesuffix(".py")


def functions():
    return [(name, node) for name, node in NODES if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def test_there_is_something_to_look_at():
    assert len(FILES) > 40
    assert len(functions()) > 200


def test_files_have_at_most_300_lines():
    assert {name: n for name, path in FILES.items() if (n := path.read_text().count("\n") + 1) > 300} == {}


def test_functions_have_at_most_60_lines():
    lengths = {f"{name}:{node.name}": node.end_lineno - node.lineno + 1 for name, node in functions()}
    assert {place: length for place, length in lengths.items() if length > 60} == {}


def test_functions_have_at_most_8_parameters():
    def count(node):
        if any(ast.unparse(each).startswith("app.command(") for each in node.decorator_list):
            return 0  # typer's way of listing the options of a command
        return len([one for one in node.args.args + node.args.kwonlyargs if one.arg not in {"self", "cls"}])

    assert {f"{name}:{node.name}": count(node) for name, node in functions() if count(node) > 8} == {}


def test_modules_are_called_after_a_noun():
    nothing_said = re.compile(r"utils?|helpers?|misc|common|managers?|handlers?")
    words = {name: re.split(r"[_/.]", name) for name in FILES}
    assert [name for name, parts in words.items() if any(nothing_said.fullmatch(word) for word in parts)] == []


def test_imports_run_down_the_layers_only():
    found = defaultdict(set)
    for name, tree in TREES.items():
        assert room_of(name) in LAYERS or name == "__init__.py", (
            f"{name}: give the room {room_of(name)} a row in LAYERS"
        )
        for module in imported(tree):
            parts = module.split(".")
            if parts[0] == "rebind" and len(parts) > 1 and parts[1] in EVERYTHING:
                found[room_of(name)].add(parts[1])
    upwards = {room: rooms - LAYERS.get(room, set()) - {room} for room, rooms in found.items()}
    assert {room: rooms for room, rooms in upwards.items() if rooms} == {}


def test_the_layers_hold_no_circle():
    below = {room: rooms & EVERYTHING - {room} for room, rooms in LAYERS.items()}
    order = []
    while len(order) < len(below):
        free = [room for room, rooms in below.items() if room not in order and rooms <= set(order)]
        assert free, f"a circle among {set(below) - set(order)}"
        order += free


def test_all_imports_are_absolute():
    assert [name for name, node in NODES if isinstance(node, ast.ImportFrom) and node.level] == []


@pytest.mark.parametrize(
    ("room", "never"),
    [
        ("", {"torchvision", "pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}),
        ("reports", {"torch", "transformers"}),
        ("metrics", {"torch", "transformers"}),
        ("world", {"torch", "transformers"}),
        ("concepts", {"torch", "transformers", "PIL"}),
        ("objectives", {"transformers"}),
    ],
)
def test_what_a_room_never_imports(room, never):
    files = {name: tree for name, tree in TREES.items() if room in ("", room_of(name))}
    assert files
    tops = {name: {module.split(".")[0] for module in imported(tree)} for name, tree in files.items()}
    assert {name: modules & never for name, modules in tops.items() if modules & never} == {}


def calls():
    for name, node in NODES:
        if isinstance(node, ast.Call):
            keywords = {word.arg: ast.unparse(word.value) for word in node.keywords if word.arg}
            yield f"{name}:{node.lineno}", ast.unparse(node.func), keywords


def test_nothing_of_a_stranger_is_executed():
    unsafe = []
    for place, function, keywords in calls():
        unsafe += [place] * (keywords.get("trust_remote_code", "False") != "False")
        unsafe += [place] * (keywords.get("allow_pickle", "False") != "False")
        unsafe += [place] * (function == "torch.load" and keywords.get("weights_only") != "True")
        unsafe += [place] * (function in {"yaml.load", "eval", "exec", "os.system"})
        unsafe += [place] * (keywords.get("shell", "False") != "False")
    assert unsafe == []


def test_no_error_is_swallowed_whole():
    def swallows(node):
        caught = ast.unparse(node.type) if node.type else "everything"
        silent = all(isinstance(line, ast.Pass | ast.Continue) for line in node.body)
        return caught == "everything" or (silent and caught in {"Exception", "BaseException"})

    handlers = [(name, node) for name, node in NODES if isinstance(node, ast.ExceptHandler)]
    assert [f"{name}:{node.lineno}" for name, node in handlers if swallows(node)] == []


def test_nothing_is_left_unfinished_or_skipped():
    unfinished = re.compile(r"\b(TO[D]O|FIX[M]E|XX[X]|HA[C]K)\b|NotImplemented[E]rror|\bfor[ ]now\b")
    skipped = re.compile(r"mark\.(skip|xfail|skipif)|pytest\.(skip|xfail|importorskip)\(")
    tests = sorted((REPOSITORY / "tests").rglob("*.py"))
    places = [path for path in FILES.values() if unfinished.search(path.read_text(encoding="utf-8"))]
    places += [path for path in tests if skipped.search(path.read_text(encoding="utf-8"))]
    assert places == []


def modules_loaded_by(statements):
    """Which heavy libraries a fresh interpreter has loaded after running some statements."""
    heavy = ("torch", "transformers", "datasets", "matplotlib", "scipy", "sklearn", "torchvision")
    program = f"import sys\n{statements}\nprint('loaded:', *(name for name in {heavy} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split()[1:])


RUN_CLI = """
from rebind.cli import main
sys.argv = ["rebind", {words}]
try:
    main()
except SystemExit as end:
    assert end.code in (0, None), end.code
"""


@pytest.mark.parametrize("words", [("--help",), *((*command.split(), "--help") for command in COMMANDS)], ids=" ".join)
def test_help_answers_before_anything_heavy_is_imported(words):
    assert modules_loaded_by(RUN_CLI.format(words=", ".join(map(repr, words)))) == set()


TORCHLESS = (
    *("reports", "metrics", "world", "data", "concepts", "benchmarks", "annotate", "evaluate", "training"),
    *("engine", "foils", "inspection", "negatives", "blending", "forgetting", "reference", "reproduce"),
)


@pytest.mark.parametrize("room", TORCHLESS)
def test_rooms_answer_without_torch(room):
    assert not modules_loaded_by(f"import rebind.{room}") & {"torch", "transformers", "torchvision"}


def commands(group=None, prefix=""):
    """Every command by the words that call it, those of groups included."""
    group = group or typer.main.get_command(app)
    for name, command in group.commands.items():
        yield f"{prefix}{name}", command
        if hasattr(command, "commands"):
            yield from commands(command, f"{prefix}{name} ")


def test_the_command_line_keeps_its_promise():
    def spelled(parameter):
        if parameter.param_type_name == "argument":
            return parameter.name if parameter.required else f"[{parameter.name}]"
        return max(parameter.opts, key=len)

    assert {name: [spelled(each) for each in command.params] for name, command in commands()} == COMMANDS


def test_every_option_says_what_it_is_for():
    for name, command in commands():
        assert command.help, name
        assert [each.name for each in command.params if not each.help] == []
