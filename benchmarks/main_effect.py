"""The paper's main effect on real images: fixed against learned class vectors, cosine logits, S = 1, CIFAR-10.

    for seed in 0 1 2; do for arm in fixed learned; do
        fixhead train --dataset cifar10 --head cos --$arm --recipe cpu --seed $seed --runs-dir runs/main_effect
    done; done
    python benchmarks/main_effect.py runs/main_effect

Collects the runs into results/main_effect.json and writes the table of the README from it.
`--readme-only` writes them anew from the JSON file alone.
"""
import argparse
import json
import math
import statistics
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from report import RESULTS, ROOT, write_block

from keras_fixhead.analysis.intervals import mean_interval
from keras_fixhead.config import TrainConfig, arm_name
from keras_fixhead.figures import plot_arms
from keras_fixhead.models import head_of, load_model
from keras_fixhead.runs import Run, list_runs

FILE = RESULTS / "main_effect.json"
FIGURE = ROOT / "docs" / "main_effect.png"
BLOCK = "main effect"
MERGED = 0.95
COMMAND = "fixhead train --dataset cifar10 --head cos --fixed|--learned --recipe cpu --seed 0|1|2"
ROW_FIELDS = ("epoch", "cross_entropy", "accuracy", "validation_accuracy", "validation_cross_entropy",
              "class_vectors_mean_cosine", "class_vectors_max_cosine")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs_dir", nargs="?", type=Path)
    parser.add_argument("--readme-only", action="store_true")
    options = parser.parse_args()
    if not options.readme_only:
        if options.runs_dir is None:
            parser.error("give the folder of the runs, or --readme-only")
        FILE.write_text(json.dumps(collect(options.runs_dir), indent=1) + "\n")
        draw(options.runs_dir)
    write_block(BLOCK, block(json.loads(FILE.read_text())))


def collect(runs_dir: Path) -> dict[str, Any]:
    """Everything that the table needs, from complete runs of one configuration but for arm and seed."""
    runs = [describe(run) for run in list_runs(runs_dir) if run.has("result")]
    shared = {json.dumps(run["shared"], sort_keys=True) for run in runs}
    if len(shared) != 1:
        raise SystemExit(f"The runs in {runs_dir} differ in more than arm and seed, or there are none.")
    by_arm = {arm: {run["seed"]: run for run in runs if run["arm"] == arm} for arm in ("cos-fixed", "cos-learned")}
    seeds = sorted(by_arm["cos-fixed"])
    if seeds != sorted(by_arm["cos-learned"]) or len(seeds) < 2:
        raise SystemExit(f"Every seed needs both arms: fixed {seeds}, learned {sorted(by_arm['cos-learned'])}.")
    values = [100 * (by_arm["cos-fixed"][seed]["accuracy"]["test"] - by_arm["cos-learned"][seed]["accuracy"]["test"])
              for seed in seeds]
    for run in runs:
        run.pop("shared")
    result = next(list_runs(runs_dir)).read("result")
    first = result["environment"]
    return {
        "schema": 1,
        "name": "main_effect",
        "metric": "test accuracy of fixed minus learned class vectors, cosine logits, S = 1, paired by seed",
        "unit": "percentage points",
        "values": values,
        "n": len(values),
        "mean": statistics.fmean(values),
        "std": statistics.stdev(values),
        "interval_95": list(mean_interval(values)),
        "warmup": "none",
        "command": COMMAND,
        "label_names": result["label_names"],
        "protocol": "test accuracy of the last epoch; no choice was made on validation or test",
        "config": json.loads(shared.pop()),
        "hardware": {"cpu": first["cpu"], "cores": first["cpu_count"], "gpus": first["gpus"]},
        "versions": first["versions"] | {"python": first["python"]},
        "commit": (first["git"] or {}).get("commit"),
        "runs": sorted(runs, key=lambda run: (run["arm"], run["seed"])),
    }


