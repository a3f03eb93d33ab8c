"""Random changes of uint8 training images, as a pure function of (seed, epoch, index)."""
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.data.randaugment import rand_augment, rotate
from keras_fixhead.vectors.hashing import AUGMENT_STREAM, MIX_STREAM, ORDER_STREAM, stream_key, words

# Positions of an image's words in its stream. Crop and flip keep theirs for good: trainings repeat by them.
_CROP, _FLIP, _ROTATION, _CUTOUT, _ERASING, _RANDAUGMENT = 0, 2, 3, 4, 6, 16

_ERASING_AREA = (0.02, 1 / 3)
_ERASING_ASPECT = 0.3


@dataclass(frozen=True)
class Augmentation:
    """What is done to training images; nothing by default.

    Attributes:
        crop_padding: pixels p of black border to crop from; offsets are uniform in [0, 2 p].
        flip: whether to mirror left and right with probability 1/2.
        rotation: largest angle in degrees, uniform to both sides; nearest neighbour, black outside.
        randaugment: operations of RandAugment on each image (Cubuk et al. 2020, arXiv:1909.13719).
        randaugment_magnitude: their strength, in [0, 10].
        cutout: side in pixels of a black square at a uniform place, cut off at the border (DeVries and Taylor 2017,
            arXiv:1708.04552).
        erasing: probability that a rectangle of 2 % to 33 % of the area becomes noise (Zhong et al. 2017,
            arXiv:1708.04896).
        mixup: alpha of the Beta distribution of MixUp's shares (Zhang et al. 2018, arXiv:1710.09412); 0 for none.
        cutmix: alpha of the Beta distribution of CutMix's shares (Yun et al. 2019, arXiv:1905.04899); 0 for none. With
            both, each image has one or the other with probability 1/2.
    """

    crop_padding: int = 0
    flip: bool = False
    rotation: float = 0.0
    randaugment: int = 0
    randaugment_magnitude: float = 9.0
    cutout: int = 0
    erasing: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0

    @property
    def mixes(self) -> bool:
        """Whether images are mixed in pairs, and labels with them."""
        return self.mixup > 0 or self.cutmix > 0


@dataclass(frozen=True)
class Mixing:
    """With which image each one is mixed, and how.

    Attributes:
        partners: indices of the other images, shape (N,).
        shares: share of the image itself in MixUp, or of its area in CutMix, shape (N,), float64 in [0, 1].
        boxes: top, bottom, left, right of the rectangle that CutMix takes from the partner, shape (N, 4); rows of zeros
            for MixUp.
    """

    partners: NDArray[np.intp]
    shares: NDArray[np.float64]
    boxes: NDArray[np.intp]


def epoch_order(size: int, *, seed: int, epoch: int) -> NDArray[np.intp]:
    """Returns a permutation of [0, size): the order in which an epoch shows its images.

    Example:
        >>> sorted(epoch_order(5, seed=0, epoch=0).tolist())
        [0, 1, 2, 3, 4]
    """
    return np.argsort(words(stream_key(seed, ORDER_STREAM, epoch), np.arange(size), [0])[:, 0])


def augment(images: NDArray[np.uint8], indices: NDArray[np.intp], augmentation: Augmentation, *, seed: int,
            epoch: int) -> NDArray[np.uint8]:
    """Returns images changed at random: cropped, mirrored, rotated, RandAugment, Cutout, erased, in this order.

    What an image becomes depends on (seed, epoch, its index) alone, not on the batch it is in.

    Args:
        images: uint8, shape (N, H, W, 3).
        indices: the images' numbers in the training set, shape (N,).
        augmentation: what to do.
        seed: the run's seed.
        epoch: from 0.

    Returns:
        uint8 array of the same shape.

    Example:
        >>> images = np.zeros((2, 8, 8, 3), np.uint8)
        >>> augment(images, np.arange(2), Augmentation(crop_padding=4, flip=True), seed=0, epoch=0).shape
        (2, 8, 8, 3)
    """
    key = stream_key(seed, AUGMENT_STREAM, epoch)
    bits = words(key, indices, range(_RANDAUGMENT))  # (N, 16)
    if augmentation.crop_padding:
        tops, lefts = _below(2 * augmentation.crop_padding + 1, bits[:, _CROP : _CROP + 2]).T
        images = _crop(images, tops, lefts, augmentation.crop_padding)
    if augmentation.flip:
        mirrored = bits[:, _FLIP] >> np.uint32(31) == 1
        images = np.where(mirrored[:, None, None, None], images[:, :, ::-1], images)
    if augmentation.rotation:
        images = rotate(images, augmentation.rotation * (2 * _unit(bits[:, _ROTATION]) - 1))
    if augmentation.randaugment:
        draws = words(key, indices, range(_RANDAUGMENT, _RANDAUGMENT + 2 * augmentation.randaugment))
        images = rand_augment(images, draws, operations=augmentation.randaugment,
                              magnitude=augmentation.randaugment_magnitude)
    if augmentation.cutout:
        images = _cut_out(images, bits[:, _CUTOUT : _CUTOUT + 2], augmentation.cutout)
    if augmentation.erasing:
        images = _erase(images, bits[:, _ERASING : _ERASING + 6], augmentation.erasing)
    return images


