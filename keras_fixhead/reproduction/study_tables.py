"""The tables of the small studies for docs/results.md and docs/head.md, and the figure of the main effect."""
import math
import statistics
from collections.abc import Sequence
from pathlib import Path

from keras_fixhead.figures import plot_arms
from keras_fixhead.reproduction.studies import Study
from keras_fixhead.runs import list_runs
from keras_fixhead.runs.result import read_arrays, read_result

MERGED = 0.95
"""Cosine above which two class vectors count as merged."""


def main_effect_table(study: Study) -> list[str]:
    """Returns the lines of the table of the main effect, and of the figure below it."""
    fixed, learned = study.accuracy("cos-fixed"), study.accuracy("cos-learned")
    gain, config = study.difference("cos-fixed", "cos-learned"), study.config
    lines = ["| seed | fixed | learned | fixed − learned |", "| --- | --- | --- | --- |"]
    lines += [f"| {seed} | {fixed[seed]:.1f} % | {learned[seed]:.1f} % | {value:+.1f} |"
              for seed, value in gain.values.items()]
    low, high = gain.interval or (math.nan, math.nan)
    lines.append(f"| mean | {statistics.fmean(fixed.values()):.1f} % | {statistics.fmean(learned.values()):.1f} % | "
                 f"**{gain.mean:+.1f}** (95 % interval {low:+.1f} to {high:+.1f}) |")
    merged = merged_pairs(study.content["label_names"], study.cosines("cos-learned"))
    largest = max(run["class_vectors_max_cosine"] for run in study.runs("cos-fixed"))
    minutes = math.ceil(max(run["seconds"] for run in study.content["runs"]) / 60)
    return [
        *lines, "",
        f"Test accuracy on CIFAR-10 (10,000 images) with cosine logits and S = {config['scale']:g}, "
        f"n = {gain.n} seeds, paired: both arms of a seed start from the same weights and class vectors and see "
        f"the same batches. ResNet18 at width {config['width']:g}, {config['limit_train']:,} training images, "
        f"{config['epochs']} epochs, last epoch, no choice made on validation or test. Learned class vectors "
        f"merge pairwise (cosine above {MERGED:g} in every seed: {merged or 'none'}); fixed ones cannot (largest "
        f"cosine {largest:.2f}). Command: `{study.content['command']}`, at most {minutes} minutes a run on "
        f"{study.content['hardware']['cores']} shared CPU cores. All numbers: `results/{study.name}.json`.",
        "",
        "![Curves and cosines between class vectors of both arms](main_effect.png)",
    ]


def merged_pairs(names: Sequence[str], matrices: Sequence[Sequence[Sequence[float]]]) -> str:
    """Returns the pairs of classes whose class vectors have merged in every seed.

    Example:
        >>> merged_pairs(["cat", "dog", "ship"], [[[1, 0.99, 0], [0.99, 1, 0], [0, 0, 1]]])
        'dog and cat'
    """
    pairs = [f"{names[i]} and {names[j]}" for i in range(len(names)) for j in range(i)
             if all(matrix[i][j] > MERGED for matrix in matrices)]
    return ", ".join(pairs)


def study_table(study: Study) -> list[str]:
    """Returns the lines of the table of a study's arms, one line per arm."""
    config, seeds = study.config, study.seeds
    pairs = {each["arm"]: each["compared_with"] for each in study.content["comparisons"]}
    lines = ["| arm | " + " | ".join(f"seed {seed}" for seed in seeds) + " | mean | difference, 95 % interval | "
             "mean cosine to the own class, to the nearest other | largest cosine between class vectors |",
             "| --- |" + " --- |" * (len(seeds) + 4)]
    for arm in (arm for pair in pairs.items() for arm in pair):
        values = study.accuracy(arm)
        own, other = (statistics.fmean(study.evaluation(arm, name)) for name in ("own_cosine", "nearest_wrong_cosine"))
        merged = statistics.fmean(run["class_vectors_max_cosine"] for run in study.runs(arm))
        lines.append(f"| {arm} | " + " | ".join(f"{values[seed]:.1f} %" for seed in seeds)
                     + f" | {statistics.fmean(values.values()):.1f} % | {_gain_text(study, arm, pairs.get(arm))} | "
                     f"{own:.3f}, {other:.3f} | {merged:.3f} |")
    return [*lines, "", f"Test accuracy on {config['dataset']} (n = {len(seeds)} seeds, paired: the arms of a seed "
            f"start from the same weights and class vectors and see the same batches); cosine logits, S = "
            f"{config['scale']:g}, ResNet18 at width {config['width']:g}, {config['limit_train']:,} training images, "
            f"{config['epochs']} epochs, last epoch, {config['precision']}; "
            f"{study.content['protocol'].partition('; ')[2]}. Command: `{study.content['command']}`. All numbers: "
            f"`results/{study.name}.json`."]


def _gain_text(study: Study, arm: str, other: str | None) -> str:
    if other is None:
        return ""
    gain = study.difference(arm, other)
    low, high = gain.interval or (math.nan, math.nan)
    return f"**{gain.mean:+.1f}** ({low:+.1f} to {high:+.1f}) against {other}"


def draw_main_effect(runs_dir: Path, path: Path) -> None:
    """Writes the figure of the main effect: both arms of seed 0, from their run directories.

    Raises:
        RunError: if a run is damaged, or the figure cannot be written.
    """
    runs = {"fixed" if run.config().fixed else "learned": run for run in list_runs(runs_dir) if run.config().seed == 0}
    results = {arm: read_result(run.path) for arm, run in runs.items()}
    plot_arms({arm: each.curves for arm, each in results.items()},
              {arm: read_arrays(run.path / "test.npz")["class_vectors"] for arm, run in runs.items()},
              results["fixed"].content["label_names"], path,
              title="CIFAR-10, cosine logits, S = 1, recipe cpu, seed 0")
