"""Suites of corruptions, read from `severities.json`: each corruption's function and its five strengths.

The file lists more than this version implements: a suite is available if every corruption in it has a function.
"""
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from keras_fixhead.catalog import look_up
from keras_fixhead.errors import ArgumentError

SEVERITIES = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class Corruption:
    """A corruption in a suite.

    Attributes:
        summary: what it does, in a few words.
        function: 'module:function' of (images, seed=, severity=, indices=, **strength) on uint8 batches.
        random: whether it depends on the seed.
        strengths: the function's parameters at severity 1 to 5.
    """

    summary: str
    function: str
    random: bool
    strengths: tuple[Mapping[str, Any], ...]


def read_suites() -> dict[str, dict[str, Corruption]]:
    """Returns suite -> corruption -> its function and strengths."""
    file = resources.files("keras_fixhead.robustness") / "severities.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    functions = content["corruptions"]
    return {suite: {name: Corruption(**functions[name], random=not each["deterministic"],
                                     strengths=tuple(each["severities"]))
                    for name, each in described["corruptions"].items()}
            for suite, described in content["suites"].items() if described["corruptions"].keys() <= functions.keys()}


SUITES = read_suites()
"""Suite -> corruption -> its function and strengths.

'paper' has the three corruptions that the paper names, at ImageNet strengths (the paper states no severity).
"""


def corruption_of(suite: str, corruption: str) -> Corruption:
    """Returns a corruption of a suite.

    Raises:
        ArgumentError: (a ValueError) for an unknown suite or corruption.

    Example:
        >>> corruption_of("paper", "jpeg_compression").random
        False
    """
    return look_up(look_up(SUITES, suite, "suite"), corruption, "corruption")


def severity_parameters(suite: str, corruption: str, severity: int) -> dict[str, Any]:
    """Returns the parameters of a corruption's function at a severity.

    Raises:
        ArgumentError: (a ValueError) for an unknown suite or corruption, or a severity out of range.

    Example:
        >>> severity_parameters("paper", "jpeg_compression", 1)
        {'quality': 25}
    """
    strengths = corruption_of(suite, corruption).strengths
    check_severity(severity)
    return dict(strengths[severity - 1])


def check_severity(severity: int) -> None:
    """Raises an ArgumentError unless `severity` is 1 to 5."""
    if severity not in SEVERITIES:
        raise ArgumentError(f"severity must be 1 to 5, got {severity!r}.")
