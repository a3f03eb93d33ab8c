"""Corrupts images by one corruption, or by all corruptions of a suite."""
import functools
import itertools
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.catalog import import_object, look_up
from keras_fixhead.errors import ArgumentError
from keras_fixhead.robustness.draws import Draws, checked_seed
from keras_fixhead.robustness.suites import (
    NATIVE,
    SUITES,
    Images,
    Key,
    Suite,
    corruption_of,
    severity_parameters,
)
from keras_fixhead.vectors import checked_integer

CHUNK_IMAGES, CHUNK_BYTES = 1_000, 2**26
_BLOCK_IMAGES, _BLOCK_VALUES = 32, 2**20
"""Images that are corrupted in one step: enough of them for NumPy, few enough for the processor's cache."""
CLEAN = "clean"
"""Name of the uncorrupted images in a result."""

CorruptedChunk = tuple[str, int, Images]
"""Corruption and severity, or `CLEAN` and 0; and some of the images, uint8, (N, H, W, 3)."""


def corrupt(images: Images, name: str, severity: int, suite: str = "cifar-c", seed: int = 0, start: int = 0, *,
            indices: NDArray[np.intp] | None = None) -> Images:
    """Returns corrupted images.

    The result for an image depends on (seed, corruption, severity, index of the image), not on the other images.

    Args:
        images: uint8, shape (N, H, W, 3).
        name: a corruption in the suite.
        severity: 1 to 5.
        suite: a name in `SUITES`.
        seed: seed of the random corruptions.
        start: index of the first image in its data set.
        indices: indices of the images, shape (N,), where they are not consecutive.

    Returns:
        uint8 array of the same shape.

    Raises:
        ArgumentError: (a ValueError) for an unknown name, a severity out of range, or images or indices of
            another form.

    Reference: Hendrycks and Dietterich (2019), arXiv:1903.12261.

    Example:
        >>> corrupt(np.zeros((2, 32, 32, 3), np.uint8), "impulse_noise", 5).shape
        (2, 32, 32, 3)
    """
    strength = severity_parameters(suite, name, severity)
    seed, start = checked_seed(seed), checked_integer("start", start, 0, 2**62)
    _check(images)
    corruption = corruption_of(suite, name)
    function = import_object(corruption.function)
    indices = np.arange(start, start + len(images)) if indices is None else _checked(indices, len(images))
    corrupted = np.empty_like(images)
    block = max(_BLOCK_IMAGES, _BLOCK_VALUES // max(1, images[:1].size))
    for first in range(0, len(images), block):
        part = slice(first, first + block)
        draws = (Draws(corruption.number, seed, severity, indices[part]),) if corruption.random else ()
        corrupted[part] = function(images[part], *draws, **strength)
    return corrupted


def _check(images: Images) -> None:
    if not isinstance(images, np.ndarray):
        raise ArgumentError("Images to corrupt must be a uint8 array of shape (N, H, W, 3), got "
                            f"{type(images).__name__}.", hint="Stack images of one size: np.stack(images)")
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
        raise ArgumentError(f"Images to corrupt must be uint8 of shape (N, H, W, 3), got {images.dtype} of shape "
                            f"{images.shape}.", hint="Add a batch axis to a single image: image[None]")


def _checked(indices: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    found = np.asarray(indices)
    if found.shape != (count,) or found.dtype.kind not in "iu":
        raise ArgumentError(f"indices must be one integer for each of {count} images, got {found.dtype} of shape "
                            f"{found.shape}.", hint="Leave them out if the images are consecutive.")
    return found


def native_suite(name: str) -> Suite:
    """Returns a suite whose images are made here, by its name in `SUITES`.

    Raises:
        ArgumentError: (a ValueError) for an unknown name.

    Example:
        >>> native_suite("paper").keys(severities=[5])
        [('impulse_noise', 5), ('jpeg_compression', 5), ('defocus_blur', 5)]
    """
    corruptions = look_up(SUITES, name, "suite")
    return Suite(name, NATIVE, corruptions, make=functools.partial(_make, name))


def _make(suite: str, images: Images, name: str, severity: int, seed: int, start: int) -> Images:
    return corrupt(images, name, severity, suite, seed, start)


def corrupted_chunks(images: Images, *, suite: str | Suite = "paper", seed: int = 0,
                     severities: Sequence[int] | None = None, corruptions: Sequence[str] | None = None,
                     chunk_images: int | None = None, threads: int = 1) -> Iterator[CorruptedChunk]:
    """Yields the unchanged images, then the images under each corruption of a suite at each severity, in chunks.

    The chunks of one corruption and severity are consecutive and in the order of the images. They are the same for
    every model, so a list of them can be reused (15 times the memory of the images, for the suite 'paper').

    Args:
        images: uint8, shape (N, H, W, 3).
        suite: a name in `SUITES`, or a suite of another engine.
        seed: seed of the corruptions.
        severities: which of the suite's; None for all.
        corruptions: which of the suite's; None for all.
        chunk_images: images per chunk; a corruption needs several times the memory of its images. None for 1,000, or
            as many as take 64 MB.
        threads: number of chunks that are corrupted in parallel, ahead of the one in use.

    Yields:
        `(corruption, severity, corrupted images)`; ('clean', 0, images) first.

    Raises:
        ArgumentError: (a ValueError) for an unknown suite or corruption or a severity out of range, before anything is
            corrupted.

    Example:
        >>> names = [(name, severity) for name, severity, _ in corrupted_chunks(np.zeros((2, 8, 8, 3), np.uint8))]
        >>> names[0], names[1], len(names)
        (('clean', 0), ('impulse_noise', 1), 16)
    """
    suite = native_suite(suite) if isinstance(suite, str) else suite
    keys, seed = suite.keys(corruptions, severities), checked_seed(seed)
    clean = ((CLEAN, 0, images[part]) for part in parts(images, chunk_images).values())
    return itertools.chain(clean, variants(images, suite, keys, seed=seed, chunk_images=chunk_images, threads=threads))


def variants(images: Images, suite: Suite, keys: Sequence[Key], *, seed: int = 0, chunk_images: int | None = None,
             threads: int = 1) -> Iterator[CorruptedChunk]:
    """Yields the images under each of some corruptions and severities, as `corrupted_chunks` does."""
    pending: deque[tuple[str, int, Future[Images]]] = deque()
    threads = 1 if suite.serial else threads
    with ThreadPoolExecutor(threads) as pool:
        for name, severity in keys:
            for start, part in parts(images, chunk_images).items():
                pending.append((name, severity, pool.submit(suite.make, images[part], name, severity, seed, start)))
                if len(pending) > threads:
                    done, strength, chunk = pending.popleft()
                    yield done, strength, chunk.result()
        for done, strength, chunk in pending:
            yield done, strength, chunk.result()


def parts(images: Images, chunk_images: int | None = None) -> dict[int, slice]:
    """Returns index of the first image -> slice of the images, for each chunk.

    Example:
        >>> parts(np.zeros((5, 8, 8, 3), np.uint8), 3)
        {0: slice(0, 3, None), 3: slice(3, 6, None)}
    """
    step = chunk_images or max(1, min(CHUNK_IMAGES, CHUNK_BYTES // max(1, images[:1].nbytes)))
    return {start: slice(start, start + step) for start in range(0, len(images), step)}
