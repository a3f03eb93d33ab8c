r"""Two questions about heads, answered in recipe cpu with 3 seeds each: signed features, and margins.

    for seed in 0 1 2; do
        for features in --signed-features --no-signed-features; do
            fixhead train --dataset cifar10 --head cos --fixed $features --recipe cpu --seed $seed \
                --runs-dir runs/signed
        done
        for arm in fixed learned; do for margin in none cosface arcface; do
            fixhead train --dataset cifar100 --head cos --$arm --scale 30 --margin $margin --recipe cpu --seed $seed \
                --runs-dir runs/margins
        done; done
    done
    python benchmarks/head_questions.py signed_features runs/signed
    python benchmarks/head_questions.py margins runs/margins

Each collects its runs into results/NAME.json and writes its table in docs/head.md from it; `--page-only` writes the
tables anew from the JSON files alone.
"""
import argparse
import json
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from report import RESULTS, ROOT, write_block

from keras_fixhead.analysis.intervals import mean_interval
from keras_fixhead.config import TrainConfig, arm_name
from keras_fixhead.runs import Run, list_runs

PAGE = ROOT / "docs" / "head.md"
OWN_FIELDS = {*TrainConfig.names("seed", "place")}


@dataclass(frozen=True)
class Question:
    """A comparison of arms, paired by seed.

    Attributes:
        arm: names the arm of a run.
        varied: fields in which the arms differ; all others must be the same in all runs.
        pairs: (arm, arm it is compared with).
        command: what was run.
    """

    arm: Callable[[TrainConfig], str]
    varied: set[str]
    pairs: list[tuple[str, str]]
    command: str


def margin_arm(config: TrainConfig) -> str:
    """Returns 'arcface, fixed', and so on."""
    return f"{config.margin}, {'fixed' if config.fixed else 'learned'}"


