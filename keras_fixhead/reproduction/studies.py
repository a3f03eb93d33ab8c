"""The small studies in results/: paired arms at a quarter of the width, trained on a CPU.

Each study is one JSON file, collected from its runs, with their matrices in an .npz file next to it. The tables in
docs/ and the figure of the main effect are generated from these files.

    python -m keras_fixhead.reproduction.studies main_effect RUNS    # collect a study from its runs into results/
"""
import argparse
import json
import math
import shlex
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from keras_fixhead.analysis.paired import PairedDifference, paired_difference
from keras_fixhead.config import RESULT_ROLES, TrainConfig, arm_name
from keras_fixhead.errors import ArgumentError, FixheadError, RunError
from keras_fixhead.figures import plot_arms
from keras_fixhead.json_files import read_json
from keras_fixhead.reproduction.claims.verdict import above, verdict
from keras_fixhead.reproduction.measures import accuracy, averaged_accuracy
from keras_fixhead.reproduction.planning.cells import cell
from keras_fixhead.reproduction.planning.plans import blocks_named
from keras_fixhead.reproduction.results import read_results
from keras_fixhead.runs import list_runs
from keras_fixhead.runs.result import Result, read_arrays, read_result, write_result

MERGED = 0.95
"""Cosine above which two class vectors count as merged."""

_SCHEMA = 1
_CURVES = ("epoch", "cross_entropy", "accuracy", "validation_accuracy", "validation_cross_entropy",
           "class_vectors_mean_cosine", "class_vectors_max_cosine")


@dataclass(frozen=True)
class Question:
    """The question of a study.

    Attributes:
        arm: function that returns the name of a run's arm.
        varied: fields in which the arms differ; all others must be the same in all runs.
        pairs: (arm, arm to compare it with).
        command: the command of the runs.
    """

    arm: Callable[[TrainConfig], str]
    varied: frozenset[str]
    pairs: tuple[tuple[str, str], ...]
    command: str


QUESTIONS: dict[str, Question] = {
    "main_effect": Question(
        arm=arm_name, varied=frozenset({"fixed"}), pairs=(("cos-fixed", "cos-learned"),),
        command="fixhead sweep --dataset cifar10 --head cos --recipe cpu --grid fixed=yes,no --seeds 0-2"),
    "signed_features": Question(
        arm=lambda config: "signed" if config.signed_features else "ending in ReLU",
        varied=frozenset({"signed_features"}), pairs=(("signed", "ending in ReLU"),),
        command="fixhead sweep --dataset cifar10 --head cos --fixed --recipe cpu --grid signed_features=yes,no "
                "--seeds 0-2"),
    "margins": Question(
        arm=lambda config: f"{config.margin}, {'fixed' if config.fixed else 'learned'}",
        varied=frozenset({"fixed", "margin", "margin_size"}),
        pairs=tuple((f"{margin}, fixed", f"{margin}, learned") for margin in ("none", "cosface", "arcface")),
        command="fixhead sweep --dataset cifar100 --head cos --scale 30 --recipe cpu --grid fixed=yes,no "
                "--grid margin=none,cosface,arcface --seeds 0-2"),
}
"""Study -> its question."""


@dataclass(frozen=True)
class Study:
    """The file of a study.

    Attributes:
        name: name of the file, without its ending.
        content: content of the file.
        matrices: function that reads the .npz file next to it.
    """

    name: str
    content: Mapping[str, Any]
    matrices: Callable[[], Mapping[str, Any]]

    @property
    def config(self) -> Mapping[str, Any]:
        """The fields that all its runs share."""
        return self.content["config"]

    @property
    def seeds(self) -> list[int]:
        """The seeds of its runs."""
        return sorted({run["seed"] for run in self.content["runs"]})

    def runs(self, arm: str) -> list[Mapping[str, Any]]:
        """Returns the runs of an arm, by seed."""
        return sorted((run for run in self.content["runs"] if run["arm"] == arm), key=lambda run: run["seed"])

    def accuracy(self, arm: str, split: str = "test") -> dict[int, float]:
        """Returns seed -> accuracy of an arm, in percent."""
        return {run["seed"]: 100 * run["accuracy"][split] for run in self.runs(arm)}

    def difference(self, arm: str, other: str) -> PairedDifference:
        """Returns the test accuracy of an arm minus that of another, paired by seed, in percentage points."""
        return paired_difference(self.accuracy(arm), self.accuracy(other))

    def evaluation(self, arm: str, name: str) -> list[float]:
        """Returns a named number of the evaluation on test images, for each run of an arm."""
        return [run["evaluation"].get("test", run["evaluation"])[name] for run in self.runs(arm)]

    def cosines(self, arm: str) -> list[Sequence[Sequence[float]]]:
        """Returns the cosines between class vectors, shape (m, m), for each run of an arm."""
        return [run["class_vectors_cosines"] if "class_vectors_cosines" in run
                else self.matrices()[_matrix(run["arm"], run["seed"], "cosines")] for run in self.runs(arm)]


