"""Every `fixhead ...` command in a message is one that exists."""
import ast
import re

import click
import pytest
from command_tree import leaves
from hints import ROOMS, ROOT, hints_in_source

COMMANDS = dict(leaves())
NAMED = {words[:count] for words in COMMANDS for count in (1, 2)} - {("check",), ("data",)}
PROSE = {"models that fixhead exported"}
"""What mentions the program, but no command."""


def texts_in_source():
    """Yields each text of the source except docstrings, with ... for inserted values, and where it stands."""
    for room in ROOMS:
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


def test_a_hint_says_what_its_command_is_for():
    hints = list(hints_in_source())

    assert len(hints) > 200
    assert not [(text, place) for text, place in hints if text.startswith("fixhead ")]
