"""Corrupts images by one corruption, or by all corruptions of a suite."""
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.catalog import import_object, look_up
from keras_fixhead.errors import ArgumentError
from keras_fixhead.robustness.draws import Draws
from keras_fixhead.robustness.suites import SEVERITIES, SUITES, check_severity, corruption_of, severity_parameters

CHUNK_IMAGES = 1_000
_BLOCK_IMAGES, _BLOCK_VALUES = 32, 2**20
"""Images that are corrupted in one step: enough of them for NumPy, few enough for the processor's cache."""
CLEAN = "clean"

Images = NDArray[np.uint8]
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
        ArgumentError: (a ValueError) for an unknown name, a severity out of range, or images of another form.

    Reference: Hendrycks and Dietterich (2019), arXiv:1903.12261.

    Example:
        >>> corrupt(np.zeros((2, 32, 32, 3), np.uint8), "impulse_noise", 5).shape
        (2, 32, 32, 3)
    """
    strength = severity_parameters(suite, name, severity)
    _check(images)
    corruption = corruption_of(suite, name)
    function = import_object(corruption.function)
    indices = np.arange(start, start + len(images)) if indices is None else np.asarray(indices)
    corrupted = np.empty_like(images)
    block = max(_BLOCK_IMAGES, _BLOCK_VALUES // max(1, images[:1].size))
    for first in range(0, len(images), block):
        part = slice(first, first + block)
        draws = (Draws(corruption.number, seed, severity, indices[part]),) if corruption.random else ()
        corrupted[part] = function(images[part], *draws, **strength)
    return corrupted


def _check(images: Images) -> None:
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
        raise ArgumentError(f"Images to corrupt must be uint8 of shape (N, H, W, 3), got {images.dtype} of shape "
                            f"{images.shape}.", hint="Add a batch axis to a single image: image[None]")


def corrupted_chunks(images: Images, *, suite: str = "paper", seed: int = 0, severities: Sequence[int] = SEVERITIES,
                     chunk_images: int = CHUNK_IMAGES, threads: int = 1) -> Iterator[CorruptedChunk]:
    """Yields the unchanged images, then the images under each corruption of a suite at each severity, in chunks.

    The chunks of one corruption and severity are consecutive and in the order of the images. They are the same for
    every model, so a list of them can be reused (15 times the memory of the images, for the suite 'paper').

    Args:
        images: uint8, shape (N, H, W, 3).
        suite: a name in `SUITES`.
        seed: seed of the corruptions.
        severities: which of 1 to 5.
        chunk_images: images per chunk; a corruption needs several times the memory of its images.
        threads: number of chunks that are corrupted in parallel, ahead of the one in use.

    Yields:
        `(corruption, severity, corrupted images)`; ('clean', 0, images) first.

    Raises:
        ArgumentError: (a ValueError) for an unknown suite or a severity out of range, before anything is corrupted.

    Example:
        >>> names = [(name, severity) for name, severity, _ in corrupted_chunks(np.zeros((2, 8, 8, 3), np.uint8))]
        >>> names[0], names[1], len(names)
        (('clean', 0), ('impulse_noise', 1), 16)
    """
    corruptions = tuple(look_up(SUITES, suite, "suite"))
    for severity in severities:
        check_severity(severity)
    return _chunks(images, corruptions, suite, seed, severities, chunk_images, threads)


def _chunks(images: Images, corruptions: Sequence[str], suite: str, seed: int, severities: Sequence[int],
            chunk_images: int, threads: int) -> Iterator[CorruptedChunk]:
    parts = {start: slice(start, start + chunk_images) for start in range(0, len(images), chunk_images)}
    for part in parts.values():
        yield CLEAN, 0, images[part]
    pending: deque[tuple[str, int, Future[Images]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for corruption in corruptions:
            for severity in severities:
                for start, part in parts.items():
                    pending.append((corruption, severity, pool.submit(
                        corrupt, images[part], corruption, severity, suite, seed, start)))
                    if len(pending) > threads:
                        name, strength, chunk = pending.popleft()
                        yield name, strength, chunk.result()
        for name, strength, chunk in pending:
            yield name, strength, chunk.result()
