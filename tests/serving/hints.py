"""Tests that follow hints: the hints in the source, the tests for each, and how to run them."""
import ast
import contextlib
import re
import socket
import subprocess
import threading
from pathlib import Path

import uvicorn

ROOT = Path(__file__).parents[2]
SOURCES = [*(ROOT / "serving").rglob("*.py"), *(ROOT / "cli" / "commands" / "check").glob("*.py"),
           ROOT / "cli" / "commands" / "serve.py", ROOT / "cli" / "commands" / "export.py"]
# Functions that return a hint or a part of one.
MAKE_HINTS = {"_of_version", "_run_at", "_export_line", "_tls_hint", "serve_line"}

FOLLOWED: set[str] = set()


def leads_out(*pieces):
    """Marks a test that produces a hint containing this text, and follows it."""
    FOLLOWED.update(pieces)
    return lambda test: test


def hints_in_source():
    """Yields the constant text of each hint in the source, with ... for the inserted values."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            for value in _hints_of(node):
                if text := _text(value):
                    yield text, f"{path.relative_to(ROOT)}:{value.lineno}"


def _hints_of(node):
    if isinstance(node, ast.keyword) and node.arg == "hint":
        yield node.value
    elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        name = node.targets[0].id
        if name == "hint" or name.endswith("_HINT"):
            yield node.value
        elif name == "_HINTS":
            yield from node.value.values
    elif isinstance(node, ast.FunctionDef) and node.name in MAKE_HINTS:
        yield from (each.value for each in ast.walk(node) if isinstance(each, ast.Return))


def _text(value):
    if isinstance(value, ast.IfExp):
        return f"{_text(value.body)} / {_text(value.orelse)}"
    if isinstance(value, ast.Constant):
        return value.value if isinstance(value.value, str) else ""
    if isinstance(value, ast.JoinedStr):
        return "".join(each.value if isinstance(each, ast.Constant) else "..." for each in value.values)
    return ""


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
            answer = fixhead(*_words(command)[1:])
            assert answer.code == 0, f"{command}: {answer.err}"
        else:
            subprocess.run(command, shell=True, check=True)
    return answer


def _words(command):
    import shlex

    return shlex.split(command)


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
