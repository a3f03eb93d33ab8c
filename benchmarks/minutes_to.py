"""Minutes to 80, 85, 90 and 94 % of the CIFAR-10 test images on this machine, with the network and recipe `fast`.

    python benchmarks/minutes_to.py --data-dir DATA
    python benchmarks/minutes_to.py --data-dir DATA --epochs 9.9 --seeds 0-4

Trains runs of several lengths, each with its own whole schedule, because accuracy within a run only counts once the
rate has fallen. A target is reached by the shortest length whose mean accuracy over the seeds is at least the target.
Minutes are those of the epochs, compilation included, without reading the data and without the last evaluation. Test
images are used for nothing but the accuracy that is reported: neither a run nor its length is changed by them, and all
lengths are in the table. Complete runs are skipped and interrupted ones resumed, so the command can be stopped and
repeated. Use a machine without other work.
"""
import argparse
import json
from collections.abc import Sequence
from typing import Any

from report import RESULTS, ROOT, measurement, out_option, write_block, write_report

FILE = RESULTS / "minutes_to.json"
PAGE = ROOT / "docs" / "models.md"
BLOCK = "minutes to"
TARGETS = (0.80, 0.85, 0.90, 0.94)
EPOCHS = (1.5, 2.0, 3.0, 5.0, 9.9)
VIEWS = {"none": "as they are", "flip-shift": "with flips and shifts"}
SEEDS_NEEDED = 3
_SCHEMA = 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", help="folder of the prepared data (default: $TFDS_DATA_DIR)")
    parser.add_argument("--epochs", type=float, nargs="+", default=list(EPOCHS), help="lengths of the runs")
    parser.add_argument("--seeds", default="0-2", help="seeds of each length (default: 0-2)")
    parser.add_argument("--head", choices=("dot", "cos"), default="dot")
    parser.add_argument("--fixed", action="store_true", help="fixed class vectors (default: learned, as published)")
    parser.add_argument("--set", nargs="*", default=[], metavar="FIELD=VALUE", help="other options, for variants")
    parser.add_argument("--runs-dir", default="runs/minutes_to", help="folder of the runs (default: runs/minutes_to)")
    parser.add_argument("--page-only", action="store_true", help="only write the table, from the JSON file")
    out_option(parser, FILE)
    options = parser.parse_args()
    if not options.page_only:
        train_all(options)
    if options.out == FILE:
        write_block(BLOCK, block(json.loads(FILE.read_text())), PAGE)


def train_all(options: argparse.Namespace) -> None:
    """Trains what is missing; writes the report after each run from all that are complete."""
    from keras_fixhead.experiments.plan import parse_grid, parse_seeds, plan_runs
    from keras_fixhead.experiments.run import run_plan

    more = {name: values[0] for name, values in parse_grid(options.set).items()}
    explicit = {"dataset": "cifar10", "recipe": "fast", "head": options.head, "fixed": options.fixed,
                "runs_dir": options.runs_dir, "data_dir": options.data_dir, **more}
    # by seed first, so that every length has a value early
    plan = [each for seed in parse_seeds(options.seeds) for each in plan_runs(
        {name: value for name, value in explicit.items() if value is not None}, {"epochs": options.epochs}, [seed])]
    rows: list[dict[str, Any]] = []
    for outcome in run_plan(plan):
        name = f"{outcome.planned.config.epochs:g} epochs, seed {outcome.planned.config.seed}"
        if outcome.run is None or not outcome.is_complete:
            print(f"{name}: {outcome.what}: {outcome.reason}", flush=True)
            continue
        rows.append(measured(outcome.run))
        print(f"{name}: {rows[-1]['minutes']:.1f} minutes, " + ", ".join(
            f"{100 * rows[-1][view]:.2f} % {text}" for view, text in VIEWS.items()), flush=True)
        write_report(options.out, measurements(rows, {**explicit, "data_dir": None, "runs_dir": None}),
                     command="python benchmarks/minutes_to.py --data-dir DATA")


