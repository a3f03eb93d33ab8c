"""The command line without a framework: help, lists, dry runs, invalid arguments."""
import ast
import json
import pkgutil
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import fixhead_cli.commands
from fixhead_cli.commands import COMMANDS
from fixhead_cli.main import cli
from keras_fixhead._version import __version__
from keras_fixhead.config import TrainConfig, resolve
from keras_fixhead.recipes import build_config
from keras_fixhead.runs import create_run

IDENTITY = {"dataset": "digits", "model": "resnet18", "width": 1.0, "head": "cos", "fixed": True, "scale": 1.0,
            "seed": 0, "epochs": 2}
LISTS = ["datasets", "models", "recipes", "class-vectors", "corruptions", "losses", "margins", "runs"]

BLOCKED = """
import sys
for name in ("keras", "tensorflow", "jax", "torch", "tensorflow_datasets", "scipy"):
    sys.modules[name] = None
sys.argv = ["fixhead", *sys.argv[1:]]
from fixhead_cli.main import main
main()
"""


def one_line_error(answer, code=2):
    """Returns the message after checking that it is one line (and a hint) on standard error, without a traceback."""
    assert answer.code == code
    assert answer.out == ""
    assert "Traceback" not in answer.err
    assert len(answer.err.strip().splitlines()) <= 2
    return answer.err


def test_every_command_module_is_in_the_list_of_commands():
    modules = {each.name for each in pkgutil.iter_modules(fixhead_cli.commands.__path__)}

    assert modules == set(COMMANDS)


def test_every_command_is_short():
    """Under 60 lines of code: anything beyond parsing, calling and printing belongs in a module next to the command."""
    for file in Path(fixhead_cli.commands.__path__[0]).rglob("*.py"):
        tree = ast.parse(file.read_text())
        texts = {line for each in ast.walk(tree) if isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant)
                 for line in range(each.lineno, each.end_lineno + 1)}
        imports = {line for each in ast.walk(tree) if isinstance(each, (ast.Import, ast.ImportFrom))
                   for line in range(each.lineno, each.end_lineno + 1)}
        code = [line for number, line in enumerate(file.read_text().splitlines(), start=1)
                if line.strip() and not line.lstrip().startswith("#") and number not in texts | imports]
        assert len(code) < 60, file


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_an_example_and_a_line_in_the_list(fixhead, name):
    command = cli.get_command(None, name)
    answer = fixhead(name, "--help")

    assert answer.code == 0
    assert "Example:" in answer.out and f"fixhead {name}" in answer.out
    assert command.help.splitlines()[0] == COMMANDS[name]


