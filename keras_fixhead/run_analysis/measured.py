"""What is known and measured of one run: its arrays, numbers and facts."""
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.analysis.class_vectors import named_pairs, nearest_pairs
from keras_fixhead.analysis.geometry import cosine_matrix
from keras_fixhead.analysis.intervals import wilson_interval
from keras_fixhead.analysis.paired import paired_difference
from keras_fixhead.analysis.summary import (
    Arrays,
    Facts,
    Numbers,
    collapse_numbers,
    open_set_numbers,
    retrieval_numbers,
    summarize_arrays,
)
from keras_fixhead.catalog import MODELS
from keras_fixhead.config import TrainConfig, arm_name
from keras_fixhead.data.catalog import DATASETS
from keras_fixhead.data.outside import is_same_folder
from keras_fixhead.data.sources import describe
from keras_fixhead.errors import ArgumentError
from keras_fixhead.experiments.plan import shared_and_varied, value_text
from keras_fixhead.run_analysis.outputs import Prepare, RunOutputs
from keras_fixhead.runs import Run

PAPER_PAIRS = (("boy", "girl"), ("apple", "orange"))
"""Pairs of classes that the paper names as look-alikes."""
LEFT_OUT = "classes of {} that were not trained"
"""What unknown classes are called that `--classes` left out of a data set."""
P_VALUE = "p_value"
"""How the names of p-values end."""


@dataclass(frozen=True)
class MeasuredRun:
    """A run with its arrays and numbers.

    Attributes:
        run: the run.
        config: its resolved configuration.
        arm: name of its arm; runs of one arm differ only in their seeds.
        outputs: computes further arrays.
        test: arrays on test images.
        train: arrays on training images, 10,000 at most.
        unknown: arrays of images of unknown classes, if there are any, and their own labels.
        unknown_data: which images these are: the name of their data set, or whose classes were left out.
        facts: names and groups of its classes, scale, features.
        numbers: section -> name -> number, as `analysis.definitions.DEFINITIONS` describes them.
    """

    run: Run
    config: TrainConfig
    arm: str
    outputs: RunOutputs
    test: Arrays
    train: Arrays | None
    unknown: tuple[Arrays, NDArray[np.int32]] | None
    unknown_data: str
    facts: Facts
    numbers: Numbers = field(repr=False)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl."""
        return self.run.metrics()

    @property
    def converged(self) -> bool:
        """Whether the run is complete: its loss stayed finite to the end, as in `runs.result.Result`."""
        return self.run.is_complete()

    @property
    def at_chance(self) -> bool:
        """Whether its accuracy is not above that of naming the most frequent class (95 % interval, Wilson)."""
        images = len(self.test.labels)
        low, _ = wilson_interval(int((self.test.predicted == self.test.labels).sum()), images)
        return low <= int(np.bincount(self.test.labels).max()) / images

    @property
    def scale(self) -> float | None:
        """S, the factor on the logits; None if there is no such number, as for cosine logits with a bias."""
        scale = self.facts.cosine_scale if self.config.head == "cos" else self.config.scale
        return round(float(scale), 6) if isinstance(scale, int | float) else None

    @property
    def unknown_facts(self) -> dict[str, Any] | None:
        """Which images of unknown classes were measured, and how many, ready for JSON; None without any."""
        if self.unknown is None:
            return None
        return {"data": self.unknown_data, "images": len(self.unknown[1]), "classes": len(np.unique(self.unknown[1]))}

    def as_dict(self) -> dict[str, Any]:
        """Returns what is written to the run's numbers.json."""
        cosines = cosine_matrix(self.test.class_vectors)
        return {"run": self.run.name, "arm": self.arm, "seed": self.config.seed,
                "dataset": Path(self.config.dataset).name, "model": self.config.model, "recipe": self.config.recipe,
                "epochs": self.config.epochs, "scale": self.scale,
                "config_digest": self.run.digest(), "model_digest": self.outputs.digest, "split": "test",
                "converged": self.converged, "at_chance": self.at_chance, "images": len(self.test.labels),
                "classes": self.test.num_classes, "features": self.test.features.shape[1],
                "unknown": self.unknown_facts, "numbers": self.numbers,
                "nearest_pairs": nearest_pairs(cosines, self.facts.label_names),
                "paper_pairs": named_pairs(cosines, self.facts.label_names, PAPER_PAIRS)}


@dataclass(frozen=True)
class FailedRun:
    """A run that failed to converge and has no model: a seed of its arm without a value."""

    config: TrainConfig
    arm: str
    numbers: Numbers = field(default_factory=dict)
    converged: bool = False
    at_chance: bool = False


