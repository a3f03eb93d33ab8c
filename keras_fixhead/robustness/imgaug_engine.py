"""imgaug as an engine: the paper's corruptions as it made them, and any augmenter of the user's as a corruption.

Needs the extra [imgaug]: imaug, the maintained fork. Every image has a seed of its own, from (seed, corruption,
severity, index of the image), so that results do not depend on how a set is split into batches.
"""
import copy
import functools
import importlib
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from keras_fixhead.errors import ArgumentError, DependencyError
from keras_fixhead.robustness.draws import Draws
from keras_fixhead.robustness.suites import AUGMENTER, IMGAUG, SEVERITIES, SUITES, Corruption, Images, Known, Suite

Build = Callable[[int], Any]
"""Function from a severity to an imgaug augmenter."""

_PLAIN: Mapping[str, Callable[[Any, Mapping[str, Any], int], Any]] = {
    "salt_and_pepper": lambda library, strength, severity: library.SaltAndPepper(strength["replaced_fraction"]),
    "jpeg_compression": lambda library, strength, severity: library.JpegCompression(compression=20 * severity),
    "average_blur": lambda library, strength, severity: library.AverageBlur(strength["side_px"]),
    "gaussian_blur": lambda library, strength, severity: library.GaussianBlur(strength["sigma_px"]),
}

_OTHER = ("elastic_transform", "frost")
"""In imgaug they are not the published ones: the first has no affine map before the displacements, the other six
textures instead of five, enlarged 1.1 times."""


def imgaug_suite(name: str) -> Suite:
    """Returns a suite whose images are made by imgaug: 'paper', 'paper-plain', or 'imagenet-c' at any image size.

    Raises:
        ArgumentError: (a ValueError) for another suite: imgaug has no strengths for it.
        DependencyError: if imgaug is not installed.
    """
    if name not in ("paper", "paper-plain", "imagenet-c"):
        raise ArgumentError(f"imgaug has no strengths for the suite {name!r}.",
                            hint="Use --suite paper, paper-plain or imagenet-c, or --engine native.")
    library = _library()
    builders = {each: functools.partial(_build, library, name, each) for each in SUITES[name]}
    known = {each: Known(main=entry.main, as_published=each not in _OTHER) for each, entry in SUITES[name].items()}
    numbers = {each: entry.number for each, entry in SUITES[name].items()}
    return Suite(name, IMGAUG, known, functools.partial(_make, builders, numbers), serial=True)


def augmenter_suite(path: str) -> Suite:
    """Returns a user's augmenter as a suite of one corruption.

    Args:
        path: MODULE:NAME of an imgaug augmenter, which has one severity, or of a function from a severity, 1 to 5, to
            an augmenter.

    Raises:
        ArgumentError: (a ValueError) if there is no such augmenter.
        DependencyError: if imgaug is not installed.
    """
    augmenter = _imported(path)
    name = path.partition(":")[2]
    if isinstance(augmenter, type):
        raise ArgumentError(f"{path} is a class, not an augmenter.",
                            hint=f"Give an object of it in a module of yours, such as fog = {name}(...), or a "
                            "function from a severity to one.")
    if hasattr(augmenter, "augment_image"):
        return custom_suite(name, lambda severity: augmenter, severities=(1,))
    if not callable(augmenter):
        raise ArgumentError(f"{path} is not an augmenter, but {type(augmenter).__name__}.",
                            hint="Expected an imgaug augmenter, or a function from a severity to one.")
    return custom_suite(name, augmenter)


def custom_suite(name: str, build: Build, severities: tuple[int, ...] = SEVERITIES) -> Suite:
    """Returns a suite of one corruption: an augmenter of imgaug's form at each severity.

    Args:
        name: name of the suite and the corruption.
        build: function from a severity to an augmenter, an object with `seed_(seed)` and `augment_image(image)`.
        severities: the severities that it has.

    Example:
        >>> class Darker:
        ...     def seed_(self, seed): pass
        ...     def augment_image(self, image): return image // 2
        >>> suite = custom_suite("darker", lambda severity: Darker(), severities=(1,))
        >>> int(suite.make(np.full((1, 4, 4, 3), 100, np.uint8), "darker", 1, 0, 0).max())
        50
    """
    number = _FIRST_CUSTOM + zlib.crc32(name.encode()) % _CUSTOM
    return Suite(name, AUGMENTER, {name: Known()}, functools.partial(_make, {name: build}, {name: number}), severities,
                 serial=True)


_FIRST_CUSTOM, _CUSTOM = 2**20, 2**20
"""Numbers of users' corruptions: none of ours is as large."""


def _make(builders: Mapping[str, Build], numbers: Mapping[str, int], images: Images, name: str, severity: int,
          seed: int, start: int) -> Images:
    augmenter = copy.deepcopy(builders[name](severity))
    seeds = Draws(numbers[name], seed, severity, np.arange(start, start + len(images))).words(1)[:, 0]
    made = np.empty_like(images)
    for image, out, own in zip(images, made, seeds.tolist(), strict=True):
        augmenter.seed_(own)
        changed = np.asarray(augmenter.augment_image(np.ascontiguousarray(image)))
        if changed.shape != image.shape or changed.dtype != np.uint8:
            raise ArgumentError(f"The augmenter {name} returned {changed.dtype} values of shape {changed.shape} for an "
                                f"image of shape {image.shape}.", hint="Expected uint8 of the same shape.")
        out[...] = changed
    return made


def _build(library: Any, suite: str, name: str, severity: int) -> Any:
    entry: Corruption = SUITES[suite][name]
    if suite == "paper-plain":
        return _PLAIN[name](library, entry.strengths[severity - 1], severity)
    return getattr(library.imgcorruptlike, "".join(word.title() for word in name.split("_")))(severity=severity)


def _library() -> Any:
    try:
        import imgaug.augmenters as library
    except ImportError as error:
        raise _missing(error) from None
    return library


def _missing(error: ImportError) -> DependencyError:
    return DependencyError(f"imgaug is not installed: {error}.",
                           hint="Install it: pip install 'keras-fixhead[imgaug]'")


def _imported(path: str) -> Any:
    module, colon, name = path.partition(":")
    if not (module and colon and name):
        raise ArgumentError(f"{path!r} does not name an augmenter.", hint="Expected MODULE:NAME, such as mine:fog.")
    try:
        return getattr(importlib.import_module(module), name)
    except ImportError as error:
        if error.name == "imgaug":
            raise _missing(error) from None
        is_absent = error.name is not None and f"{module}.".startswith(f"{error.name}.")
        raise ArgumentError(
            f"{module} cannot be imported: {error}.",
            hint="It must be on PYTHONPATH: PYTHONPATH=. fixhead robustness ..." if is_absent else
            f"Install what {module} imports, or correct its import.") from None
    except AttributeError:
        raise ArgumentError(f"{module} has no {name!r}.", hint="Expected MODULE:NAME, such as mine:fog.") from None
