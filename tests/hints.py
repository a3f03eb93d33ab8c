"""Tests that follow hints: the hints in the source, the tests for each, and how to run them."""
import ast
import contextlib
import importlib
import re
import shlex
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from keras_fixhead.errors import FixheadError

ROOT = Path(__file__).parents[1]
ROOMS = ("keras_fixhead", "cli", "serving")
FOLLOWED: set[str] = set()


def leads_out(*pieces):
    """Marks a test that produces a hint containing this text, and follows it."""
    FOLLOWED.update(pieces)
    return lambda test: test


def followed() -> set[str]:
    """Returns the pieces of all hints that tests follow: those tests stand in files named test_hints_*.py."""
    for path in sorted(ROOT.glob("tests/**/test_hints_*.py")):
        if path.stem not in sys.modules:
            sys.path.insert(0, str(path.parent))
            importlib.import_module(path.stem)
    return FOLLOWED


def hints_in_source() -> Iterator[tuple[str, str]]:
    """Yields the constant text of each hint in the source, with ... for inserted values, and where it stands."""
    trees = {path: ast.parse(path.read_text("utf-8")) for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))}
    functions = {node.name: (node, path) for path, tree in trees.items() for node in ast.walk(tree)
                 if isinstance(node, ast.FunctionDef)}
    found = {}
    for path, tree in trees.items():
        for value in _values_of_hints(tree):
            for text, line, source in _texts(value, path, tree, functions):
                found[f"{source.relative_to(ROOT)}:{line}", text] = None
    yield from ((text, place) for place, text in found)


def _values_of_hints(tree):
    """Yields what is given as a hint: of an error, the second argument of a type of paths, what is named so."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from (each.value for each in node.keywords if each.arg == "hint")
            if re.search(r"Input(File|Folder)$|(?<!click\..)Error$|^refusal$|^super\(\)\.__init__$",
                         ast.unparse(node.func)):
                yield from node.args[1:2]
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "hint":
            yield node.value


def _texts(value, path, tree, functions):
    """Yields each text that a value can be: a constant, one of two, a name's, or what a function returns."""
    match value:
        case ast.Constant(value=str()) | ast.JoinedStr() | ast.BinOp(op=ast.Add()):
            if (text := _constant(value)).strip(". "):
                yield text, value.lineno, path
        case ast.IfExp():
            for each in (value.body, value.orelse):
                yield from _texts(each, path, tree, functions)
        case ast.BoolOp():
            for each in value.values:
                yield from _texts(each, path, tree, functions)
        case ast.Name():
            for node in ast.walk(tree):
                if isinstance(node, (ast.Assign, ast.NamedExpr)) and value.id in _named(node):
                    yield from _texts(node.value, path, tree, functions)
        case ast.Subscript(value=ast.Name(id=name)) | ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="get")):
            for node in ast.walk(tree):
                if isinstance(node, ast.Assign) and name in _named(node):
                    for each in getattr(node.value, "values", []):
                        yield from _texts(each, path, tree, functions)
        case ast.Call(func=ast.Name(id=name)) if name in functions:
            function, source = functions[name]
            for node in ast.walk(function):
                if isinstance(node, ast.Return) and node.value is not None:
                    yield from _texts(node.value, source, function, functions)


def _named(node):
    return {ast.unparse(each) for each in getattr(node, "targets", None) or [node.target]}


def _constant(value):
    match value:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr():
            return "".join(each.value if isinstance(each, ast.Constant) else "..." for each in value.values)
        case ast.BinOp(op=ast.Add()):
            return _constant(value.left) + _constant(value.right)
    return "..."


@contextlib.contextmanager
def refused(hint):
    """Passes if its body raises a FixheadError whose hint contains this text."""
    with pytest.raises(FixheadError) as caught:
        yield caught
    assert hint in (caught.value.hint or ""), caught.value


def check_way_out(fixhead, wrong, hint, right):
    """Checks that a command fails with a hint containing this text, and that what it leads to works."""
    answer = fixhead(*shlex.split(wrong))
    assert answer.code in (1, 2) and hint in answer.err, answer.err or answer.out
    answer = fixhead(*shlex.split(right))
    assert answer.code == 0, f"{right}: {answer.err}"


def command_in(hint, **filled):
    """Returns the commands at the end of a hint, with RUN, DIR and FILE filled in."""
    command = re.search(r"(?:fixhead |mkdir |python ).*$", hint)[0].partition(", or in models.config")[0]
    for name, value in filled.items():
        command = re.sub(rf"\b{name}\b", str(value), command)
    return command


def follow(fixhead, hint, **filled):
    """Runs the commands at the end of a hint; returns the answer of the last one."""
    answer = None
    for command in command_in(hint, **filled).split(" && "):
        if command.startswith("fixhead "):
            answer = fixhead(*shlex.split(command)[1:])
            assert answer.code == 0, f"{command}: {answer.err}"
        else:
            subprocess.run(command, shell=True, check=True)
    return answer


def hint_of(answer):
    """Returns the hint of a failed command: its second line."""
    assert answer.code in (1, 2), answer
    error, hint = answer.err.splitlines()
    assert error.startswith("Error: ")
    return hint


@contextlib.contextmanager
def serving(app, **options):
    """Yields the origin of an app served by a thread of this process."""
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", **options))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        yield f"http{'s' if options.get('ssl_certfile') else ''}://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join(timeout=20)