def measure_runs(runs: Sequence[Run], data_dir: str | None = None, unknown: str | None = None,
                 prepare: Prepare | None = None, beside: Sequence[Run] = ()) -> list[MeasuredRun]:
    """Returns runs with their arrays and numbers.

    Args:
        runs: complete runs, each given once.
        data_dir: folder of the data, if it is not the one used in training.
        unknown: data set of unknown classes; None for the classes that a run was not trained on, if there are any.
        prepare: as in `RunOutputs`.
        beside: runs that are not measured, but that arms are named with.

    Raises:
        ArgumentError: (a ValueError) if no run is given, one is given twice, two of an arm have the same seed, it has
            no test images, or it was trained on all classes of `unknown`.
        RunError: if a run has no model.
        DataError: if its data cannot be found or read.
    """
    paths = [run.path.resolve() for run in runs]
    if not runs or len(set(paths)) < len(paths):
        twice = next((run.path for run, path in zip(runs, paths, strict=True) if paths.count(path) > 1), None)
        raise ArgumentError("Give at least one run to analyze." if twice is None else f"{twice} is given twice.",
                            hint="List your runs: fixhead list runs" if twice is None else "Give each run once.")
    configs = [run.config() for run in runs]
    names = arm_names([*configs, *(run.config() for run in beside)])[: len(runs)]
    _check_seeds(runs, list(zip(names, [config.seed for config in configs], strict=True)))
    others = [_unknown_data(run, config, unknown) for run, config in zip(runs, configs, strict=True)]
    return [_measured(RunOutputs(run, data_dir, prepare=prepare), config, name, data_dir, other)
            for run, config, name, other in zip(runs, configs, names, others, strict=True)]


def _check_seeds(runs: Sequence[Run], seeds: Sequence[tuple[str, int]]) -> None:
    """Refuses two runs of one arm and seed: they would count as two measurements, but are one."""
    for number, (arm, seed) in enumerate(seeds):
        if (arm, seed) in seeds[:number]:
            first = runs[seeds.index((arm, seed))]
            raise ArgumentError(f"{first.path} and {runs[number].path} are both {arm} with seed {seed}: they would "
                                "count as two seeds.", hint="Give one of them.")


def chance_text(runs: Sequence[MeasuredRun]) -> str:
    """Returns a sentence, after a space, on the runs that are no more accurate than chance; empty without any."""
    names = [f"{each.arm}, seed {each.config.seed}" for each in runs if each.at_chance]
    return f" No more accurate than chance: {'; '.join(names)}." if names else ""


def unknown_text(facts: Iterable[Mapping[str, Any] | None]) -> str:
    """Returns which images of unknown classes several runs were measured on, from `MeasuredRun.unknown_facts`.

    Example:
        >>> unknown_text([{"data": "cifar100", "images": 10_000, "classes": 100}] * 2)
        'cifar100, 10,000 images of 100 classes'
    """
    return "; ".join(dict.fromkeys(f"{each['data']}, {each['images']:,} images of {each['classes']} classes"
                                   for each in facts if each is not None))


def arm_names(configs: Sequence[TrainConfig]) -> list[str]:
    """Returns the name of each run's arm: its logits and class vectors, and other fields that differ among the runs.

    Example:
        >>> arm_names([TrainConfig(head="cos", fixed=True), TrainConfig(head="cos", fixed=False, scale=20.0, seed=3)])
        ['cos-fixed, S = 1', 'cos-learned, S = 20']
        >>> arm_names([TrainConfig(head="dot", dataset=name) for name in ("a/birds", "b/birds")])
        ['dot-fixed, dataset = a/birds', 'dot-fixed, dataset = b/birds']
    """
    _, varied = shared_and_varied(configs)
    others = {name: _texts([getattr(config, name) for config in configs])
              for name in varied if name not in ("head", "fixed")}
    return [", ".join([arm_name(config), *(f"{_SHORT.get(name, name)} = {text[number]}"
                                           for name, text in others.items())]) for number, config in enumerate(configs)]


def by_arm(runs: Sequence[MeasuredRun]) -> dict[str, list[MeasuredRun]]:
    """Returns arm -> its runs, in the order of the runs."""
    found: dict[str, list[MeasuredRun]] = {}
    for run in runs:
        found.setdefault(run.arm, []).append(run)
    return found


def arm_means(runs: Sequence[MeasuredRun]) -> dict[str, Any]:
    """Returns arm -> number of runs, and mean, smallest and largest of each number, ready for JSON.

    The p-values of several runs have no mean.
    """
    found: dict[str, Any] = {}
    for arm, members in by_arm(runs).items():
        numbers: dict[str, dict[str, Any]] = {}
        for section, names in members[0].numbers.items():
            for name in names:
                values = [value for each in members if (value := each.numbers[section].get(name)) is not None]
                numbers.setdefault(section, {})[name] = None if not values else {
                    "mean": None if _has_no_mean(name, values) else sum(values) / len(values), "min": min(values),
                    "max": max(values), "n": len(values)}
        found[arm] = {"n": len(members), "numbers": numbers}
    return found


