"""Every `fixhead ...` command in a message is one that exists, and leads out of the situation that names it."""
import ast
import re
import shlex
import shutil
from pathlib import Path

import click
import numpy as np
import pytest
from command_tree import leaves

from keras_fixhead.data.packing import pack_dataset

ROOT = Path(__file__).parents[2]
COMMANDS = dict(leaves())
NAMED = {words[:count] for words in COMMANDS for count in (1, 2)} - {("check",), ("data",)}
PROSE = {"models that fixhead exported"}
"""What mentions the program, but no command."""


def texts_in_source():
    """Yields each text of the source except docstrings, with ... for inserted values, and where it stands."""
    for room in ("keras_fixhead", "cli", "serving"):
        for path in sorted((ROOT / room).rglob("*.py")):
            tree = ast.parse(path.read_text("utf-8"))
            inner = {id(each) for node in ast.walk(tree) for each in _not_texts(node)}
            for node in ast.walk(tree):
                if isinstance(node, (ast.Constant, ast.JoinedStr)) and id(node) not in inner and (text := _text(node)):
                    yield text, f"{path.relative_to(ROOT)}:{node.lineno}"


def _not_texts(node):
    if isinstance(node, ast.JoinedStr):
        return node.values
    if isinstance(node, ast.Expr):  # a docstring
        return [node.value]
    return []


def _text(node):
    if isinstance(node, ast.JoinedStr):
        return "".join(each.value if isinstance(each, ast.Constant) else "..." for each in node.values)
    return node.value if isinstance(node.value, str) else ""


def commands_in(text):
    """Returns the arguments of each command in a text: in backquotes, or up to the end of its clause."""
    quoted = re.findall(r"[`']fixhead ([a-z][^`']*)[`']", text)
    plain = re.sub(r"[`']fixhead [^`']*[`']", "", re.sub("<[^>]+>", ";", text))
    return quoted + [re.split(r"\.(?:\s|$)|[,:)](?:\s|$)|;| > | && ", part)[0]
                     for part in re.findall(r"\bfixhead ([a-z].*)", plain)]


def check_exists(arguments):
    """Raises an AssertionError or a click.UsageError unless these arguments name a command and its options."""
    arguments = arguments.split()
    words = tuple(arguments[:2]) if tuple(arguments[:2]) in COMMANDS else tuple(arguments[:1])
    assert words in COMMANDS or words in NAMED, f"there is no command {words}"
    command, given = COMMANDS[words], arguments[len(words):]
    if not given:  # only named
        return
    context = click.Context(command)
    options = {"--help"} | {each for param in command.params for each in (*param.opts, *param.secondary_opts)}
    either = [each.split("|") for each in given]  # --fixed|--learned
    assert not (unknown := {each for words in either for each in words if each.startswith("--")} - options), unknown
    values, extra, order = command.make_parser(context).parse_args([first for first, *_ in either])
    assert set(extra) <= {"..."}, f"too much: {extra}"
    missing = [each.name for each in order if isinstance(each, click.Argument) and each.required
               and not values.get(each.name)]
    assert not missing or all(each.startswith("--") for each in given), f"{missing} not given"


HINTED = [(arguments, place) for text, place in texts_in_source() if not any(each in text for each in PROSE)
          for arguments in commands_in(text)]


@pytest.mark.parametrize("arguments, place", HINTED, ids=[place for _, place in HINTED])
def test_a_command_that_a_message_names_exists(arguments, place):
    check_exists(arguments)


@pytest.mark.parametrize("arguments", ["shwo RUN", "data chek X", "train --resum RUN", "evaluate --dataset",
                                       "show A B"])
def test_the_check_finds_commands_that_do_not_exist(arguments):
    with pytest.raises((AssertionError, click.UsageError)):
        check_exists(arguments)


def test_the_check_finds_most_rooms():
    assert len(HINTED) > 60
    assert {place.split("/")[1] for _, place in HINTED} >= {"data", "runs", "experiments", "models", "commands"}


def hints_in_source():
    """Yields each text of a hint, and where it stands: of an error, and the second argument of a type of paths."""
    for room in ("keras_fixhead", "cli", "serving"):
        for path in sorted((ROOT / room).rglob("*.py")):
            for call in (node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)):
                typed = re.search(r"Input(File|Folder)$", ast.unparse(call.func))
                for value in [*(each.value for each in call.keywords if each.arg == "hint"),
                              *(call.args[1:2] if typed else [])]:
                    for text in (value.body, value.orelse) if isinstance(value, ast.IfExp) else (value,):
                        if isinstance(text, (ast.Constant, ast.JoinedStr)):
                            yield _text(text), f"{path.relative_to(ROOT)}:{text.lineno}"


