"""docs/server.md is correct: options, limits, statuses, and the example."""
import dataclasses
import importlib
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from fixhead_cli.commands.serve import command
from fixhead_serving.config import ServerConfig
from fixhead_serving.server import Limits

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "server.md").read_text()


@pytest.fixture
def benchmark_modules(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module


def test_the_table_of_options_matches_the_command(benchmark_modules):
    with_block = benchmark_modules("report").with_block
    lines = benchmark_modules("pages").serve_block()

    assert with_block(PAGE, "options of serve", lines) == PAGE, "run: python benchmarks/pages.py"
    assert len(lines) == 4 + len([each for each in command.params if isinstance(each, click.Option)])


def test_every_option_in_the_text_exists():
    known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}

    ours = re.sub(r"^curl .*$", "", PAGE, flags=re.MULTILINE)  # curl has options of its own
    assert set(re.findall(r"--[a-z][a-z-]+", ours)) <= known


def test_every_limit_has_an_option_with_its_default_and_a_row_in_the_table():
    defaults = {each.name: each.default for each in command.params}
    for each in dataclasses.fields(Limits):
        assert defaults[each.name] == each.default
        (option,) = [option.opts[0] for option in command.params if option.name == each.name]
        assert f"| `{option}` |" in PAGE.partition("## Limits")[2]
    for name in ("host", "port", "workers", "batching", "max_batch_merge", "poll_seconds", "drain_seconds", "onednn"):
        assert defaults[name] == getattr(ServerConfig, name)


def test_the_defaults_in_the_table_of_limits_are_correct():
    limits = Limits()
    rows = dict(re.findall(r"\| `(--[a-z-]+)` \| ([^|]+?) \|", PAGE.partition("## Limits")[2]))

    assert rows["--max-body-bytes"] == f"{limits.body_bytes // 2**20} MiB"
    assert rows["--max-json-depth"] == f"{limits.json_depth} levels"
    assert rows["--max-batch"] == f"{limits.batch}"
    assert rows["--max-picture-bytes"] == f"{limits.picture_bytes // 2**20} MiB"
    assert rows["--max-picture-pixels"] == f"{limits.picture_pixels // 10**6} million pixels"
    assert rows["--max-request-pixels"] == f"{limits.request_pixels // 10**6} million pixels"
    assert rows["--max-concurrent"] == f"{limits.concurrent}"
    assert rows["--timeout-seconds"] == f"{limits.timeout_seconds:g} s"


def test_the_example_runs():
    (example,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    done = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr


# The command


def test_options_reach_the_server(fixhead, monkeypatch, tmp_path):
    called = []
    monkeypatch.setattr("fixhead_serving.process.serve", lambda *args, **kwargs: called.append((args, kwargs)))
    (tmp_path / "token").write_text("secret\n")
    for name in ("p", "q"):
        (tmp_path / name).mkdir()
    answer = fixhead(
        "serve", f"pets={tmp_path / 'p'}", tmp_path / "q", "--versions", "pets=all", "--label", "pets:stable=3",
        "--host", "::1", "--port", 0, "--token-file", tmp_path / "token", "--workers", 3, "--batching",
        "--max-batch-merge", 8,
        "--poll-seconds", 0, "--drain-seconds", 5, "--no-onednn", "--max-batch", 7, "--max-concurrent", 9,
        "--timeout-seconds", 2.5,
    )  # fmt: skip
    assert answer.code == 0, answer.err
    [((sources, config), kwargs)] = called

    assert [(each.name, str(each.base_path), dict(each.labels)) for each in sources] == [
        ("pets", str(tmp_path / "p"), {"stable": 3}), ("q", str(tmp_path / "q"), {})]  # fmt: skip
    assert config == ServerConfig("::1", 0, 3, True, 8, 0, 5, False, "secret",
                                  limits=Limits(batch=7, concurrent=9, timeout_seconds=2.5))  # fmt: skip
    kwargs["on_ready"](["http://a", "http://b"])


def test_batching_can_be_switched_off_and_then_has_no_largest_batch(fixhead, monkeypatch, tmp_path):
    called = []
    monkeypatch.setattr("fixhead_serving.process.serve", lambda *args, **kwargs: called.append(args))
    assert fixhead("serve", tmp_path, "--no-batching").code == 0
    refused = fixhead("serve", tmp_path, "--no-batching", "--max-batch-merge", 8)

    assert called[0][1].batching is False and len(called) == 1
    assert refused.code == 2 and "--max-batch-merge has no effect with --no-batching." in refused.err


def test_the_token_may_come_from_the_environment(fixhead, monkeypatch, tmp_path):
    called = []
    monkeypatch.setattr("fixhead_serving.process.serve", lambda *args, **kwargs: called.append(args))
    monkeypatch.setenv("FIXHEAD_TOKEN", "hidden")
    fixhead("serve", tmp_path)

    assert called[0][1].token == "hidden"


@pytest.mark.parametrize(
    "arguments, text",
    [
        ([], "Expected either folders"),
        (["m", "--config", "c"], "Expected either folders"),
        (["--config", "c", "--versions", "all"], "With --config, versions and labels are set in that file."),
        (["m", "--versions", "x"], "is not a valid choice of versions"),
        (["m", "--tls-cert", "c"], "TLS needs both"),
        (["m", "--port", "70000"], "70000 is not in the range"),
        (["m", "--max-batch", "0"], "0 is not in the range"),
    ],
)
def test_invalid_arguments_are_a_one_line_error_and_exit_with_2(fixhead, monkeypatch, tmp_path, arguments, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m").mkdir()
    (tmp_path / "c").write_text("-")
    answer = fixhead("serve", *arguments)

    assert answer.code == 2 and text in answer.err
    assert len(answer.err.strip().splitlines()) <= 2


def test_several_models_are_printed_as_one_json_object(capsys, monkeypatch, tmp_path):
    import json

    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr("fixhead_serving.process.serve",
                        lambda sources, config, before_load, on_ready: on_ready([f"u/{each.name}" for each in sources]))
    command.main(["a", "b", "--json"], standalone_mode=False)
    assert json.loads(capsys.readouterr().out) == {"url": "u/a", "urls": ["u/a", "u/b"]}
    command.main(["a", "--json"], standalone_mode=False)
    assert json.loads(capsys.readouterr().out) == {"url": "u/a"}
