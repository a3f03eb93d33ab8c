"""The JSON form of all benchmarks, including the description of the machine."""
import argparse
import datetime
import json
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_fixhead import hardware
from keras_fixhead.reproduction.pages.evidence import with_block

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "results"
README = ROOT / "README.md"


def measurement(*, name: str, metric: str, unit: str, values: Sequence[float], warmup: str,
                config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns one measurement: all its values and their statistics; a single value has no standard deviation."""
    several = len(values) > 1
    quartiles = statistics.quantiles(values, n=4, method="inclusive") if several else 3 * list(values)
    return {
        "name": name, "metric": metric, "unit": unit, "values": list(values), "n": len(values),
        "mean": statistics.fmean(values), "std": statistics.stdev(values) if several else None, "median": quartiles[1],
        "quartiles": [quartiles[0], quartiles[2]], "warmup": warmup, "config": dict(config),
    }


def write_report(file: Path, measurements: Sequence[Mapping[str, Any]], *, command: str,
                 counts: Mapping[str, int] | None = None) -> None:
    """Writes measurements and counts, with the command, machine, versions and commit."""
    from keras_fixhead.training.backend import describe_environment  # Keras, whose backend an option may have set

    environment = describe_environment()
    report = {
        "schema": 1,
        "command": command,
        "date": datetime.date.today().isoformat(),
        "hardware": {"cpu": hardware.cpu_name(), "cores": hardware.cpu_count(), "gpus": environment["gpus"]},
        "versions": environment["versions"] | {"python": environment["python"]},
        "commit": _commit(),
        **({} if counts is None else {"counts": dict(counts)}),
        "measurements": list(measurements),
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(report, indent=1) + "\n")
    print(f"wrote {file}", file=sys.stderr)


def write_block(name: str, lines: Sequence[str], page: Path) -> None:
    """Writes generated lines into a page, between the comments with their name."""
    page.write_text(with_block(page.read_text(), name, lines))


def out_option(parser: argparse.ArgumentParser, default: Path) -> None:
    """Adds `--out`."""
    parser.add_argument("--out", type=Path, default=default, help=f"JSON file to write (default: {default.name})")


def _commit() -> str | None:
    answer = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return answer.stdout.strip() or None