def read_study(path: Path) -> Study:
    """Returns the study in a file.

    Raises:
        RunError: if the file is missing or damaged.
    """
    content = read_json(path, schema=_SCHEMA)
    if not all(isinstance(content.get(name), kind) for name, kind in (("config", dict), ("runs", list))):
        raise RunError(f"{path} is not the file of a study: it does not have 'config' and 'runs'.")
    return Study(path.stem, content, lambda: read_arrays(path.with_suffix(".npz")))


def collect(name: str, runs_dir: Path, folder: Path) -> Path:
    """Collects a study from the complete runs in a folder of runs; returns the JSON file.

    Args:
        name: one of `QUESTIONS`.
        runs_dir: folder of its runs.
        folder: where to write NAME.json and NAME.npz.

    Raises:
        ArgumentError: (a ValueError) if the runs differ in more than arm and seed, or a run is missing.
        RunError: if a run is damaged.
    """
    question = QUESTIONS[name]
    results = sorted((read_result(run.path) for run in list_runs(runs_dir) if run.has("result")),
                     key=lambda each: (question.arm(each.config), each.seed))
    shared = {json.dumps(_shared(each, question), sort_keys=True) for each in results}
    if len(shared) != 1:
        raise ArgumentError(f"The runs in {runs_dir} differ in more than arm and seed, or there are none.",
                            hint=f"Run: {question.command} --runs-dir {shlex.quote(str(runs_dir))}")
    accuracy: dict[str, dict[int, float]] = {}
    for each in results:
        accuracy.setdefault(question.arm(each.config), {})[each.seed] = 100 * each.accuracy()
    seeds = sorted({each.seed for each in results})
    for arm in (arm for pair in question.pairs for arm in pair):
        if missing := [seed for seed in seeds if seed not in accuracy.get(arm, {})]:
            raise ArgumentError(f"The runs of {arm!r} with the seeds {', '.join(map(str, missing))} are missing in "
                                f"{runs_dir}.", hint=f"Run: {question.command} --runs-dir {shlex.quote(str(runs_dir))}")
    first = results[0].content
    environment = first["environment"]
    content = {
        "name": name,
        "metric": "test accuracy, paired differences by seed",
        "unit": "percentage points",
        "protocol": "test accuracy of the last epoch; no choice was made on validation or test",
        "command": question.command,
        "seeds": seeds,
        "comparisons": [{"arm": arm, "compared_with": other, **paired_difference(accuracy[arm], accuracy[other])
                         .as_dict()} for arm, other in question.pairs],
        "label_names": first["label_names"],
        "config": json.loads(shared.pop()),
        "hardware": {"cpu": environment["cpu"], "cores": environment["cpu_count"], "gpus": environment["gpus"]},
        "versions": environment["versions"] | {"python": environment["python"]},
        "commit": (environment["git"] or {}).get("commit"),
        "data_digest": first["data_digest"],
        "runs": [_described(each, question) for each in results],
    }
    path = folder / f"{name}.json"
    write_result(content, {_matrix(question.arm(each.config), each.seed, kind): matrix for each in results
                           for kind, matrix in each.matrices().items()}, path)
    return path


def _described(result: Result, question: Question) -> dict[str, Any]:
    """Returns what a study stores about a run."""
    config, content = result.config, result.content
    return {
        "arm": question.arm(config), "paper_arm": arm_name(config), "seed": config.seed,
        **{field: getattr(config, field) for field in sorted(question.varied)},
        **{name: content[name] for name in ("config_digest", "class_vectors_digest", "accuracy",
                                            "class_vectors_max_cosine", "seconds", "images_per_second")},
        "evaluation": content["evaluation"]["test"],
        "train_accuracy_last_epoch": result.curves[-1]["accuracy"],
        "curves": {name: [row.get(name) for row in result.curves] for name in _CURVES},
    }


def _shared(result: Result, question: Question) -> dict[str, Any]:
    shared = set(TrainConfig.names(*RESULT_ROLES)) - {*TrainConfig.names("seed"), *question.varied}
    return {name: value for name, value in result.content["config"].items() if name in shared}


def _matrix(arm: str, seed: int, kind: str) -> str:
    return f"{arm}, seed {seed}, {kind}"


