"""Minutes to 80, 85, 90 and 94 % of the CIFAR-10 test images on this machine, with the network and recipe `fast`.

    python benchmarks/minutes_to.py --data-dir DATA              # accuracies; minutes too, if the machine is quiet
    python benchmarks/minutes_to.py --data-dir DATA --timed      # minutes of runs whose accuracy is known already
    python benchmarks/minutes_to.py --data-dir DATA --set width=0.75 --out FILE.json

Trains runs of several lengths, each with its own whole schedule, because accuracy within a run only counts once the
rate has fallen. A target is reached by the shortest length whose mean accuracy over the seeds is at least the target.
Test images are used for nothing but the accuracy that is reported: neither a run nor its length is changed by them, and
all lengths are in the table.

Minutes are those of the epochs, compilation included, without reading the data and without the last evaluation. They
count for runs that were trained without a stop while other processes took less than a twentieth of the processors. The
accuracies do not depend on that: train them beside other work, and then the lengths that matter with `--timed`, which
trains the same runs again in a folder of their own. Complete runs are skipped and interrupted ones resumed, so the
command can be stopped and repeated; its report has all complete runs of the folder with these options.
"""
import argparse
import dataclasses
import json
import os
import resource
import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from report import RESULTS, ROOT, measurement, out_option, write_block, write_report

FILE = RESULTS / "minutes_to.json"
PAGE = ROOT / "docs" / "models.md"
BLOCK = "minutes to"
TARGETS = (0.80, 0.85, 0.90, 0.94)
EPOCHS = (1.25, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 9.9)
VIEWS = {"none": "as they are", "flip-shift": "with flips and shifts"}
SEEDS_NEEDED = 3
QUIET = 0.05  # of the processors' time, taken by other processes
_SCHEMA = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", help="folder of the prepared data (default: $TFDS_DATA_DIR)")
    parser.add_argument("--epochs", type=float, nargs="+", default=list(EPOCHS), help="lengths of the runs")
    parser.add_argument("--seeds", default="0-2", help="seeds of each length (default: 0-2)")
    parser.add_argument("--head", choices=("dot", "cos"), default="dot")
    parser.add_argument("--fixed", action="store_true", help="fixed class vectors (default: learned, as published)")
    parser.add_argument("--set", nargs="*", default=[], metavar="FIELD=VALUE", help="other options, for variants")
    parser.add_argument("--timed", action="store_true", help="train again, to measure minutes on a quiet machine")
    parser.add_argument("--runs-dir", default="runs/minutes_to", help="folder of the runs (default: runs/minutes_to)")
    parser.add_argument("--page-only", action="store_true", help="only write the table, from the JSON file")
    out_option(parser, FILE)
    options = parser.parse_args()
    variant = options.set or options.fixed or options.head != "dot"
    if variant and options.out == FILE:
        parser.error(f"{FILE.name} is that of the published recipe. Give a variant a file of its own: --out FILE.json")
    if not options.page_only:
        train_all(options)
    if options.out == FILE and FILE.exists():
        write_block(BLOCK, block(json.loads(FILE.read_text())), PAGE)


def train_all(options: argparse.Namespace) -> None:
    """Trains what is missing; writes the report after each run, from all that are complete."""
    from keras_fixhead.experiments.plan import parse_grid, parse_seeds, plan_runs
    from keras_fixhead.experiments.run import run_plan

    more = {name: values[0] for name, values in parse_grid(options.set).items()}
    asked = {"dataset": "cifar10", "recipe": "fast", "head": options.head, "fixed": options.fixed, **more}
    folder = Path(options.runs_dir)
    explicit = {**asked, "runs_dir": str(timed_in(folder) if options.timed else folder),
                **({"data_dir": options.data_dir} if options.data_dir else {})}
    # by seed first, so that every length has a value early
    plan = [each for seed in parse_seeds(options.seeds)
            for each in plan_runs(explicit, {"epochs": options.epochs}, [seed])]
    for outcome in run_plan(plan, watched):
        name = f"{outcome.planned.config.epochs:g} epochs, seed {outcome.planned.config.seed}"
        if outcome.run is None or not outcome.is_complete:
            print(f"{name}: {outcome.what}: {outcome.reason}", flush=True)
            continue
        print(f"{name}: {told(measured(outcome.run, evaluated=not options.timed))}", flush=True)
        rows = complete_rows(folder, plan[0].config)
        if found := measurements(rows, asked):
            write_report(options.out, found, command=command_of(options))


