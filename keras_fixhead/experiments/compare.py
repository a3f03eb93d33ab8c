"""Compares results: groups that differ only in their seeds, and the paired differences between groups."""
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from keras_fixhead.analysis.paired import PairedDifference, paired_difference
from keras_fixhead.errors import ArgumentError
from keras_fixhead.experiments.plan import shared_and_varied, value_text
from keras_fixhead.runs.result import Result


@dataclass(frozen=True)
class Group:
    """Results that differ only in their seeds.

    Attributes:
        name: what distinguishes the group, like 'head=cos fixed=yes'.
        results: seed -> result.
        accuracy: seed -> accuracy on the split, a share.
    """

    name: str
    results: dict[int, Result] = field(default_factory=dict)
    accuracy: dict[int, float] = field(default_factory=dict)

    @property
    def mean(self) -> float:
        """Mean accuracy over seeds."""
        return statistics.fmean(self.accuracy.values())

    def balanced(self, split: str) -> float | None:
        """Mean balanced accuracy over seeds; None if it was not measured, or is the accuracy as classes are equal."""
        values = [each.content["evaluation"].get(split, {}).get("balanced_accuracy") for each in self.results.values()]
        if any(value is None for value in values) or math.isclose(mean := statistics.fmean(values), self.mean):
            return None
        return mean

    def minus(self, other: "Group") -> PairedDifference:
        """Returns this group minus another, paired by seed, in percentage points."""
        return paired_difference(_percent(self.accuracy), _percent(other.accuracy))


def compare_results(results: Sequence[Result], split: str = "test") -> tuple[list[Group], dict[str, Any]]:
    """Returns the results in groups, in the given order, and the fields of the configuration that they all share.

    Args:
        results: of complete runs.
        split: whose accuracy is compared.

    Raises:
        ArgumentError: (a ValueError) for fewer than two results, two with the same configuration and seed, or a split
            that was not measured.
    """
    if len(results) < 2:
        raise ArgumentError(f"Give two or more complete runs to compare, got {len(results)}.",
                            hint="List your runs: fixhead list runs")
    shared, varied = shared_and_varied([each.config for each in results])
    extended = len({each.extended_from for each in results}) > 1
    groups: dict[str, Group] = {}
    for each in results:
        parts = [f"{field}={value_text(getattr(each.config, field))}" for field in varied]
        parts += [f"extended_from={each.extended_from}"] * extended
        name = " ".join(parts) or "one configuration"
        group = groups.setdefault(name, Group(name))
        if each.seed in group.results:
            other = group.results[each.seed]
            raise ArgumentError(f"{other.path} and {each.path} have the same configuration and seed.",
                                hint="Give one of them.")
        group.results[each.seed] = each
        group.accuracy[each.seed] = each.accuracy(split)
    return list(groups.values()), shared


def _percent(shares: Mapping[int, float]) -> dict[int, float]:
    return {seed: 100 * share for seed, share in shares.items()}