def test_a_hint_says_what_its_command_is_for():
    hints = list(hints_in_source())

    assert len(hints) > 200
    assert not [(text, place) for text, place in hints if text.startswith("fixhead ")]


# followed: what fails, the last words of its hint, and what is filled in before that runs

FOLLOWED = [
    ("show runs/none", "fixhead list runs"),
    ("evaluate runs/none", "fixhead list runs"),
    ("train --init-from runs/none --dry-run", "fixhead list runs"),
    ("data show ./photographs", "fixhead list datasets"),
    ("robustness RUN --suite ./none", "fixhead list corruptions"),
    ("list runs a", "fixhead show RUN"),
    ("report none", "fixhead reproduce all --dry-run"),
    ("data show VECTORS", "fixhead data check VECTORS"),
    ("data corrupt VECTORS out", "fixhead data check VECTORS"),
    ("list models --runs-dir RUNS", "fixhead list runs --runs-dir DIR"),
    ("data pack digits PACKED", "fixhead data verify PACKED/digits.packed"),
    ("train --config FILE --dry-run", "fixhead train --dry-run"),
    ("train --init-from EMPTY --dry-run", "fixhead list runs"),
    ("train --dataset DAMAGED/digits.packed --dry-run", "fixhead data pack DATASET OUT"),
    ("train --dataset digits --recipe smoke --devices 9", "fixhead doctor"),
    ("data verify EMPTY", "fixhead data pack DATASET EMPTY"),
    ("robustness RUN --suite EMPTY", "fixhead data corrupt DATASET DIR"),
    ("compare RUN", "fixhead list runs"),
]


def make(line, names, request):
    """Makes what the names in a command stand for."""
    if re.search(r"\bRUN\b", line):
        run = request.getfixturevalue("digits_run").path
        names["RUN"] = str(shutil.copytree(run, Path(names["RUNS"]) / run.name))
    for folder in {"PACKED", "DAMAGED"} & set(re.findall("[A-Z]+", line)):
        pack_dataset("digits", Path(names[folder]))
    if "DAMAGED" in line:
        (index,) = Path(names["DAMAGED"]).rglob("index.json")
        index.write_text("{")
    if "EMPTY" in line:
        Path(names["EMPTY"]).mkdir()


@pytest.mark.parametrize("line, command", FOLLOWED, ids=[line for line, _ in FOLLOWED])
def test_the_command_of_a_hint_works_where_it_is_printed(line, command, fixhead, tmp_path, monkeypatch, request):
    monkeypatch.chdir(tmp_path)
    np.savez("vectors.npz", features=np.ones((20, 3), np.float32), labels=np.arange(20) % 2)
    names = {each: str(tmp_path / each.lower()) for each in ("PACKED", "DAMAGED", "EMPTY", "OUT")}
    names |= {"VECTORS": f"{tmp_path}/vectors.npz", "RUNS": str(tmp_path), "FILE": f"{tmp_path}/plan.json",
              "DATASET": "digits", "DIR": str(tmp_path / ("corrupted" if "--suite" in line else ""))}
    make(f"{line} {command}", names, request)

    def filled(text):
        return [re.sub(r"[A-Z]{3,}", lambda found: names.get(found[0], found[0]), word) for word in text.split(" ")]

    answer = fixhead(*filled(line))
    hint = answer.err.strip().splitlines()[-1]
    assert answer.code in (1, 2) and shlex.join(filled(command)) in " ".join(filled(hint)), answer.err
    followed = fixhead(*filled(command)[1:])
    assert followed.code == 0, followed.err


def test_the_hint_for_a_baseline_makes_one_that_fits(fixhead, tmp_path, digits_run):
    run = shutil.copytree(digits_run.path, tmp_path / "run")
    (other := tmp_path / "other").mkdir()
    asked = ("robustness", run, "--corruption", "jpeg_compression", "--severities", "1-2", "--limit", 9, "--baseline")

    refused = fixhead(*asked, other)
    (hint,) = re.findall("Make one: fixhead robustness RUN (.*)", refused.err)

    assert fixhead("robustness", run, *shlex.split(hint), "--quiet").code == 0
    assert fixhead(*asked, run).code == 0
