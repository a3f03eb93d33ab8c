"""Compares runs on an outside set: accuracy there, and the drop from their own test set, over seeds and images."""
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.analysis.over_images import Difference, accuracy_drop, difference_over_images, difference_over_seeds
from keras_fixhead.errors import ArgumentError
from keras_fixhead.experiments.compare import Group, compare_results
from keras_fixhead.runs.generalization import Generalization, read_generalization
from keras_fixhead.runs.result import Result

_MORE_ACCURATE = ("more accurate", "less accurate")
_DROPS_MORE = ("drops more", "drops less")


@dataclass(frozen=True)
class OutsideGroup:
    """Measurements on an outside set of results that differ only in their seeds.

    Attributes:
        name: what distinguishes the group.
        found: seed -> its measurement.
    """

    name: str
    found: Mapping[int, Generalization]

    @property
    def own(self) -> float:
        """Mean accuracy on the own test set over seeds, among the common classes."""
        return float(np.mean([each.own.mean() for each in self.found.values()]))

    @property
    def outside(self) -> float:
        """Mean accuracy on the outside set over seeds, among the common classes."""
        return float(np.mean([each.outside.mean() for each in self.found.values()]))

    @property
    def drop(self) -> Difference:
        """Own minus outside accuracy in points, with an interval over images, and seeds if there are several."""
        own, outside = (np.stack([getattr(each, name) for each in self.found.values()]) for name in ("own", "outside"))
        return accuracy_drop(own, outside) if len(own) > 1 else accuracy_drop(own[0], outside[0])

    def minus(self, other: "OutsideGroup") -> tuple[Difference, Difference] | None:
        """Returns, of this group minus another, the outside accuracy and the drop; None without a common seed.

        Two single models with different seeds are compared over images alone.
        """
        seeds = sorted(self.found.keys() & other.found.keys())
        if len(self.found) == len(other.found) == 1:
            pairs = [(next(iter(self.found.values())), next(iter(other.found.values())))]
        elif seeds:
            pairs = [(self.found[seed], other.found[seed]) for seed in seeds]
        else:
            return None
        first, second = (_differences(pairs, name) for name in ("own", "outside"))
        there = [np.stack([each.outside for each in arm]) for arm in zip(*pairs, strict=True)]
        several = len(pairs) > 1
        accuracy = difference_over_seeds(*there) if several else difference_over_images(there[0][0], there[1][0])
        drop = accuracy_drop(first, second) if several else accuracy_drop(first[0], second[0])
        return replace(accuracy, words=_MORE_ACCURATE), replace(drop, words=_DROPS_MORE)


def compare_outside(results: Sequence[Result], name: str) -> tuple[list[OutsideGroup], dict[str, Any]]:
    """Returns the measurements of results in groups, and the fields of the configuration that they share.

    Args:
        results: of complete runs.
        name: name of the measurement, as in RUN/generalization/NAME.json.

    Raises:
        ArgumentError: (a ValueError) for fewer than two results, or measurements of different images.
        RunError: if a run has no such measurement.
    """
    groups, shared = compare_results(results)
    found = [_measured(group, name) for group in groups]
    first = next(iter(found[0].found.values())).content["images"]
    for group in found:
        for seed, each in group.found.items():
            if each.content["images"] != first:
                raise ArgumentError(f"{group.name}, seed {seed}, was measured on other images than the first.",
                                    hint="Measure all runs on the same data, with fixhead evaluate RUN --dataset NAME.")
    return found, shared


def _measured(group: Group, name: str) -> OutsideGroup:
    return OutsideGroup(group.name, {seed: read_generalization(result.path, name)
                                     for seed, result in group.results.items()})


def _differences(pairs: Sequence[tuple[Generalization, Generalization]], name: str) -> NDArray[np.float64]:
    return np.stack([getattr(first, name).astype(float) - getattr(second, name) for first, second in pairs])
