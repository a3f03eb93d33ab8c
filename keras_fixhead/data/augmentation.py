"""Random crops and mirror images of uint8 batches, as a pure function of (seed, epoch, index)."""
import numpy as np
from numpy.typing import NDArray

from keras_fixhead.vectors.hashing import AUGMENT_STREAM, ORDER_STREAM, stream_key, words


def epoch_order(size: int, *, seed: int, epoch: int) -> NDArray[np.intp]:
    """Returns a permutation of [0, size): the order in which an epoch shows its images.

    Example:
        >>> sorted(epoch_order(5, seed=0, epoch=0).tolist())
        [0, 1, 2, 3, 4]
    """
    return np.argsort(words(stream_key(seed, ORDER_STREAM, epoch), np.arange(size), [0])[:, 0])


def augment(images: NDArray[np.uint8], indices: NDArray[np.intp], *, seed: int, epoch: int, crop_padding: int,
            flip: bool) -> NDArray[np.uint8]:
    """Returns images cropped at random from a black border, and mirrored at random.

    What an image becomes depends on (seed, epoch, its index) alone, not on the batch it is in.

    Args:
        images: uint8, shape (N, H, W, 3).
        indices: the images' numbers in the training set, shape (N,).
        seed: the run's seed.
        epoch: from 0.
        crop_padding: pixels p of border; offsets are uniform in [0, 2 p].
        flip: whether to mirror left and right with probability 1/2.

    Returns:
        uint8 array of the same shape.

    Example:
        >>> images = np.zeros((2, 8, 8, 3), np.uint8)
        >>> augment(images, np.arange(2), seed=0, epoch=0, crop_padding=4, flip=True).shape
        (2, 8, 8, 3)
    """
    bits = words(stream_key(seed, AUGMENT_STREAM, epoch), indices, [0, 1, 2])  # (N, 3)
    if crop_padding:
        tops, lefts = _below(2 * crop_padding + 1, bits[:, :2]).T
        images = _crop(images, tops, lefts, crop_padding)
    if flip:
        mirrored = bits[:, 2] >> np.uint32(31) == 1
        images = np.where(mirrored[:, None, None, None], images[:, :, ::-1], images)
    return images


def _below(limit: int, bits: NDArray[np.uint32]) -> NDArray[np.intp]:
    """Integers in [0, limit) from 32-bit words, to within limit / 2^32 of uniform."""
    return (bits.astype(np.uint64) * np.uint64(limit) >> np.uint64(32)).astype(np.intp)


def _crop(images: NDArray[np.uint8], tops: NDArray[np.intp], lefts: NDArray[np.intp],
          padding: int) -> NDArray[np.uint8]:
    size, height, width, channels = images.shape
    padded = np.zeros((size, height + 2 * padding, width + 2 * padding, channels), np.uint8)
    padded[:, padding : padding + height, padding : padding + width] = images
    cropped = np.empty_like(images)
    for image, (top, left) in enumerate(zip(tops, lefts, strict=True)):
        cropped[image] = padded[image, top : top + height, left : left + width]
    return cropped
