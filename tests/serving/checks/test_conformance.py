"""The suite against our server in memory and as a process, and against servers with wrong answers."""

import asyncio
import json
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from fixhead_serving.checks.conformance import BEYOND, CASES, DEVIATIONS, Expect, run_cases
from fixhead_serving.checks.conformance.case import Answer
from fixhead_serving.checks.conformance.models import LABELS, MODELS_CONFIG, NAME, make_models
from fixhead_serving.checks.conformance.report import NEVER, SCHEMA, as_json, as_text, counts, record
from fixhead_serving.checks.conformance.runner import LOCAL_SERVER
from keras_fixhead.errors import ServingError
from keras_fixhead.json_files import read_json

ROOT = Path(__file__).parents[3]
RECORD = ROOT / "results" / "conformance.json"


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return make_models(tmp_path_factory.mktemp("conformance"))


@pytest.fixture(scope="module")
def app(base, tmp_path_factory):
    """Returns an app that serves both versions with their labels, as in models.config."""
    from fixhead_serving.rest import create_app
    from fixhead_serving.server import ModelServer, ServedModel, load_model

    old = tmp_path_factory.mktemp("old") / NAME
    shutil.copytree(base / "1", old / "1")
    versions = {**load_model(base).versions, **load_model(old).versions}
    return create_app(ModelServer([ServedModel(NAME, versions, LABELS)]))


def run(app, cases=CASES, server_name=LOCAL_SERVER):
    async def send():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client:
            return await run_cases(client, cases, server_name)

    return asyncio.run(send())