def command_of(options: argparse.Namespace) -> str:
    """The command that was given, without folders of this machine."""
    parts = ["python", "benchmarks/minutes_to.py", "--data-dir", "DATA"]
    if options.epochs != list(EPOCHS):
        parts += ["--epochs", *(f"{each:g}" for each in options.epochs)]
    if options.seeds != "0-2":
        parts += ["--seeds", options.seeds]
    if options.head != "dot":
        parts += ["--head", options.head]
    parts += ["--fixed"] * options.fixed + (["--set", *options.set] if options.set else [])
    return shlex.join([*parts, *["--timed"] * options.timed])


def timed_in(folder: Path) -> Path:
    """The folder of the runs that are trained for their minutes."""
    return folder / "timed"


def watched(resolved: Any, resume: Any) -> Any:
    """Trains a run in a process, and keeps which share of the processors others took, unless it was resumed."""
    from keras_fixhead.experiments.run import train_in_process
    from keras_fixhead.json_files import write_json

    busy, own, start = busy_seconds(), own_seconds(), time.monotonic()
    run = train_in_process(resolved, resume)
    spent = (time.monotonic() - start) * (os.cpu_count() or 1)
    others = max(0.0, busy_seconds() - busy - (own_seconds() - own)) / spent
    write_json(run.path / "watched.json", {"others": None if resume else others}, schema=_SCHEMA)
    return run


