"""Suites of corruptions, read from `severities.json`: each corruption's function and its five strengths."""
import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.analysis.arrays import place_in_class
from keras_fixhead.catalog import look_up
from keras_fixhead.errors import ArgumentError
from keras_fixhead.robustness.scores import Baseline

Images = NDArray[np.uint8]
Key = tuple[str, int]
"""A corruption and a severity."""

SEVERITIES = (1, 2, 3, 4, 5)
"""The strengths of a corruption, from weak to strong."""
NATIVE, IMGAUG, FILES, AUGMENTER = "native", "imgaug", "files", "augmenter"


class Described(Protocol):
    """What is said about a corruption, whoever makes it."""

    @property
    def main(self) -> bool: ...

    @property
    def as_published(self) -> bool: ...


@dataclass(frozen=True)
class Known:
    """A corruption whose images come from elsewhere."""

    main: bool = True
    as_published: bool = True


@dataclass(frozen=True)
class Corruption:
    """A corruption in a suite, made here.

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


def alexnet() -> Baseline:
    """Returns AlexNet's errors on the published images of ImageNet-C; on other images they mean nothing."""
    file = resources.files("keras_fixhead.robustness") / "severities.json"
    return Baseline("AlexNet", json.loads(file.read_text(encoding="utf-8"))["normalisers"]["imagenet-c"])


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


def parse_severities(text: str) -> tuple[int, ...]:
    """Returns the severities of a list like '1-3,5', in ascending order.

    Raises:
        ArgumentError: (a ValueError) for anything else.

    Example:
        >>> parse_severities("5,1-3"), parse_severities("4")
        ((1, 2, 3, 5), (4,))
    """
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        bounds = [first, last] if dash else [first, first]
        if any(each not in map(str, SEVERITIES) for each in bounds) or bounds[0] > bounds[1]:
            raise ArgumentError(f"Severities must be numbers from 1 to 5 and ranges, got {text!r}.",
                                hint="--severities 1-5")
        found += range(int(bounds[0]), int(bounds[1]) + 1)
    return tuple(sorted(set(found)))


@dataclass(frozen=True)
class Suite:
    """Corruptions of images, whoever makes them.

    Attributes:
        name: its name in results.
        engine: what makes the images: 'native', 'imgaug', 'files' (published ones), or 'augmenter' (the user's).
        corruptions: its corruptions by name.
        make: function of (images, name, severity, seed, index of the first image) that returns corrupted images.
        severities: the severities that it has.
        normaliser: the published baseline of these images, if there is one.
        labels: labels of its images, where they are not made from the given ones; None where they are. The images
            can be in any order.
        serial: whether it makes one chunk at a time.
    """

    name: str
    engine: str
    corruptions: Mapping[str, Described]
    make: Callable[[Images, str, int, int, int], Images]
    severities: tuple[int, ...] = SEVERITIES
    normaliser: Baseline | None = None
    labels: NDArray[np.int32] | None = None
    serial: bool = False

    def keys(self, corruptions: Sequence[str] | None = None, severities: Sequence[int] | None = None) -> list[Key]:
        """Returns the corruptions and severities to measure, in the order of the suite.

        Raises:
            ArgumentError: (a ValueError) for a corruption or a severity that the suite does not have.
        """
        for severity in severities or ():
            check_severity(severity)
            if severity not in self.severities:
                raise ArgumentError(f"{self.name} has no severity {severity}.",
                                    hint=f"It has {', '.join(map(str, self.severities))}.")
        for name in corruptions or ():
            look_up(self.corruptions, name, "corruption")
        return [(name, severity) for name in self.corruptions if corruptions is None or name in corruptions
                for severity in severities or self.severities]

    def averaged(self, corruptions: Sequence[str]) -> tuple[str, ...]:
        """Returns those of some corruptions that are in the suite's mean: the main ones, as published."""
        return tuple(name for name in corruptions
                     if self.corruptions[name].main and self.corruptions[name].as_published)

    def like(self, labels: NDArray[np.int32]) -> "Suite":
        """Returns the suite with as many of its own images of each class as there are labels of that class.

        They are the first of the class in the suite; all of them, where it has fewer. A suite that is made from the
        given images is returned unchanged.

        Raises:
            ArgumentError: (a ValueError) if it has no image of these classes.
        """
        if self.labels is None:
            return self
        classes = int(max(labels.max(initial=0), self.labels.max(initial=0))) + 1
        wanted = np.bincount(labels, minlength=classes)
        chosen = np.flatnonzero(place_in_class(self.labels) < wanted[self.labels])
        if not len(chosen):
            raise ArgumentError(f"{self.name} has no images of the classes of the {len(labels)} test images.",
                                hint="Take more of them: --limit N")
        return replace(self, labels=self.labels[chosen], make=functools.partial(_chosen, self.make, chosen))


def _chosen(make: Callable[[Images, str, int, int, int], Images], indices: NDArray[np.intp], images: Images, name: str,
            severity: int, seed: int, start: int) -> Images:
    """Those of a suite's own images that were chosen, from the one at position `start` among them."""
    return np.concatenate([make(images[:1], name, severity, seed, int(index))
                           for index in indices[start : start + len(images)]])