def describe(run: Run) -> dict[str, Any]:
    """What is kept of a run: configuration, accuracy, cosines and curves."""
    stored, result = run.stored(), run.read("result")
    config = stored.config
    own = {"fixed", *TrainConfig.names("seed", "place")}
    return {
        "arm": arm_name(config),
        "seed": config.seed,
        "config_digest": stored.digest,
        "class_vectors_digest": stored.class_vectors_digest,
        "data_digest": result["data_digest"],
        "accuracy": result["accuracy"],
        "evaluation": result["evaluation"],
        "class_vectors_max_cosine": result["class_vectors_max_cosine"],
        "class_vectors_cosines": cosine_matrix(class_vectors(run)).round(4).tolist(),
        "seconds": result["seconds"],
        "images_per_second": result["images_per_second"],
        "curves": {name: [row[name] for row in run.metrics()] for name in ROW_FIELDS},
        "shared": {name: value for name, value in config.as_dict().items() if name not in own},
    }


def class_vectors(run: Run) -> NDArray[np.float32]:
    """The class vectors of a trained run."""
    return keras.ops.convert_to_numpy(head_of(load_model(run.path)).class_vectors.value)


def cosine_matrix(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """The cosines between class vectors, shape (m, m)."""
    unit = vectors.astype(float) / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit @ unit.T


def draw(runs_dir: Path) -> None:
    """The figure of the README: both arms of the first seed."""
    runs = {("fixed" if run.config().fixed else "learned"): run for run in list_runs(runs_dir)
            if run.config().seed == 0}
    plot_arms({arm: run.metrics() for arm, run in runs.items()},
              {arm: class_vectors(run) for arm, run in runs.items()}, runs["fixed"].read("result")["label_names"],
              FIGURE, title="CIFAR-10, cosine logits, S = 1, recipe cpu, seed 0")


def block(report: dict[str, Any]) -> list[str]:
    """The lines of the README's table."""
    config = report["config"]
    lines = [
        "| seed | fixed | learned | fixed − learned |",
        "| --- | --- | --- | --- |",
    ]
    by_key = {(run["arm"], run["seed"]): run for run in report["runs"]}
    seeds = sorted({seed for _, seed in by_key})
    for seed, value in zip(seeds, report["values"], strict=True):
        fixed, learned = (100 * by_key[arm, seed]["accuracy"]["test"] for arm in ("cos-fixed", "cos-learned"))
        lines.append(f"| {seed} | {fixed:.1f} % | {learned:.1f} % | {value:+.1f} |")
    low, high = report["interval_95"]
    fixed, learned = (statistics.fmean(100 * by_key[arm, seed]["accuracy"]["test"] for seed in seeds)
                      for arm in ("cos-fixed", "cos-learned"))
    lines.append(f"| mean | {fixed:.1f} % | {learned:.1f} % | **{report['mean']:+.1f}** "
                 f"(95 % interval {low:+.1f} to {high:+.1f}) |")
    largest = {arm: [by_key[arm, seed]["class_vectors_max_cosine"] for seed in seeds]
               for arm in ("cos-fixed", "cos-learned")}
    merged = merged_pairs(report["label_names"], [by_key["cos-learned", seed]["class_vectors_cosines"]
                                                  for seed in seeds])
    minutes = math.ceil(max(run["seconds"] for run in report["runs"]) / 60)
    lines += [
        "",
        f"Test accuracy on CIFAR-10 (10,000 images) with cosine logits and S = {config['scale']:g}, "
        f"n = {report['n']} seeds, paired: both arms of a seed start from the same weights and class vectors and see "
        f"the same batches. ResNet18 at width {config['width']:g}, {config['limit_train']:,} training images, "
        f"{config['epochs']} epochs, last epoch, no choice made on validation or test. Learned class vectors "
        f"merge pairwise (cosine above {MERGED:g} in every seed: {merged or 'none'}); fixed ones cannot (largest "
        f"cosine {max(largest['cos-fixed']):.2f}). Command: `{report['command']}`, at most {minutes} minutes a run on "
        f"{report['hardware']['cores']} shared CPU cores. All numbers: `results/main_effect.json`.",
        "",
        "![Curves and cosines between class vectors of both arms](docs/main_effect.png)",
    ]
    return lines


def merged_pairs(names: list[str], matrices: list[list[list[float]]]) -> str:
    """The pairs of classes whose class vectors have merged in every seed."""
    pairs = [f"{names[i]} and {names[j]}" for i in range(len(names)) for j in range(i)
             if all(matrix[i][j] > MERGED for matrix in matrices)]
    return ", ".join(pairs)


if __name__ == "__main__":
    main()