def plain_app(status=200, body=b'{"predictions": []}', media_type="application/json"):
    """Returns an app with one answer to everything."""

    async def app(scope, receive, send):
        await receive()
        headers = [(b"content-type", media_type.encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


def test_the_local_server_answers_every_case_like_tensorflow_serving_or_as_declared(app):
    results = run(app)

    assert counts(results) == {
        "pass": len(CASES) - len(DEVIATIONS), "deviation": len(DEVIATIONS), "fail": 0, "not run": 0,
    }, "\n".join(as_text(results))  # fmt: skip


def test_deviations_are_accepted_only_from_the_local_server(app):
    results = run(app, [case for case in CASES if case.name in DEVIATIONS], "tensorflow/serving:2.20.0")

    assert counts(results)["fail"] == len(results) == len(DEVIATIONS)


def test_every_case_has_a_unique_name_and_cites_a_file_and_a_function():
    assert len(CASES) >= 80
    assert len({case.name for case in CASES}) == len(CASES)
    for case in CASES:
        assert re.match(r"(tensorflow_serving/[\w/.]+|rapidjson v1\.1\.0 include/[\w/.]+): \w", case.source), case.name
        assert "fixhead" not in case.source
    assert DEVIATIONS.keys() <= {case.name for case in CASES}
    assert all(deviation.reason for deviation in DEVIATIONS.values()) and all(BEYOND)


def test_no_case_is_deeply_nested_or_large():
    for case in CASES:  # the suite must not crash a real server
        assert len(case.body) < 10_000
        assert case.body.count(b"[") < 1000 and b"[[[[[[" not in case.body


@pytest.mark.parametrize(
    "app",
    [plain_app(), plain_app(body=b""), plain_app(media_type="text/html"), plain_app(400, b'{"error": "no"}')],
)
def test_a_server_with_one_answer_to_everything_fails_nearly_every_case(app):
    try:
        found = counts(run(app))
    except ServingError:
        return  # does not serve the model
    assert found["pass"] < 10 < found["fail"]


@pytest.mark.parametrize(
    "expect, answer",
    [
        (Expect(200), Answer(404, b"{}", "application/json")),
        (Expect(json={"a": 1}), Answer(200, b'{"a": 1}', "text/html")),
        (Expect(json={"a": 1}), Answer(200, b'{"a": 1, "b": 2}', "application/json")),
        (Expect(json={"a": 1}), Answer(200, b'{"a": 1.0}', "application/json")),
        (Expect(json={"a": 1.0}), Answer(200, b'{"a": 1}', "application/json")),
        (Expect(json={"a": True}), Answer(200, b'{"a": 1}', "application/json")),
        (Expect(json={"a": float("nan")}), Answer(200, b'{"a": null}', "application/json")),
        (Expect(json={"a": 0.1}), Answer(200, b'{"a": 0.10000001}', "application/json")),
        (Expect(json=[1.0, 2.0]), Answer(200, b"[1.0]", "application/json")),
        (Expect(part={"a": {"b": 1}}), Answer(200, b'{"a": {"c": 1}}', "application/json")),
        (Expect(400, error="x"), Answer(400, b'{"error": "xy"}', "application/json")),
        (Expect(400, error_has="z"), Answer(400, b'{"error": "xy"}', "application/json")),
        (Expect(400, error_has=""), Answer(400, b'{"error": "xy", "code": 3}', "application/json")),
        (Expect(400, error_has=""), Answer(400, b"no JSON", "application/json")),
        (Expect(raw=r"\bNaN\b"), Answer(200, b"[null]", "application/json")),
        (Expect(400, empty=True), Answer(400, b"{}", "application/json")),
    ],
)
def test_a_differing_answer_is_detected(expect, answer):
    assert expect.difference(answer)


@pytest.mark.parametrize(
    "expect, body",
    [
        (Expect(json={"a": 0.1, "b": float("nan")}), b'{"b": NaN, "a": 0.10000000149011612}'),
        (Expect(part={"a": [{}]}), b'{"a": [{"b": 1}], "c": 2}'),
        (Expect(raw=r"3\.0"), b"[3.0]"),
    ],
)
def test_a_correct_answer_is_accepted(expect, body):
    assert expect.difference(Answer(200, body, "application/json; charset=utf-8")) is None


def test_cases_that_the_server_cannot_run_are_reported_as_not_run(base):
    from fixhead_serving.rest import create_app
    from fixhead_serving.server import ModelServer, load_model

    results = run(create_app(ModelServer([load_model(base)])))  # only version 2, without labels

    lacking = {result.case.name for result in results if result.outcome == "not run"}
    assert lacking == {case.name for case in CASES if case.needs}
    assert counts(results)["fail"] == 0


def test_a_server_without_the_model_is_one_error_that_says_what_to_serve():
    with pytest.raises(ServingError, match="does not serve version 2 of the suite's model 'conformance'") as caught:
        run(plain_app(404))

    assert caught.value.hint.count("--make-models") == 1 and "--make-models" not in caught.value.what


def test_a_hint_is_printed_once(fixhead):
    """The command of the suite used to print it in the error and below it."""
    answer = fixhead("check", "conformance", "http://127.0.0.1:1")

    assert answer.code == 1 and answer.err.count("--make-models") == 1


def test_existing_models_are_not_overwritten(base, fixhead):
    assert (base.parent / "models.config").read_text() == MODELS_CONFIG
    answer = fixhead("check", "conformance", "--make-models", base.parent)

    assert answer.code == 2 and f"'{base}' already exists." in answer.err


def test_the_container_configuration_names_the_models_that_are_written(base):
    from fixhead_serving.server.model_config import read_model_config

    [source] = read_model_config(base.parent / "models.config")
    assert (source.name, str(source.base_path), dict(source.labels)) == (NAME, f"/models/{NAME}", LABELS)
    assert source.policy.numbers == (1, 2) and {folder.name for folder in base.iterdir()} == {"1", "2"}


@pytest.mark.parametrize(
    "arguments, text",
    [
        ([], "Expected the URL of a server, or --make-models DIR."),
        (["http://127.0.0.1:1", "--make-models", "."], "Expected the URL of a server, or --make-models DIR."),
        (["127.0.0.1:8501"], "'127.0.0.1:8501' is not a server's address."),
        (["http://127.0.0.1:1"], "No answer from http://127.0.0.1:1"),
    ],
)
def test_invalid_arguments_are_a_one_line_error_with_a_hint(fixhead, arguments, text):
    answer = fixhead("check", "conformance", *arguments)

    assert answer.code in (1, 2) and text in answer.err
    assert len(answer.err.splitlines()) == 2


def test_a_report_lists_every_case_with_its_source_and_without_the_address(app, tmp_path):
    results = run(app, [*CASES[:3], replace(CASES[0], name="wrong", expect=Expect(404))])
    report = as_json(results, LOCAL_SERVER, "http://10.1.2.3:8501")

    assert report["counts"] == {"pass": 3, "deviation": 0, "fail": 1, "not run": 0}
    assert report["cases"][3]["detail"].startswith("status 200, expected 404")
    assert [case["source"] for case in report["cases"][:3]] == [case.source for case in CASES[:3]]
    assert "10.1.2.3" not in json.dumps(report)
    assert as_text(results)[-1] == "4 cases: 3 pass, 0 deviation, 1 fail, 0 not run"

    assert record(tmp_path / "record.json", report)["real_container"] == NEVER
    whole = record(tmp_path / "record.json", {**report, "server": "tensorflow/serving:2.20.0"})
    assert whole["real_container"] == "tensorflow/serving:2.20.0" and len(whole["runs"]) == 2
    assert read_json(tmp_path / "record.json", schema=SCHEMA) == whole


def test_the_generated_parts_of_the_page_are_up_to_date():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    from conformance_page import PAGE, blocks
    from report import with_block

    page = PAGE.read_text(encoding="utf-8")
    for name, lines in blocks().items():
        assert with_block(page, name, lines) == page, "python benchmarks/conformance_page.py"


def test_every_option_on_the_page_exists(fixhead):
    page = (ROOT / "docs" / "conformance.md").read_text(encoding="utf-8")
    known = {
        "fixhead check conformance": fixhead("check", "conformance", "--help").out,
        "fixhead serve": fixhead("serve", "--help").out,
        "python benchmarks/campaign.py": (ROOT / "benchmarks" / "campaign.py").read_text(encoding="utf-8"),
    }
    commands = re.findall(r"^```bash\n(.+)\n```", page, re.MULTILINE)
    ours = [(start, line) for line in commands for start in known if line.startswith(start)]

    assert len(commands) == len(ours) + 1  # the other one is from docker
    for start, line in ours:
        assert all(option in known[start] for option in re.findall(r" (--[a-z-]+)", line)), line


def test_the_stored_record_covers_all_cases_and_none_failed():
    for run_ in read_json(RECORD, schema=SCHEMA)["runs"].values():
        assert [case["name"] for case in run_["cases"]] == [case.name for case in CASES]
        assert run_["counts"]["fail"] == 0


@pytest.mark.slow
def test_a_process_of_ours_answers_every_case(base, tmp_path):
    command = [sys.executable, "-m", "fixhead_cli", "serve", str(base), "--port", "0", "--versions", "all"]
    labels = [option for label, version in LABELS.items() for option in ("--label", f"{label}={version}")]
    process = subprocess.Popen([*command, *labels], stdout=subprocess.PIPE, text=True)
    try:
        url = process.stdout.readline().split()[-1]
        suite = [sys.executable, "-m", "fixhead_cli", "check", "conformance", url, "--server-name", LOCAL_SERVER]
        done = subprocess.run([*suite, "--report", str(tmp_path / "report.json")], capture_output=True, text=True)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0

    assert done.returncode == 0, done.stdout + done.stderr
    assert read_json(tmp_path / "report.json", schema=SCHEMA)["counts"]["not run"] == 0
