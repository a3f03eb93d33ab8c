"""The measurement whose errors divide those of another: found, and checked before anything is measured."""
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_fixhead.errors import ArgumentError, RunError
from keras_fixhead.json_files import read_json
from keras_fixhead.robustness.scores import Baseline
from keras_fixhead.runs.directory import SCHEMA


@dataclass(frozen=True)
class Divided:
    """The measurement whose errors are divided.

    Attributes:
        suite, engine, seed, n, dataset, images: as in its result.
        severities: the severities.
        corruptions: the corruptions in its mean.
    """

    suite: str
    engine: str
    seed: int
    n: int
    dataset: str
    images: str
    severities: Sequence[int]
    corruptions: Sequence[str]


@dataclass(frozen=True)
class Measurements:
    """The measurements that are given as a baseline.

    Attributes:
        path: a run, or the JSON file of a measurement.
        contents: file -> the measurement in it.
        hint: how to make one that fits.
    """

    path: Path
    contents: Mapping[Path, Mapping[str, Any]]
    hint: str


def read_measurements(path: Path, options: str) -> Measurements:
    """Returns the measurements of a run, or the one in a JSON file.

    Args:
        path: a run with measurements in RUN/robustness, or the JSON file of one.
        options: of the command that makes one that fits, such as '--suite paper'.

    Raises:
        RunError: if there is none, or it is damaged.
    """
    hint = f"Make one: fixhead robustness RUN {options}"
    contents = {file: read_json(file, schema=SCHEMA)
                for file in (sorted((path / "robustness").glob("*.json")) if path.is_dir() else [path])}
    if not contents:
        raise RunError(f"{path} has no measurement of accuracy under corruptions.", hint=hint)
    for file, content in contents.items():
        if not isinstance(content.get("accuracy"), dict) or "clean" not in content:
            raise RunError(f"{file} is not a measurement of accuracy under corruptions.", hint=hint)
    return Measurements(path, contents, hint)


def fitting_baseline(given: Measurements, divided: Divided) -> Baseline:
    """Returns the mean errors of the measurement that fits, to divide others' by.

    Raises:
        ArgumentError: (a ValueError) if all were measured in another way, or an error is 0.
    """
    problems = []
    for file, content in given.contents.items():
        problem = next(_problems(content, divided), None)
        if problem is None:
            errors = {name: 1 - mean for name, mean in content["mean"].items()}
            return Baseline(given.path.name, errors, 1 - content["clean"])
        problems.append((content.get("suite") == divided.suite, f"{file} {problem}"))
    raise ArgumentError(max(problems)[1], hint=given.hint)  # of a run's measurements, one of the same suite


def _problems(content: Mapping[str, Any], divided: Divided) -> Iterator[str]:
    """Yields why a measurement cannot divide another; those of earlier versions lack some of what is compared."""
    for name, own in (("suite", divided.suite), ("engine", divided.engine), ("seed", divided.seed)):
        if (found := content.get(name, own)) != own:
            yield f"has the {name} {found!r}, not {own!r}."
    if sorted(content["severities"]) != sorted(divided.severities):
        yield f"has the severities {_listed(content['severities'])}, not {_listed(divided.severities)}."
    for name in divided.corruptions:
        if name not in content["accuracy"]:
            yield f"does not have the corruption {name!r}, which is in the mean."
        elif not 1 - content["mean"][name]:
            yield f"has an error of 0 for {name}: nothing can be divided by it."
    if content["n"] != divided.n:
        yield f"was measured on {content['n']:,} images, not {divided.n:,}."
    if "images" not in content and (found := content.get("dataset", divided.dataset)) != divided.dataset:
        yield f"was measured on {found}, not {divided.dataset}."
    if content.get("images", divided.images) != divided.images:
        yield "was measured on other images."


def _listed(severities: Sequence[int]) -> str:
    return ", ".join(map(str, severities))