def measured(run: Any) -> dict[str, Any]:
    """Epochs, minutes and accuracy of a complete run, in both evaluations; the second is kept next to the run."""
    from keras_fixhead.evaluation import evaluate_run
    from keras_fixhead.json_files import read_json, write_json

    result, config, kept = run.read("result"), run.config(), run.path / "minutes_to.json"
    if not kept.exists():
        accuracy = {view: evaluate_run(run, ["test"], tta=view)["test"].accuracy for view in VIEWS}
        write_json(kept, {"accuracy": accuracy}, schema=_SCHEMA)
    return {"epochs": config.epochs, "seed": config.seed, "minutes": result["seconds"] / 60,
            **read_json(kept, schema=_SCHEMA)["accuracy"]}


def measurements(rows: Sequence[dict[str, Any]], config: dict[str, Any]) -> list[dict[str, Any]]:
    """The report's measurements: minutes and accuracies of each length that has two seeds or more."""
    found = []
    for epochs in sorted({row["epochs"] for row in rows}):
        same = [row for row in rows if row["epochs"] == epochs]
        for name, metric, unit in (("minutes", "minutes of the epochs", "min"),
                                   *((view, f"accuracy on test images {text}", "1") for view, text in VIEWS.items())):
            if len(same) > 1:
                found.append(measurement(
                    name=f"epochs{epochs:g}/{name}", metric=metric, unit=unit, values=[row[name] for row in same],
                    warmup="none: compilation is part of it", config={**config, "epochs": epochs,
                                                                      "seeds": [row["seed"] for row in same]}))
    return found


def block(report: dict[str, Any]) -> list[str]:
    """Returns the lines of the page: what reaches each target, and all lengths."""
    by_name = {each["name"]: each for each in report["measurements"]}
    lengths = sorted({each["config"]["epochs"] for each in report["measurements"]})
    lines = ["", f"Measured on {report['hardware']['cpu']}, {report['hardware']['cores']} cores, TensorFlow "
             f"{report['versions']['tensorflow']}, by `{report['command']}`.", "",
             "| target | test images | epochs | minutes: mean (smallest to largest) | accuracy: mean | n |",
             "| --- | --- | --- | --- | --- | --- |"]
    for target in TARGETS:
        for view, text in VIEWS.items():
            reached = [epochs for epochs in lengths if _mean(by_name, epochs, view) >= target
                       and by_name[f"epochs{epochs:g}/{view}"]["n"] >= SEEDS_NEEDED]
            if reached:
                minutes, accuracy = (by_name[f"epochs{reached[0]:g}/{name}"] for name in ("minutes", view))
                lines.append(f"| {100 * target:.0f} % | {text} | {reached[0]:g} | {_range(minutes)} | "
                             f"{100 * accuracy['mean']:.2f} % | {accuracy['n']} |")
            else:
                lines.append(f"| {100 * target:.0f} % | {text} | not reached by the lengths measured |  |  |  |")
    lines += ["", "All lengths:", "", "| epochs | minutes: mean (smallest to largest) | as they are | with flips and "
              "shifts | n |", "| --- | --- | --- | --- | --- |"]
    for epochs in lengths:
        minutes, *accuracies = (by_name[f"epochs{epochs:g}/{name}"] for name in ("minutes", *VIEWS))
        lines.append(f"| {epochs:g} | {_range(minutes)} | " + " | ".join(
            f"{100 * each['mean']:.2f} % (sd {100 * each['std']:.2f})" for each in accuracies) + f" | {minutes['n']} |")
    return [*lines, ""]


def _mean(by_name: dict[str, dict[str, Any]], epochs: float, view: str) -> float:
    return float(by_name[f"epochs{epochs:g}/{view}"]["mean"])


def _range(minutes: dict[str, Any]) -> str:
    return f"{minutes['mean']:.1f} ({min(minutes['values']):.1f} to {max(minutes['values']):.1f})"


if __name__ == "__main__":
    main()
