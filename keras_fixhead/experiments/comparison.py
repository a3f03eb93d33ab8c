"""Runs side by side: groups of runs that differ in seeds alone, and paired differences between groups."""
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from keras_fixhead.analysis.intervals import mean_interval
from keras_fixhead.config import TrainConfig
from keras_fixhead.errors import ArgumentError
from keras_fixhead.experiments.sweep import shared_and_varied
from keras_fixhead.runs import Run


@dataclass(frozen=True)
class Group:
    """Runs that differ in their seeds alone.

    Attributes:
        name: what sets them apart, like 'head=cos fixed=yes'.
        runs: seed -> run.
        accuracy: seed -> accuracy on the split, a share.
    """

    name: str
    runs: dict[int, Run]
    accuracy: dict[int, float]

    @property
    def mean(self) -> float:
        """Mean accuracy over seeds."""
        return statistics.fmean(self.accuracy.values())


@dataclass(frozen=True)
class Difference:
    """Accuracy of a group minus that of another, over the seeds that both have, in percentage points.

    Attributes:
        values: seed -> difference.
        mean: over seeds; None without a common seed.
        interval: Student's 95 % interval of the mean; None below two seeds.
    """

    name: str
    other: str
    values: dict[int, float]
    mean: float | None
    interval: tuple[float, float] | None


def compare_runs(runs: Sequence[Run], split: str = "test") -> tuple[list[Group], list[Difference], dict[str, Any]]:
    """Returns groups of complete runs, each later group minus the first one, and the fields that all share.

    Args:
        runs: complete runs, in the order in which their groups are to stand.
        split: whose accuracy is compared.

    Raises:
        ArgumentError: (a ValueError) for fewer than two runs, two runs of one configuration and seed, or a split that
            was not measured.
        RunError: for a run that is not complete.
    """
    if len(runs) < 2:
        raise ArgumentError(f"Give two or more complete runs to compare, got {len(runs)}.", hint="fixhead list runs")
    all_stored = [run.stored() for run in runs]
    shared, varied = shared_and_varied([stored.config for stored in all_stored])
    extended = len({stored.extended_from for stored in all_stored}) > 1
    groups: dict[str, Group] = {}
    for run, stored in zip(runs, all_stored, strict=True):
        config = stored.config
        parts = [f"{field}={_shown(config, field)}" for field in varied]
        parts += [f"extended_from={stored.extended_from}"] if extended else []
        name = " ".join(parts) or "one configuration"
        group = groups.setdefault(name, Group(name, {}, {}))
        if config.seed in group.runs:
            raise ArgumentError(f"{group.runs[config.seed].path} and {run.path} are of one configuration and seed.",
                                hint="Give one of them.")
        accuracy = run.read("result")["accuracy"]
        if split not in accuracy:
            raise ArgumentError(f"{run.path} has no accuracy on {split}.", hint=f"It has: {', '.join(accuracy)}.")
        group.runs[config.seed] = run
        group.accuracy[config.seed] = accuracy[split]
    first, *others = groups.values()
    return [first, *others], [difference(each, first) for each in others], shared


def difference(group: Group, other: Group) -> Difference:
    """Returns a group minus another, paired by seed."""
    seeds = sorted(group.accuracy.keys() & other.accuracy.keys())
    values = {seed: 100 * (group.accuracy[seed] - other.accuracy[seed]) for seed in seeds}
    mean = statistics.fmean(values.values()) if values else None
    return Difference(group.name, other.name, values, mean,
                      mean_interval(list(values.values())) if len(values) > 1 else None)


def _shown(config: TrainConfig, field: str) -> str:
    value = getattr(config, field)
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else f"{value:g}" if isinstance(
        value, float) else str(value)