@pytest.mark.parametrize("arguments", [
    ["--help"],
    ["--version"],
    ["train", "--help"],
    ["train", "--dataset", "cifar100", "--head", "cos", "--fixed", "--dry-run"],
    *[["list", what] for what in LISTS],
])
def test_help_lists_and_dry_runs_work_without_any_framework(arguments, tmp_path):
    done = subprocess.run([sys.executable, "-c", BLOCKED, *arguments], capture_output=True, text=True, cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_show_works_without_any_framework(tmp_path):
    run = create_run(resolve(build_config({"dataset": "digits", "runs_dir": str(tmp_path)})))
    done = subprocess.run([sys.executable, "-c", BLOCKED, "show", str(run.path)], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert str(run.path) in done.stdout


def test_help_takes_at_most_four_times_as_long_as_importing_click():
    """Both are timed several times, alternating, and their fastest times compared: the machine may be busy."""
    commands = {"help": [sys.executable, "-m", "fixhead_cli", "--help"],
                "click": [sys.executable, "-c", "import click"]}
    seconds = {name: [] for name in commands}
    for _ in range(7):
        for name, command in commands.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            seconds[name].append(time.perf_counter() - start)

    assert min(seconds["help"]) <= 4 * min(seconds["click"])


def test_the_version_is_the_package_version(fixhead):
    assert fixhead("--version").out.split()[-1] == __version__


@pytest.mark.parametrize("what", LISTS)
def test_every_list_has_a_json_form_of_the_same_name(fixhead, what, tmp_path):
    place = ["--runs-dir", tmp_path] if what == "runs" else []
    rows = fixhead("list", what, *place, "--json").json[what]

    assert isinstance(rows, list)
    assert rows or what == "runs"


@pytest.mark.parametrize("what", LISTS)
def test_every_list_fits_100_columns_when_the_output_is_not_a_terminal(fixhead, what, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    (tmp_path / "runs" / "broken").mkdir(parents=True)
    (tmp_path / "runs" / "broken" / "config.json").write_text("{")
    listed = fixhead("list", what)
    name = listed.out.splitlines()[1].split()[0]
    one = fixhead("list", what, name) if what != "runs" else listed

    assert listed.code == one.code == 0
    assert max(map(len, [*listed.out.splitlines(), *one.out.splitlines()])) <= 100


def test_listing_one_name_shows_all_its_details(fixhead):
    row = fixhead("list", "recipes", "paper", "--json").json["recipes"]
    text = " ".join(fixhead("list", "recipes", "paper").out.split())

    assert [each["name"] for each in row] == ["paper"]
    assert all(" ".join(value.split()) in text for value in row[0].values())
    assert "Did you mean 'paper'" in one_line_error(fixhead("list", "recipes", "papr"))
    assert "fixhead show RUN" in one_line_error(fixhead("list", "runs", "paper"))


def test_a_dry_run_prints_a_configuration_that_config_accepts(fixhead, tmp_path):
    first = fixhead("train", "--dataset", "cifar10", "--recipe", "cpu", "--epochs", 3, "--dry-run")
    file = tmp_path / "plan.json"
    file.write_text(first.out)
    second = fixhead("train", "--config", file, "--dry-run")

    assert first.json["config"]["epochs"] == 3 and first.json["config"]["width"] == 0.25
    assert second.json == first.json
    assert first.json["estimate"] == "not measured yet"
    assert first.json["config"]["precision"] in ("float32", "bfloat16", "float16")


def test_explicit_options_override_the_configuration_file_even_for_the_draw(fixhead, tmp_path):
    file = tmp_path / "plan.json"
    file.write_text(fixhead("train", "--recipe", "cpu", "--dry-run").out)
    answer = fixhead("train", "--config", file, "--class-vectors", "cube", "--lr", 0.05, "--dry-run")

    assert answer.json["config"]["class_vectors"] == "cube"
    assert answer.json["config"]["lr"] == 0.05
    assert answer.json["config"]["width"] == 0.25


def test_every_field_of_the_configuration_is_an_option_of_the_same_name(fixhead):
    text = fixhead("train", "--help").out
    for name in TrainConfig().as_dict():
        assert f"--{name.replace('_', '-')}" in text


@pytest.mark.parametrize("arguments, expected", [
    (["--dataset", "cifar01"], "Did you mean 'cifar10'"),
    (["--model", "resnet19"], "Did you mean 'resnet18'"),
    (["--recipe", "cpuu"], "Did you mean 'cpu'"),
    (["--epochs", "-3"], "epochs must be at least 1, got -3"),
    (["--lr", "nan"], "lr must be a finite number"),
    (["--lr", "-1"], "lr must be at least 0"),
    (["--width", "0"], "width must be at least"),
    (["--width", "1e9"], "width must be at most"),
    (["--batch-size", "0"], "batch_size must be at least 1"),
    (["--scale", "inf"], "scale must be a finite number"),
    (["--seed", "-1"], "seed must be at least 0"),
    (["--config", "/no/such/file.json"], "/no/such/file.json does not exist"),
])
def test_an_invalid_value_is_a_one_line_error_that_shows_it(fixhead, arguments, expected):
    assert expected in one_line_error(fixhead("train", *arguments))


@pytest.mark.parametrize("arguments", [
    ["train", "--epochs", "many"], ["trian"], ["list", "things"], ["show"], ["train", "--no"]])
def test_invalid_arguments_exit_with_2_and_without_a_traceback(fixhead, arguments):
    assert one_line_error(fixhead(*arguments)).startswith("Error: ")


def test_a_mistyped_command_gets_a_suggestion(fixhead):
    assert "Did you mean 'train'" in fixhead("trian").err


@pytest.mark.parametrize("command", ["show", "evaluate", "export", "robustness", "predict"])
def test_a_missing_run_is_a_one_line_error(fixhead, command, tmp_path):
    more = {"export": [tmp_path / "served"], "predict": [__file__]}.get(command, [])
    if command == "predict":
        more = [_picture(tmp_path)]

    assert "does not exist" in one_line_error(fixhead(command, tmp_path / "nothing", *more), code=1)


@pytest.mark.parametrize("content, expected", [
    ("{", "is damaged"),
    ("[]", "is damaged"),
    (json.dumps({"schema": 1}), "is damaged: it lacks dataset"),
    (json.dumps({"schema": 99}), "newer|reads up to"),
    (json.dumps({"schema": 1, **IDENTITY, "epochs": "ten"}), "is damaged: epochs must be int"),
    (json.dumps({"schema": 1, **IDENTITY, "epoch": 10}), "Did you mean 'epochs'"),
])
def test_a_damaged_config_is_a_one_line_error(fixhead, tmp_path, content, expected):
    (tmp_path / "config.json").write_text(content)
    message = one_line_error(fixhead("show", tmp_path), code=1)

    assert re.search(expected, message) and str(tmp_path) in message


def test_a_damaged_run_does_not_hide_the_others_from_the_list(fixhead, tmp_path):
    create_run(resolve(build_config({"runs_dir": str(tmp_path)})))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text("{")

    states = [row["state"] for row in fixhead("list", "runs", "--runs-dir", tmp_path, "--json").json["runs"]]
    assert states[0] == "unknown" and states[1].startswith("unreadable")


def test_a_server_that_is_down_is_a_one_line_error_that_says_how_to_start_one(fixhead, tmp_path):
    url = "http://127.0.0.1:9/v1/models/digits"

    assert "fixhead serve DIR" in one_line_error(fixhead("predict", url, _picture(tmp_path)), code=1)
    assert "fixhead serve DIR" in one_line_error(fixhead("robustness", url, "--dataset", "digits"), code=1)


def test_robustness_of_a_server_needs_a_data_set(fixhead):
    assert "--dataset" in one_line_error(fixhead("robustness", "http://127.0.0.1:9/v1/models/digits"))


def test_a_file_that_is_not_a_picture_is_a_one_line_error(fixhead, tmp_path):
    file = tmp_path / "a.png"
    file.write_text("no picture")

    answer = fixhead("predict", "http://127.0.0.1:9/v1/models/m", file)
    assert "a.png is not a readable picture" in one_line_error(answer, code=1)


def test_serving_a_folder_without_versions_fails_immediately(fixhead, tmp_path):
    assert "fixhead export RUN" in one_line_error(fixhead("serve", tmp_path), code=1)


def test_resume_refuses_options_that_would_change_the_run(fixhead, tmp_path):
    run = create_run(resolve(build_config({"runs_dir": str(tmp_path)})))

    assert "--lr cannot change it" in one_line_error(fixhead("train", "--resume", run.path, "--lr", 5))
    assert "cannot be extended" in one_line_error(fixhead("train", "--resume", run.path, "--epochs", 5))


def test_debug_shows_the_traceback(tmp_path):
    done = subprocess.run([sys.executable, "-m", "fixhead_cli", "--debug", "show", str(tmp_path)], capture_output=True,
                          text=True)

    assert done.returncode == 1 and "Traceback" in done.stderr


NOISY = """
import logging, sys, warnings
from fixhead_cli.main import cli, main
def noise(debug):
    warnings.warn("from a library")
    logging.getLogger("library").warning("from a library")
cli.callback = noise
sys.argv = ["fixhead", *sys.argv[1:]]
main()
"""


@pytest.mark.parametrize("options, lines", [([], 0), (["--debug"], 2)])
def test_library_warnings_are_shown_only_with_debug(options, lines):
    done = subprocess.run([sys.executable, "-c", NOISY, *options, "list", "losses"], capture_output=True, text=True)

    assert done.returncode == 0 and done.stderr.count("from a library") == lines


IMPORTS = """
import importlib, pkgutil, sys
import fixhead_cli.commands
for name in ("keras", "tensorflow", "jax"):
    sys.modules[name] = None
for each in pkgutil.walk_packages(fixhead_cli.commands.__path__, "fixhead_cli.commands."):
    importlib.import_module(each.name)
"""


def test_no_command_loads_a_framework_when_it_is_imported():
    """Keras is loaded by `load_keras`, which keeps the messages of its backend from the terminal."""
    done = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr


def _picture(folder):
    from PIL import Image

    path = folder / "picture.png"
    Image.new("RGB", (32, 32)).save(path)
    return path
