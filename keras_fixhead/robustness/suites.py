"""Suites of corruptions, read from `severities.json`: each corruption's function and its five strengths."""
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
        function: 'module:function' of (images, **strength) on uint8 batches; of (images, draws, **strength) if random.
        number: identifies its random draws.
        random: whether it depends on the seed.
        main: whether it is in the suite's mean; otherwise it is one of the published extras.
        as_published: whether it has everything that the published one was made from.
        strengths: the function's parameters at severity 1 to 5.
    """

    summary: str
    function: str
    number: int
    random: bool
    main: bool
    as_published: bool
    strengths: tuple[Mapping[str, Any], ...]


def read_suites() -> dict[str, dict[str, Corruption]]:
    """Returns suite -> corruption -> its function and strengths."""
    file = resources.files("keras_fixhead.robustness") / "severities.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    functions = content["corruptions"]
    return {suite: {name: _corruption(functions[each.get("as", name)], each)
                    for name, each in described["corruptions"].items()}
            for suite, described in content["suites"].items()}


def _corruption(function: Mapping[str, Any], described: Mapping[str, Any]) -> Corruption:
    return Corruption(**{"as_published": True, **function}, random=not described["deterministic"],
                      main=described["role"] == "main", strengths=tuple(described["severities"]))


SUITES = read_suites()
"""Suite -> corruption -> its function and strengths.

'cifar-c', 'tiny-c' and 'imagenet-c' have the 15 main and 4 extra corruptions of Hendrycks and Dietterich (2019), at the
strengths published for images of 32, 64 and 224 pixels. 'paper' has the three corruptions that the paper names, at
ImageNet strengths (the paper states no severity); 'paper-plain' has imgaug's plain augmenters of those names.
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