def mixing(indices: NDArray[np.intp], size: int, image_shape: tuple[int, ...], augmentation: Augmentation, *, seed: int,
           epoch: int) -> Mixing:
    """Returns with which image of a training set each one is mixed, and how: a pure function of (seed, epoch, index).

    Args:
        indices: the images' numbers in the training set, shape (N,).
        size: images in it.
        image_shape: (H, W, 3).
        augmentation: with `mixup` or `cutmix` above 0.
        seed: the run's seed.
        epoch: from 0.
    """
    from scipy.special import betaincinv  # two seconds to import

    bits = words(stream_key(seed, MIX_STREAM, epoch), indices, range(5))  # (N, 5)
    cut = np.full(len(indices), augmentation.cutmix > 0)
    if augmentation.mixup and augmentation.cutmix:
        cut = bits[:, 4] >> np.uint32(31) == 1
    alphas = np.where(cut, augmentation.cutmix or 1.0, augmentation.mixup or 1.0)
    shares = betaincinv(alphas, alphas, _unit(bits[:, 1]))  # the quantile function of Beta(alpha, alpha)
    boxes = np.where(cut[:, None], _boxes(1 - shares, bits[:, 2:4], image_shape), 0)
    area = (boxes[:, 1] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 2])
    return Mixing(_below(size, bits[:, 0]), np.where(cut, 1 - area / (image_shape[0] * image_shape[1]), shares), boxes)


def mix(images: NDArray[np.uint8], partners: NDArray[np.uint8], how: Mixing) -> NDArray[np.uint8]:
    """Returns images mixed with their partners, rounded to uint8.

    Args:
        images, partners: uint8, shape (N, H, W, 3).
        how: of `mixing`, for these images.
    """
    cut = how.boxes.any(axis=1) | (how.shares == 1)
    shares = np.where(cut, 1.0, how.shares).astype(np.float32)[:, None, None, None]
    mixed = np.rint(partners + (images.astype(np.float32) - partners) * shares).astype(np.uint8)
    for image in np.flatnonzero(how.boxes.any(axis=1)):
        top, bottom, left, right = how.boxes[image]
        mixed[image, top:bottom, left:right] = partners[image, top:bottom, left:right]
    return mixed


def _boxes(areas: NDArray[np.float64], bits: NDArray[np.uint32], image_shape: tuple[int, ...]) -> NDArray[np.intp]:
    """Rectangles of these shares of the image and its shape, around uniform places, cut off at the border."""
    edges = []
    for side, places in zip(image_shape[:2], bits.T, strict=True):
        length = np.floor(side * np.sqrt(areas)).astype(np.intp)
        middle = _below(side, places)
        edges += [np.clip(middle - length // 2, 0, side), np.clip(middle - length // 2 + length, 0, side)]
    return np.stack(edges, axis=1)


def _below(limit: int, bits: NDArray[np.uint32]) -> NDArray[np.intp]:
    """Integers in [0, limit) from 32-bit words, to within limit / 2^32 of uniform."""
    return (bits.astype(np.uint64) * np.uint64(limit) >> np.uint64(32)).astype(np.intp)


def _unit(bits: NDArray[np.uint32]) -> NDArray[np.float64]:
    """Numbers in (0, 1) from 32-bit words."""
    return (bits + 0.5) / 2**32


def _crop(images: NDArray[np.uint8], tops: NDArray[np.intp], lefts: NDArray[np.intp],
          padding: int) -> NDArray[np.uint8]:
    size, height, width, channels = images.shape
    padded = np.zeros((size, height + 2 * padding, width + 2 * padding, channels), np.uint8)
    padded[:, padding : padding + height, padding : padding + width] = images
    cropped = np.empty_like(images)
    for image, (top, left) in enumerate(zip(tops, lefts, strict=True)):
        cropped[image] = padded[image, top : top + height, left : left + width]
    return cropped


def _cut_out(images: NDArray[np.uint8], bits: NDArray[np.uint32], side: int) -> NDArray[np.uint8]:
    images = images.copy()
    rows, columns = (_below(limit, places) for limit, places in zip(images.shape[1:3], bits.T, strict=True))
    for image, row, column in zip(images, rows, columns, strict=True):
        top, left = row - side // 2, column - side // 2
        image[max(top, 0) : top + side, max(left, 0) : left + side] = 0
    return images


def _erase(images: NDArray[np.uint8], bits: NDArray[np.uint32], probability: float) -> NDArray[np.uint8]:
    images = images.copy()
    height, width = images.shape[1:3]
    chance, size, shape, row, column = (_unit(bits[:, place]) for place in range(5))
    areas = (_ERASING_AREA[0] + (_ERASING_AREA[1] - _ERASING_AREA[0]) * size) * height * width
    aspects = np.exp(np.log(_ERASING_ASPECT) * (1 - 2 * shape))  # log-uniform in [0.3, 1 / 0.3]
    heights = np.clip(np.rint(np.sqrt(areas * aspects)), 1, height).astype(np.intp)
    widths = np.clip(np.rint(np.sqrt(areas / aspects)), 1, width).astype(np.intp)
    tops, lefts = ((each * (limit - side + 1)).astype(np.intp)
                   for each, limit, side in ((row, height, heights), (column, width, widths)))
    for image in np.flatnonzero(chance < probability):
        size = heights[image] * widths[image]
        noise = words(int(bits[image, 5]), np.arange(-(-size * 3 // 4)), [0]).astype("<u4").view(np.uint8)  # 4 a word
        images[image, tops[image] : tops[image] + heights[image], lefts[image] : lefts[image] + widths[image]] = (
            noise.ravel()[: 3 * size].reshape(heights[image], widths[image], 3))
    return images
