"""Results as text and JSON, and the record of the servers that the suite has been run against."""

import datetime
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fixhead_serving.checks.conformance.runner import Result
from keras_fixhead.json_files import read_json, write_json

SCHEMA = 1
REAL_SERVER = "tensorflow/serving"
NEVER = "never run against the real container"


def counts(results: Iterable[Result]) -> dict[str, int]:
    """Returns the number of cases for each outcome, including zeros."""
    found = Counter(result.outcome for result in results)
    return {outcome: found[outcome] for outcome in ("pass", "deviation", "fail", "not run")}


def as_text(results: list[Result]) -> list[str]:
    """Returns the report's lines: the cases with a detail, then the counts."""
    lines = [f"{result.outcome:11}{result.case.name}: {result.detail}" for result in results if result.detail]
    return [*lines, f"{len(results)} cases: " + ", ".join(f"{count} {name}" for name, count in counts(results).items())]


def as_json(results: list[Result], server_name: str, url: str) -> dict[str, Any]:
    """Returns the report as one JSON object; only the scheme of the server's address is kept.

    Args:
        results: the results of all cases.
        server_name: the server that was checked, such as `tensorflow/serving:2.20.0`.
        url: the server's address.
    """
    scheme = url.partition("://")[0]
    return {
        "server": server_name,
        "url": f"{scheme}://HOST:PORT",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "counts": counts(results),
        "cases": [_case(result) for result in results],
    }


def _case(result: Result) -> dict[str, str]:
    line = {"name": result.case.name, "outcome": result.outcome, "source": result.case.source}
    return {**line, "detail": result.detail} if result.detail else line


def keep(report: Mapping[str, Any], report_file: Path | None, record_file: Path | None) -> None:
    """Writes a report to a file and adds it to a record of runs, if given."""
    if report_file:
        write_json(report_file, report, schema=SCHEMA)
    if record_file:
        record(record_file, report)


def record(path: Path, report: Mapping[str, Any]) -> dict[str, Any]:
    """Adds a report to the record of runs in a file and returns the record; it replaces the same server's older one.

    Args:
        path: the record, which need not exist yet.
        report: as returned by `as_json`.
    """
    runs = read_json(path, schema=SCHEMA)["runs"] if path.exists() else {}
    runs[report["server"]] = report
    real = [name for name in runs if name.startswith(REAL_SERVER)]
    whole = {"real_container": ", ".join(real) or NEVER, "runs": dict(sorted(runs.items()))}
    write_json(path, whole, schema=SCHEMA)
    return whole


def record_table(whole: Mapping[str, Any]) -> list[str]:
    """Returns a record of runs as lines of Markdown."""
    rows = [
        f"| {name} | {run['date']} | {' | '.join(str(count) for count in run['counts'].values())} |"
        for name, run in whole["runs"].items()
    ]
    head = ["| server | date | pass | deviation | fail | not run |", "| --- | --- | --- | --- | --- | --- |"]
    return [*head, *rows, "", f"Real container: {whole['real_container']}."]