QUESTIONS = {
    "signed_features": Question(
        arm=lambda config: "signed" if config.signed_features else "ending in ReLU",
        varied={"signed_features"},
        pairs=[("signed", "ending in ReLU")],
        command="fixhead train --dataset cifar10 --head cos --fixed --signed-features|--no-signed-features "
                "--recipe cpu --seed 0|1|2"),
    "margins": Question(
        arm=margin_arm,
        varied={"fixed", "margin", "margin_size"},
        pairs=[(f"{margin}, fixed", f"{margin}, learned") for margin in ("none", "cosface", "arcface")],
        command="fixhead train --dataset cifar100 --head cos --fixed|--learned --scale 30 "
                "--margin none|cosface|arcface --recipe cpu --seed 0|1|2"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=QUESTIONS, nargs="?")
    parser.add_argument("runs_dir", nargs="?", type=Path)
    parser.add_argument("--page-only", action="store_true")
    options = parser.parse_args()
    if not options.page_only:
        if options.runs_dir is None:
            parser.error("give the name of a question and the folder of its runs, or --page-only")
        report = collect(options.name, options.runs_dir)
        (RESULTS / f"{options.name}.json").write_text(json.dumps(report, indent=1) + "\n")
    for name in QUESTIONS:
        file = RESULTS / f"{name}.json"
        if file.exists():  # the first of them is collected before the others
            write_block(name, block(json.loads(file.read_text())), PAGE)


def collect(name: str, runs_dir: Path) -> dict[str, Any]:
    """Everything that the table needs, from complete runs that differ in arm and seed alone."""
    question = QUESTIONS[name]
    runs = [run for run in list_runs(runs_dir) if run.has("result")]
    shared = {json.dumps(shared_fields(run, question), sort_keys=True) for run in runs}
    if len(shared) != 1:
        raise SystemExit(f"The runs in {runs_dir} differ in more than arm and seed, or there are none.")
    rows = sorted((describe(run, question) for run in runs), key=lambda row: (row["arm"], row["seed"]))
    accuracy = {(row["arm"], row["seed"]): 100 * row["accuracy"]["test"] for row in rows}
    seeds = sorted({seed for _, seed in accuracy})
    result = runs[0].read("result")
    environment = result["environment"]
    return {
        "schema": 1,
        "name": name,
        "metric": "test accuracy, paired differences by seed",
        "unit": "percentage points",
        "protocol": "test accuracy of the last epoch; no choice was made on validation or test",
        "command": question.command,
        "seeds": seeds,
        "comparisons": [compared(accuracy, arm, other, seeds) for arm, other in question.pairs],
        "config": json.loads(shared.pop()),
        "hardware": {"cpu": environment["cpu"], "cores": environment["cpu_count"], "gpus": environment["gpus"]},
        "versions": environment["versions"] | {"python": environment["python"]},
        "commit": (environment["git"] or {}).get("commit"),
        "data_digest": result["data_digest"],
        "runs": rows,
    }


def compared(accuracy: dict[tuple[str, int], float], arm: str, other: str, seeds: list[int]) -> dict[str, Any]:
    """The paired differences of two arms and their interval."""
    if missing := [key for key in ((each, seed) for each in (arm, other) for seed in seeds) if key not in accuracy]:
        raise SystemExit(f"Runs are missing: {missing}.")
    values = [accuracy[arm, seed] - accuracy[other, seed] for seed in seeds]
    return {"arm": arm, "compared_with": other, "values": values, "n": len(values), "mean": statistics.fmean(values),
            "std": statistics.stdev(values), "interval_95": list(mean_interval(values))}


def shared_fields(run: Run, question: Question) -> dict[str, Any]:
    """The fields that all runs of a question have in common."""
    return {field: value for field, value in run.config().as_dict().items()
            if field not in OWN_FIELDS | question.varied}


def describe(run: Run, question: Question) -> dict[str, Any]:
    """What is kept of a run."""
    stored, result = run.stored(), run.read("result")
    config = stored.config
    rows = run.metrics()
    return {
        "arm": question.arm(config), "paper_arm": arm_name(config), "seed": config.seed,
        **{field: getattr(config, field) for field in sorted(question.varied)},
        "config_digest": stored.digest, "class_vectors_digest": stored.class_vectors_digest,
        "accuracy": result["accuracy"], "evaluation": result["evaluation"]["test"],
        "class_vectors_max_cosine": result["class_vectors_max_cosine"],
        "train_accuracy_last_epoch": rows[-1]["accuracy"],
        "seconds": result["seconds"],
    }


def block(report: dict[str, Any]) -> list[str]:
    """The lines of a question's table."""
    accuracy = {(run["arm"], run["seed"]): 100 * run["accuracy"]["test"] for run in report["runs"]}
    seeds = report["seeds"]
    config = report["config"]
    arms = [arm for each in report["comparisons"] for arm in (each["arm"], each["compared_with"])]
    lines = ["| arm | " + " | ".join(f"seed {seed}" for seed in seeds) + " | mean | difference, 95 % interval | "
             "mean cosine to the own class, to the nearest other | largest cosine between class vectors |",
             "| --- |" + " --- |" * (len(seeds) + 4)]
    differences = {each["arm"]: each for each in report["comparisons"]}
    for arm in arms:
        values = [accuracy[arm, seed] for seed in seeds]
        gain = ""
        if arm in differences:
            each = differences[arm]
            low, high = each["interval_95"]
            gain = f"**{each['mean']:+.1f}** ({low:+.1f} to {high:+.1f}) against {each['compared_with']}"
        runs = [run for run in report["runs"] if run["arm"] == arm]
        own, other = (statistics.fmean(run["evaluation"][name] for run in runs)
                      for name in ("own_cosine", "nearest_wrong_cosine"))
        merged = statistics.fmean(run["class_vectors_max_cosine"] for run in runs)
        lines.append(f"| {arm} | " + " | ".join(f"{value:.1f} %" for value in values)
                     + f" | {statistics.fmean(values):.1f} % | {gain} | {own:.3f}, {other:.3f} | {merged:.3f} |")
    lines += ["", f"Test accuracy on {config['dataset']} (n = {len(seeds)} seeds, paired: the arms of a seed start "
              f"from the same weights and class vectors and see the same batches); cosine logits, S = "
              f"{config['scale']:g}, ResNet18 at width {config['width']:g}, {config['limit_train']:,} training images, "
              f"{config['epochs']} epochs, last epoch, {config['precision']}; "
              f"{report['protocol'].partition('; ')[2]}. Command: `{report['command']}`. All numbers: "
              f"`results/{report['name']}.json`."]
    return lines


if __name__ == "__main__":
    main()