def busy_seconds() -> float:
    """Seconds that all processors have worked since the machine was started."""
    user, nice, system, _, _, irq, softirq, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def own_seconds() -> float:
    """Seconds that processors have worked for this process and the processes that it waited for."""
    return sum(each.ru_utime + each.ru_stime for each in map(resource.getrusage, (
        resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))


def complete_rows(folder: Path, like: Any) -> list[dict[str, Any]]:
    """Rows of all complete runs whose configuration is `like`, apart from epochs and seeds."""
    from keras_fixhead.runs import list_runs

    def own(config: Any) -> Any:
        return dataclasses.replace(config, epochs=like.epochs, seed=like.seed, vector_seed=like.vector_seed,
                                   runs_dir=like.runs_dir, data_dir=like.data_dir)

    return [measured(run, evaluated=evaluated) for where, evaluated in ((folder, True), (timed_in(folder), False))
            for run in list_runs(where) if run.has("result") and own(run.config()) == like]


def measured(run: Any, *, evaluated: bool) -> dict[str, Any]:
    """Epochs, seed, minutes of a complete run, None if they do not count, and its accuracies if `evaluated`."""
    from keras_fixhead.evaluation import evaluate_run
    from keras_fixhead.json_files import read_json, write_json

    config, kept, watch = run.config(), run.path / "minutes_to.json", run.path / "watched.json"
    others = read_json(watch, schema=_SCHEMA)["others"] if watch.exists() else None
    minutes = run.read("result")["seconds"] / 60 if others is not None and others < QUIET else None
    row = {"epochs": config.epochs, "seed": config.seed, "minutes": minutes}
    if evaluated and not kept.exists():
        write_json(kept, {view: evaluate_run(run, ["test"], tta=view)["test"].accuracy for view in VIEWS},
                   schema=_SCHEMA)
    return row | ({view: read_json(kept, schema=_SCHEMA)[view] for view in VIEWS} if evaluated else {})


def told(row: Mapping[str, Any]) -> str:
    """A row in words."""
    minutes = "minutes do not count" if row["minutes"] is None else f"{row['minutes']:.2f} minutes"
    return ", ".join([minutes, *(f"{100 * row[view]:.2f} % {text}" for view, text in VIEWS.items() if view in row)])


def measurements(rows: Sequence[Mapping[str, Any]], config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The report's measurements: minutes and accuracies of each length, if it has values of two seeds or more."""
    kinds = (("minutes", "minutes of the epochs", "min"),
             *((view, f"accuracy on test images {text}", "1") for view, text in VIEWS.items()))
    found = []
    for epochs in sorted({row["epochs"] for row in rows}):
        for name, metric, unit in kinds:
            same = [row for row in rows if row["epochs"] == epochs and row.get(name) is not None]
            if len(same) > 1:
                found.append(measurement(
                    name=f"epochs{epochs:g}/{name}", metric=metric, unit=unit, values=[row[name] for row in same],
                    warmup="none: compilation is part of it", config={**config, "epochs": epochs,
                                                                      "seeds": [row["seed"] for row in same]}))
    return found


def block(report: Mapping[str, Any]) -> list[str]:
    """Returns the lines of the page: what reaches each target, and all lengths."""
    by_name = {each["name"]: each for each in report["measurements"]}
    lengths = sorted({each["config"]["epochs"] for each in report["measurements"]})
    lines = ["", f"Measured on {report['hardware']['cpu']}, {report['hardware']['cores']} cores, TensorFlow "
             f"{report['versions']['tensorflow']}, by `{report['command']}`.", "",
             "| target | test images | epochs | minutes: mean (smallest to largest) | accuracy: mean | seeds |",
             "| --- | --- | --- | --- | --- | --- |"]
    for target in TARGETS:
        for view, text in VIEWS.items():
            lines.append(f"| {100 * target:.0f} % | {text} | {_reached(by_name, lengths, target, view)}")
    lines += ["", "All lengths:", "", "| epochs | minutes: mean (smallest to largest) | as they are | with flips and "
              "shifts | seeds |", "| --- | --- | --- | --- | --- |"]
    for epochs in lengths:
        accuracies = [by_name[f"epochs{epochs:g}/{view}"] for view in VIEWS if f"epochs{epochs:g}/{view}" in by_name]
        if accuracies:
            lines.append(f"| {epochs:g} | {_minutes(by_name, epochs)} | " + " | ".join(
                f"{100 * each['mean']:.2f} % (sd {100 * each['std']:.2f})" for each in accuracies)
                + f" | {accuracies[0]['n']} |")
    return [*lines, ""]


def _reached(by_name: Mapping[str, Any], lengths: Sequence[float], target: float, view: str) -> str:
    """The rest of a target's line."""
    reached = [(epochs, accuracy) for epochs in lengths
               if (accuracy := by_name.get(f"epochs{epochs:g}/{view}")) and accuracy["mean"] >= target]
    enough = [(epochs, accuracy) for epochs, accuracy in reached if accuracy["n"] >= SEEDS_NEEDED]
    if enough:
        epochs, accuracy = enough[0]
        return f"{epochs:g} | {_minutes(by_name, epochs)} | {100 * accuracy['mean']:.2f} % | {accuracy['n']} |"
    if reached:
        epochs, accuracy = reached[0]
        return f"{epochs:g} with n = {accuracy['n']}; {SEEDS_NEEDED} seeds are needed |  |  |  |"
    return "not reached by the lengths measured |  |  |  |"


def _minutes(by_name: Mapping[str, Any], epochs: float) -> str:
    found = by_name.get(f"epochs{epochs:g}/minutes")
    if found is None:
        return "not measured"
    return f"{found['mean']:.1f} ({min(found['values']):.1f} to {max(found['values']):.1f}; n = {found['n']})"


if __name__ == "__main__":
    main()