@dataclass(frozen=True)
class FixedAgainstLearned:
    """Fixed and learned class vectors, at one scale.

    Attributes:
        dataset: its name.
        scale: S.
        fixed, learned: seed -> test accuracy in percent.
        head: 'cos' or 'dot', the logits.
        with_views: fixed minus learned with flips and shifts of the test images; None if it was not measured.
    """

    dataset: str
    scale: float
    fixed: Mapping[int, float]
    learned: Mapping[int, float]
    head: str = "cos"
    with_views: PairedDifference | None = None

    @property
    def difference(self) -> PairedDifference:
        """Fixed minus learned, in percentage points."""
        return paired_difference(self.fixed, self.learned)

    @property
    def state(self) -> str:
        """The verdict on 'fixed is more accurate', by the rules of the claims."""
        return verdict(list(self.difference.values.values()), above()).state


def fixed_against_learned(folder: Path) -> list[FixedAgainstLearned]:
    """Returns the effect of fixing at S = 1, where it wins, and at S = 30, where it loses.

    Args:
        folder: folder of the studies: results/ in this repository.

    Raises:
        RunError: if a file is missing or damaged.
    """
    found = []
    for name, fixed, learned in (("main_effect", "cos-fixed", "cos-learned"),
                                 ("margins", "none, fixed", "none, learned")):
        study = read_study(folder / f"{name}.json")
        found.append(FixedAgainstLearned(str(study.config["dataset"]), float(study.config["scale"]),
                                         study.accuracy(fixed), study.accuracy(learned)))
    return found


def fixed_against_learned_on_whole_sets(folder: Path) -> list[FixedAgainstLearned]:
    """Returns the effect of fixing with recipe `fast`, for data sets whose planned pairs of seeds are all measured.

    Args:
        folder: folder of the results; those of the evidence programme are in its folder `evidence`.

    Returns:
        cosine logits at S = 1, then dot logits at their chosen S.

    Raises:
        RunError: if a file is damaged.
    """
    results = read_results(folder / "evidence")
    found = []
    for row in (row for block in blocks_named(["E1", "E2", "E3"], "evidence") for row in block.rows):
        arms = {fixed: cell(dataset=row.dataset, recipe=row.recipe, head=row.head, fixed=fixed, **row.extra)
                for fixed in row.fixed}  # at the recipe's S, which is the one that was chosen
        fixed, learned = ({seed: accuracy(each) for seed, each in results.of(arms[arm]).items()}
                          for arm in (True, False))
        views = [{seed: value for seed, each in results.of(arms[arm]).items()
                  if (value := averaged_accuracy(each)) is not None} for arm in (True, False)]
        if len(fixed.keys() & learned.keys()) >= len(row.seeds):
            scale = float(arms[True].config.scale)
            found.append(FixedAgainstLearned(row.dataset, scale, fixed, learned, row.head,
                                             paired_difference(*views) if all(views) else None))
    return sorted(found, key=lambda each: each.head)


def main_effect_table(study: Study) -> list[str]:
    """Returns the lines of the table and figure of the main effect."""
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
        f"cosine {largest:.2f}). Command: `{study.content['command']}`, at most {minutes} minutes per run on "
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
    """Returns the lines of a table with one row per arm of a study."""
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
            f"`results/{study.name}.json`.",
            *(["", f"{text}."] if study.name == "margins" and (text := collapse_text(study)) else [])]


def collapse_text(study: Study) -> str:
    """Returns what the gain of fixing with ArcFace means in the study of margins: a gain over an arm that collapsed."""
    means = {arm: statistics.fmean(study.accuracy(arm).values())
             for arm in ("arcface, fixed", "arcface, learned", "none, learned")}
    plain = means["none, learned"]
    if not all(each < plain for each in means.values() if each != plain):
        return ""
    return (f"ArcFace's gain is the rescue of a learned arm that collapsed ({means['arcface, learned']:.1f} %): with "
            f"either kind of class vectors, ArcFace stays below plain learned ones ({means['arcface, fixed']:.1f} % "
            f"fixed, {plain:.1f} % plain)")


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


def main(arguments: Sequence[str] | None = None) -> None:
    """Collects a study, and draws the figure of the main effect."""
    parser = argparse.ArgumentParser(description="Collects a small study from its runs into results/.")
    parser.add_argument("name", choices=QUESTIONS)
    parser.add_argument("runs", type=Path, help="folder of its runs")
    parsed = parser.parse_args(arguments)
    try:
        click.echo(f"Wrote {collect(parsed.name, parsed.runs, Path('results'))}")
        if parsed.name == "main_effect":
            draw_main_effect(parsed.runs, Path("docs/main_effect.png"))
    except FixheadError as error:
        parser.exit(1, "\n".join([f"Error: {error.what}", *([error.hint] if error.hint else []), ""]))


if __name__ == "__main__":
    main()