def fixed_and_learned(runs: Sequence[MeasuredRun]) -> Iterator[tuple[list[MeasuredRun], list[MeasuredRun]]]:
    """Yields the runs of each pair of arms that differ in nothing but whether class vectors are fixed."""
    arms = by_arm(runs)
    for arm, members in arms.items():
        if members[0].config.fixed and (other := arms.get(arm.replace("-fixed", "-learned", 1))):
            yield members, other


def arm_differences(runs: Sequence[MeasuredRun]) -> list[dict[str, Any]]:
    """Returns fixed minus learned class vectors for each pair of arms and each number, paired by seed."""
    found = []
    for fixed, learned in fixed_and_learned(runs):
        numbers: dict[str, dict[str, Any]] = {}
        for section, names in fixed[0].numbers.items():
            for name in (each for each in names if not each.endswith(P_VALUE)):
                difference = paired_difference(seed_values(fixed, section, name), seed_values(learned, section, name))
                if difference.n:
                    numbers.setdefault(section, {})[name] = difference.as_dict()
        found.append({"fixed": fixed[0].arm, "learned": learned[0].arm, "numbers": numbers})
    return found


def seed_values(runs: Sequence[MeasuredRun], section: str, name: str) -> dict[int, float]:
    """Returns seed -> a number, of the runs that have it."""
    return {each.config.seed: value for each in runs
            if (value := each.numbers.get(section, {}).get(name)) is not None}


_SHORT = {"scale": "S"}


def _has_no_mean(name: str, values: Sequence[float]) -> bool:
    return name.endswith(P_VALUE) and len(values) > 1


def _texts(values: Sequence[Any]) -> list[str]:
    """Values as text: the last parts of paths, where these tell them apart."""
    names = [Path(each).name if isinstance(each, str) and "/" in each else value_text(each) for each in values]
    return names if len(set(names)) == len(set(map(repr, values))) else [value_text(each) for each in values]


def _unknown_data(run: Run, config: TrainConfig, unknown: str | None) -> str | None:
    """The data set of unknown classes; None for those of the run's own that it was not trained on."""
    if unknown is None or not (unknown == config.dataset or is_same_folder(unknown, config.dataset)):
        return unknown
    if config.classes is None:
        raise ArgumentError(f"{run.path} was trained on all classes of {unknown}: it has no unknown ones.",
                            hint="Give another data set: --unknown NAME")
    return None


def _measured(outputs: RunOutputs, config: TrainConfig, arm: str, data_dir: str | None,
              unknown: str | None) -> MeasuredRun:
    run, test = outputs.run, outputs.arrays("test")
    if test is None:
        raise ArgumentError(f"{run.path} has no test images to analyze.", hint="Give a --data-dir with test images.")
    facts = Facts(
        label_names=outputs.label_names,
        groups=_groups(config, data_dir),
        cosine_scale=float(run.read("result").get("scale", 1.0)) if config.head == "cos" and config.bias == "none" else
        None,
        signed_features=_may_be_negative(config),
        training_loss=next((row["cross_entropy"] for row in reversed(run.metrics()) if "cross_entropy" in row), None))
    train, others = outputs.arrays("train"), outputs.unknown(unknown)
    numbers = summarize_arrays(test, facts, outputs.arrays("validation"))
    if train is not None and len(np.unique(train.labels)) > 1:
        numbers["collapse"] = collapse_numbers(_seen(train, config))
    if (retrieved := retrieval_numbers(test.features, test.labels)) is not None:
        numbers["retrieval"] = retrieved
    if others is not None:
        numbers["open_set"] = open_set_numbers(_seen(test, config), _seen(others[0], config),
                                               None if train is None else _seen(train, config))
        if (retrieved := retrieval_numbers(others[0].features, others[1])) is not None:
            numbers["held_out"] = retrieved
    data = Path(unknown).name if unknown else LEFT_OUT.format(Path(config.dataset).name)
    return MeasuredRun(run, config, arm, outputs, test, train, others, data, facts, numbers)


def _seen(arrays: Arrays, config: TrainConfig) -> Arrays:
    """The arrays with features as the logits see them: cosine logits do not see their lengths."""
    return arrays.of_unit_length() if config.head == "cos" else arrays


def _may_be_negative(config: TrainConfig) -> bool:
    """Whether features can be negative: they are signed, or a GELU makes some entries negative.

    After a GELU entries are at least -0.17, which short features need not exceed: every direction can be reached.
    """
    network = MODELS.get(config.model)
    return bool(config.reaches_everywhere) or (network is not None and network.lowest < 0)


def _groups(config: TrainConfig, data_dir: str | None) -> Mapping[str, Sequence[str]]:
    """The groups of look-alike classes; the catalogue has them even where the data are not on this machine any more."""
    if config.dataset in DATASETS:
        return DATASETS[config.dataset].similar
    return describe(config.dataset, data_dir or config.data_dir).similar
