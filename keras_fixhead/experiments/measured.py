"""Compares measurements of robustness: groups that differ only in their seeds, over seeds and images."""
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.analysis.over_images import Difference, difference_over_images, difference_over_seeds
from keras_fixhead.errors import ArgumentError, RunError
from keras_fixhead.experiments.compare import Group, compare_results
from keras_fixhead.robustness.measure import result_options
from keras_fixhead.robustness.record import read_labels, read_measurement
from keras_fixhead.runs.result import Result

_FOLDER = "robustness"


@dataclass(frozen=True)
class MeasuredGroup:
    """Measurements of results that differ only in their seeds.

    Attributes:
        name: what distinguishes the group.
        contents: seed -> the numbers of its measurement.
        correct: seed -> share of each image's corrupted forms that are classified correctly, (N,).
    """

    name: str
    contents: Mapping[int, Mapping[str, Any]]
    correct: Mapping[int, NDArray[np.float64]]

    @property
    def mean(self) -> float:
        """Mean accuracy over corruptions, severities and seeds."""
        return float(np.mean([each.mean() for each in self.correct.values()]))

    def minus(self, other: "MeasuredGroup") -> Difference | None:
        """Returns this group minus another, over the seeds that both have; None if they have none in common.

        Two single models with different seeds are compared over images alone.
        """
        seeds = sorted(self.correct.keys() & other.correct.keys())
        if len(self.correct) == len(other.correct) == 1:
            (first,), (second,) = self.correct.values(), other.correct.values()
            return difference_over_images(first, second)
        if not seeds:
            return None
        return difference_over_seeds(*(np.stack([group.correct[seed] for seed in seeds]) for group in (self, other)))


def compare_measured(results: Sequence[Result], name: str) -> tuple[list[MeasuredGroup], dict[str, Any]]:
    """Returns the measurements of results in groups, and the fields of the configuration that they share.

    Args:
        results: of complete runs.
        name: name of the measurement, as in RUN/robustness/NAME.json.

    Raises:
        ArgumentError: (a ValueError) for fewer than two results, or measurements of different images or corruptions.
        RunError: if a run has no such measurement.
    """
    groups, shared = compare_results(results)
    found = [_measured(group, name) for group in groups]
    forms, images = set(), set()
    for group, measured in zip(groups, found, strict=True):
        for seed, content in measured.contents.items():
            forms.add(_form(content, read_labels(group.results[seed].path / _FOLDER, name)))
            images |= {content["images"]} if "images" in content else set()  # earlier versions did not keep it
            if len(forms) > 1 or len(images) > 1:
                raise ArgumentError(f"{group.name}, seed {seed}, was measured on other images, corruptions or "
                                    "severities than the first.", hint="Measure all runs with the same options.")
    return found, shared


def _measured(group: Group, name: str) -> MeasuredGroup:
    contents, correct = {}, {}
    options = result_options(name)
    for seed, result in group.results.items():
        folder = result.path / _FOLDER
        hint = (f"Measure it: fixhead robustness {shlex.join([str(result.path), *options])}" if options else
                f"Measure it with fixhead robustness and the options that gave {name} for the other runs.")
        if not (folder / f"{name}.json").is_file():
            raise RunError(f"{result.path} has no measurement {name!r} of its robustness.", hint=hint)
        contents[seed], by_key = read_measurement(folder, name)
        if by_key is None:
            raise RunError(f"{folder / name}.json was measured by an earlier version: it has no predicted classes.",
                           hint=hint)
        averaged = contents[seed]["mean_corruption_error"]["corruptions"]
        correct[seed] = np.mean([each for key, each in by_key.items() if key[0] in averaged], axis=0)
    return MeasuredGroup(group.name, contents, correct)


def _form(content: Mapping[str, Any], labels: NDArray[np.int32]) -> tuple[Any, ...]:
    """What measurements have in common that are compared image by image."""
    return (content["suite"], content["engine"], content["n"], content["seed"], tuple(content["accuracy"]),
            tuple(content["severities"]), labels.tobytes())
