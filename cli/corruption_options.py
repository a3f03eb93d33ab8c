"""Options that choose corruptions, and the suite that they choose."""
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from fixhead_cli import paths
from fixhead_cli.dependent import refuse_typed
from fixhead_cli.output import Function
from keras_fixhead.catalog import look_up
from keras_fixhead.errors import ArgumentError

DEFAULT_SUITE = "paper"


def corruption_options(command: Function) -> Function:
    """Adds `--suite`, `--corruption`, `--severities`, `--engine` and `--augmenter` to a command."""
    for option in (
        click.option("--augmenter", metavar="MODULE:NAME",
                     help="An imgaug augmenter of your own, or a function from a severity to one, instead of a suite."),
        click.option("--engine", type=click.Choice(["native", "imgaug"]), default="native", show_default=True,
                     help="What corrupts the images; imgaug needs the extra [imgaug] and has the suites paper, "
                     "paper-plain and imagenet-c."),
        click.option("--severities", metavar="LIST", help="Severities, such as 1-5 or 1,3  [default: all]."),
        click.option("--corruption", "corruptions", multiple=True, metavar="NAME",
                     help="A corruption of the suite; may be repeated  [default: all]."),
        click.option("--suite", type=paths.SUITE, metavar="NAME|FOLDER",
                     help="Corruptions and their strengths; or a folder of published images: CIFAR-10-C's .npy files, "
                     f"Tiny-ImageNet-C's folders  [default: {DEFAULT_SUITE}]."),
    ):
        command = option(command)
    return command


def corruption_seed_option(command: Function) -> Function:
    """Adds `--seed` to a command that corrupts images."""
    return click.option("--seed", type=click.IntRange(0, 2**64 - 1), default=0, show_default=True,
                        help="Seed of the corruptions.")(command)


class ChosenSuite:
    """The corruptions that were asked for, checked before any work.

    Attributes:
        corruptions, severities: those that were asked for, each once, in the order of the suite; None for all, also
            where each was typed: it is the same measurement.

    Raises:
        ArgumentError: for an unknown suite, corruption or severity, or options that contradict each other.
        DataError: for a folder without corrupted images.
        DependencyError: if imgaug is needed and not installed.
    """

    def __init__(self, suite: str | Path | None, corruptions: tuple[str, ...], severities: str | None, engine: str,
                 augmenter: str | None) -> None:
        from keras_fixhead.robustness.corrupting import native_suite
        from keras_fixhead.robustness.imgaug_engine import augmenter_suite, imgaug_suite
        from keras_fixhead.robustness.published import published_names
        from keras_fixhead.robustness.suites import SEVERITIES, parse_severities

        self._folder = suite if isinstance(suite, Path) else None
        self._typed = [*(("--augmenter", augmenter) if augmenter else ("--suite", str(suite or DEFAULT_SUITE))),
                       *(("--engine", engine) if engine != "native" else ()),
                       *(word for name in corruptions for word in ("--corruption", name)),
                       *(("--severities", severities) if severities else ())]
        numbers = parse_severities(severities) if severities else ()
        if isinstance(suite, Path):
            if engine != "native" or augmenter:
                raise ArgumentError(f"{suite} has corrupted images: nothing is left to corrupt.",
                                    hint="Leave --engine and --augmenter out.")
            refuse_typed("seed", why="with a folder of corrupted images")
            names, _ = published_names(suite)
            for name in corruptions:
                look_up(dict.fromkeys(names), name, "corruption")
            self.corruptions, self.severities = _part(corruptions, names), _part(numbers, SEVERITIES)
        else:
            if augmenter and suite:
                raise ArgumentError(f"--suite {suite} and --augmenter {augmenter} are two sets of corruptions.",
                                    hint="Leave one of them out.")
            name = suite or DEFAULT_SUITE
            self._suite = (augmenter_suite(augmenter) if augmenter else imgaug_suite(name) if engine == "imgaug"
                           else native_suite(name))
            self._suite.keys(corruptions, numbers)
            self.corruptions = _part(corruptions, list(self._suite.corruptions))
            self.severities = _part(numbers, self._suite.severities)

    def options(self, **others: object) -> str:
        """Returns the options of the command that make the same choice, and others that have a value."""
        return shlex.join([*self._typed, *(word for name, value in others.items() if value
                                           for word in (f"--{name}", str(value)))])

    def suite(self, data: Any, limit: int | None) -> Any:
        """Returns the suite for the first `limit` of a data set's test images."""
        if self._folder is None:
            return self._suite
        from keras_fixhead.robustness.published import published_suite

        labels = data.test.labels
        suite = published_suite(self._folder, labels, data.label_names, (*data.test.images.shape[1:3], 3))
        return suite if limit is None else suite.like(labels[:limit])


def _part(asked: Sequence[Any], known: Sequence[Any]) -> list[Any] | None:
    """What was asked for, each once, in the order of all that are known; None for all of them."""
    found = [each for each in known if each in asked]
    return found if found and len(found) < len(known) else None
