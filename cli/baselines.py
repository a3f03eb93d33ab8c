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
        suite, engine, n, dataset, images: as in its result.
        severities: the severities.
        corruptions: the corruptions in its mean.
    """

    suite: str
    engine: str
    n: int
    dataset: str
    images: str
    severities: Sequence[int]
    corruptions: Sequence[str]


def read_baseline(path: Path, divided: Divided) -> Baseline:
    """Returns the mean errors of a measurement, to divide others' by.

    Args:
        path: a run with such a measurement in RUN/robustness, or the JSON file of one.
        divided: what it has to fit to.

    Raises:
        RunError: if there is none, or it is damaged.
        ArgumentError: (a ValueError) if it was measured in another way, or an error is 0.
    """
    hint = f"Make one: fixhead robustness RUN --suite {divided.suite}"
    problems = []
    for file in sorted((path / "robustness").glob("*.json")) if path.is_dir() else [path]:
        content = read_json(file, schema=SCHEMA)
        if not isinstance(content.get("accuracy"), dict) or "clean" not in content:
            raise RunError(f"{file} is not a measurement of accuracy under corruptions.", hint=hint)
        problem = next(_problems(content, divided), None)
        if problem is None:
            errors = {name: 1 - mean for name, mean in content["mean"].items()}
            return Baseline(path.name, errors, 1 - content["clean"])
        problems.append((content.get("suite") == divided.suite, f"{file} {problem}"))
    if not problems:
        raise RunError(f"{path} has no measurement of the suite {divided.suite!r}.", hint=hint)
    raise ArgumentError(max(problems)[1], hint=hint)  # of a run's measurements, one of the same suite


def _problems(content: Mapping[str, Any], divided: Divided) -> Iterator[str]:
    """Yields why a measurement cannot divide another; those of earlier versions lack some of what is compared."""
    for name, own in (("suite", divided.suite), ("engine", divided.engine)):
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
