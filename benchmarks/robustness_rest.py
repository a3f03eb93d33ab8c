"""Accuracy under corruptions in process and over REST: the same predicted classes, and images per second.

    python benchmarks/robustness_rest.py RUN [RUN ...] --data-dir DIR               # all variants of CIFAR-10-C
    python benchmarks/robustness_rest.py RUN --limit 200 --work robustness-work     # fewer images of each
    python benchmarks/robustness_rest.py RUN --no-speed                             # while other programs run
    PYTHONPATH=. python benchmarks/robustness_rest.py RUN --augmenter mine:rain     # an augmenter of imgaug

Each run is exported and served by `fixhead serve` on loopback, then measured by `fixhead robustness` twice, as a run
and by its address. The predicted classes of every image under every corruption and severity must be identical; the
script exits with 1 if they are not. With `--work DIR`, an interrupted call continues where it was.
"""
import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from report import RESULTS, out_option, write_report

from fixhead_serving.local import local_server
from keras_fixhead.config import arm_name
from keras_fixhead.runs import Run, open_run

FILE = RESULTS / "robustness_rest.json"
CLI = (sys.executable, "-m", "fixhead_cli")
_NOT_PREDICTIONS = ("labels", "clean_labels")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("runs", metavar="RUN", nargs="+", type=Path)
    parser.add_argument("--suite", default="cifar-c")
    parser.add_argument("--augmenter", metavar="MODULE:NAME", help="an augmenter instead of the suite")
    parser.add_argument("--limit", type=int, metavar="N", help="first N test images (default: all)")
    parser.add_argument("--no-speed", action="store_true", help="leave out images per second: other programs run, too")
    parser.add_argument("--data-dir", metavar="DIR", help="folder of data sets (default: the run's)")
    parser.add_argument("--work", type=Path, metavar="DIR", help="folder that keeps what is done")
    out_option(parser, FILE)
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        work = options.work or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        found = [measure(open_run(path), work, options) for path in options.runs]
    write_report(options.out, [each for several in found for each in several], command="python " + " ".join(
        ["benchmarks/robustness_rest.py", "RUN", *corruptions(options),
         *(["--limit", str(options.limit)] if options.limit else []), *(["--no-speed"] if options.no_speed else [])]))
    different = sum(int(each["values"][0]) for several in found for each in several if each["unit"] == "images"
                    and each["metric"].startswith("different"))
    return int(different > 0)


def measure(run: Run, work: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Returns the measurements of a run: what differs, and images per second of both ways."""
    place = work / run.path.name
    here, there = place / "run", place / "url"
    data_dir = options.data_dir or run.config().data_dir  # a server does not know where its images lie
    asked = [*corruptions(options), *(["--limit", options.limit] if options.limit else []),
             *(["--data-dir", data_dir] if data_dir else [])]
    content = [finished(here) or command("robustness", run.path, *asked, "--out", here, "--json")]
    content.append(finished(there) or over_rest(run, place / "served", there, asked))
    first, second = (predictions(folder) for folder in (here, there))
    if first.keys() != second.keys():
        raise SystemExit(f"{here} and {there} have different variants.")
    differences = {name: int((first[name] != second[name]).sum()) for name in first}
    trained = run.config()
    config = {"run": run.path.name, "what": f"{Path(trained.dataset).name} {trained.model} {arm_name(trained)}, seed "
              f"{trained.seed}, {trained.epochs:g} epochs", "suite": options.augmenter or options.suite,
              "variants": len(first) - 1, "images": content[0]["n"],
              "main_variants": len(content[0]["mean_corruption_error"]["corruptions"]) * len(content[0]["severities"])}
    print(f"{run.path.name}: {len(first) - 1} variants of {content[0]['n']:,} images, {sum(differences.values())} "
          f"predicted classes differ; images/s in process {content[0]['images_per_second']:,.0f}, over REST "
          f"{content[1]['images_per_second']:,.0f}", file=sys.stderr)
    speed = [] if options.no_speed else [
        number("throughput in process, corruptions included", "images/s", content[0]["images_per_second"], config),
        number("throughput over REST, corruptions included", "images/s", content[1]["images_per_second"], config)]
    return [number("different predicted classes", "images", sum(differences.values()), config),
            number("mean accuracy in process", "share", content[0]["mean_accuracy"], config),
            number("mean accuracy over REST", "share", content[1]["mean_accuracy"], config), *speed]


def corruptions(options: argparse.Namespace) -> list[str]:
    """Returns the options of `fixhead robustness` that choose the corruptions."""
    return ["--augmenter", options.augmenter] if options.augmenter else ["--suite", options.suite]


def over_rest(run: Run, exported: Path, out: Path, asked: list[Any]) -> dict[str, Any]:
    """Returns the numbers of a run that is served on loopback."""
    if not exported.is_dir():
        command("export", run.path, exported)
    with local_server(exported) as address:
        return command("robustness", address, *asked, "--dataset", run.config().dataset, "--out", out, "--json")


def number(metric: str, unit: str, value: float, config: dict[str, Any]) -> dict[str, Any]:
    """Returns a measurement of one value."""
    return {"name": f"{config['run']}/{metric}", "metric": metric, "unit": unit, "values": [value], "n": 1,
            "warmup": "none", "config": config}


def finished(folder: Path) -> dict[str, Any] | None:
    """Returns the numbers of a measurement that is complete."""
    files = list(folder.glob("*.json"))
    return json.loads(files[0].read_text()) if files else None


def predictions(folder: Path) -> dict[str, Any]:
    """Returns corruption and severity -> predicted classes."""
    (path,) = folder.glob("*.npz")
    with np.load(path) as arrays:
        return {name: arrays[name] for name in arrays.files if name not in _NOT_PREDICTIONS}


def command(*words: object) -> dict[str, Any]:
    """Runs a `fixhead` command, its progress on standard error; returns what it printed, if that is JSON."""
    done = subprocess.run([*CLI, *map(str, words)], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout) if "--json" in words else {}


if __name__ == "__main__":
    sys.exit(main())
