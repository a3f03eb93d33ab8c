"""Augmentation of uint8 training images, as a pure function of (seed, epoch, index)."""
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.data.dataset import Split
from keras_fixhead.data.pixels import Images, Whole, blend, erase, move, paste, rotations, shares, transform
from keras_fixhead.data.randaugment import choose, rand_augment
from keras_fixhead.vectors.hashing import AUGMENT_STREAM, MIX_STREAM, ORDER_STREAM, SIDE_STREAM, stream_key, words

# Positions of an image's words in its stream. Never change those of crop and flip: repeating a run depends on them.
_CROP, _FLIP, _ROTATION, _CUTOUT, _ERASING, _RANDAUGMENT = 0, 2, 3, 4, 6, 16

Draws = dict[str, NDArray[Any]]

_OFFSETS = {"black": "offsets", "reflect": "reflected_offsets"}
"""Border of a crop -> name of its offsets among the draws: a compiled program knows their names, not their values."""

_ERASING_AREA = (0.02, 1 / 3)
_ERASING_ASPECT = 0.3


@dataclass(frozen=True)
class Augmentation:
    """The augmentations of training images; none by default.

    Attributes:
        crop_padding: pixels p of border to crop from; offsets are uniform in [0, 2 p].
        crop_border: 'black', or 'reflect' for a border that shows the image reflected at its outermost pixels.
        flip: whether to mirror left and right with probability 1/2.
        flip_mode: 'random' for a draw in each epoch; 'alternating' for a side that is drawn once for each image and
            changes with every epoch, so that two epochs show both sides (Jordan 2024, arXiv:2404.00498).
        rotation: largest angle in degrees, uniform in both directions; nearest neighbour, black outside.
        randaugment: number of RandAugment operations on each image (Cubuk et al. 2020, arXiv:1909.13719).
        randaugment_magnitude: their strength, in [0, 10].
        cutout: side in pixels of a black square at a uniform place, clipped at the border (DeVries and Taylor 2017,
            arXiv:1708.04552).
        erasing: probability that a rectangle of 2 % to 33 % of the area becomes noise (Zhong et al. 2017,
            arXiv:1708.04896).
        mixup: alpha of the Beta distribution of MixUp's shares (Zhang et al. 2018, arXiv:1710.09412); 0 for no MixUp.
        cutmix: alpha of the Beta distribution of CutMix's shares (Yun et al. 2019, arXiv:1905.04899); 0 for no
            CutMix. With both, each image gets one or the other with probability 1/2.
    """

    crop_padding: int = 0
    crop_border: str = "black"
    flip: bool = False
    flip_mode: str = "random"
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

    @property
    def draws(self) -> bool:
        """Whether anything is drawn for single images: drawing takes as long as a fifth of copying them."""
        return any((self.crop_padding, self.flip, self.rotation, self.randaugment, self.cutout, self.erasing))

    @property
    def computes(self) -> bool:
        """Whether pixels are computed and not only copied: anything beyond crop, flip and Cutout."""
        return self.mixes or self.rotation > 0 or self.randaugment > 0 or self.erasing > 0


@dataclass(frozen=True)
class Mixing:
    """The image that each image is mixed with, and how.

    Attributes:
        partners: indices of the other images, shape (N,).
        shares: share of the image itself in MixUp, or of its area in CutMix, float64 in [0, 1], shape (N,).
        boxes: top, bottom, left, right of the rectangle that CutMix takes from the partner, shape (N, 4); zeros for
            MixUp.
    """

    partners: NDArray[np.intp]
    shares: NDArray[np.float64]
    boxes: Whole

    def draws(self, augmentation: Augmentation) -> Draws:
        """Returns the draws for `change`: the partners' shares for MixUp, and the rectangles for CutMix."""
        others = np.where(self.boxes.any(axis=1), 0.0, 1 - self.shares)
        return ({"mixup": shares(others)} if augmentation.mixup else {}) | (
            {"cutmix": self.boxes} if augmentation.cutmix else {})


def epoch_order(size: int, *, seed: int, epoch: int) -> NDArray[np.intp]:
    """Returns a permutation of [0, size): the order in which an epoch shows its images.

    Example:
        >>> sorted(epoch_order(5, seed=0, epoch=0).tolist())
        [0, 1, 2, 3, 4]
    """
    return np.argsort(words(stream_key(seed, ORDER_STREAM, epoch), np.arange(size), [0])[:, 0])


def augment(images: NDArray[np.uint8], indices: NDArray[np.intp], augmentation: Augmentation, *, seed: int,
            epoch: int) -> NDArray[np.uint8]:
    """Returns augmented images: crop, mirroring, rotation, RandAugment, Cutout and erasing, in this order.

    The result for an image depends only on (seed, epoch, its index), not on its batch.

    Args:
        images: uint8, shape (N, H, W, 3).
        indices: indices of the images in the training set, shape (N,).
        augmentation: the augmentations to apply.
        seed: the run's seed.
        epoch: from 0.

    Returns:
        uint8 array of the same shape.

    Example:
        >>> images = np.zeros((2, 8, 8, 3), np.uint8)
        >>> augment(images, np.arange(2), Augmentation(crop_padding=4, flip=True), seed=0, epoch=0).shape
        (2, 8, 8, 3)
    """
    return np.asarray(change(images, draw(indices, images.shape[1:], augmentation, seed=seed, epoch=epoch)))


def make_batch(split: Split, indices: NDArray[np.intp], augmentation: Augmentation, *, seed: int, epoch: int,
               change_by: Callable[[Images, Draws], Images] | None = None) -> tuple[Images, NDArray[Any]]:
    """Returns the augmented images of a batch and their labels: a pure function of (seed, epoch, indices).

    Args:
        split: training images.
        indices: indices of the batch's images, shape (B,); i + k N is a further copy of image i of N, with draws of its
            own.
        augmentation: the augmentations to apply.
        seed: the run's seed.
        epoch: from 0.
        change_by: `change`, or an equivalent that runs on a device.

    Returns:
        uint8 images (B, H, W, 3); and int32 labels (B,) or, if images are mixed in pairs, float32 (B, 3): the label,
        the partner's label, and the share of the first, in [0, 1].

    Example:
        >>> split = Split(np.zeros((4, 8, 8, 3), np.uint8), np.arange(4, dtype=np.int32))
        >>> images, labels = make_batch(split, np.array([2, 0]), Augmentation(), seed=0, epoch=0)
        >>> images.shape, labels.tolist()
        ((2, 8, 8, 3), [2, 0])
    """
    labels: NDArray[Any] = split.labels[indices % len(split)]
    mixed: Draws = {}
    if augmentation.mixes:
        how = mixing(indices, len(split), split.images.shape[1:], augmentation, seed=seed, epoch=epoch)
        indices, mixed = np.concatenate([indices, how.partners]), how.draws(augmentation)
        labels = np.stack([labels, split.labels[how.partners], how.shares], axis=1).astype(np.float32)
    images = split.images[indices % len(split)]
    draws = draw(indices, images.shape[1:], augmentation, seed=seed, epoch=epoch) | mixed
    return (change_by or change)(images, draws), labels


def draw(indices: NDArray[np.intp], image_shape: tuple[int, ...], augmentation: Augmentation, *, seed: int,
         epoch: int) -> Draws:
    """Returns the draws for `change`, a few integers per image: a pure function of (seed, epoch, index).

    Args:
        indices: indices of the images in the training set, shape (N,).
        image_shape: (H, W, 3).
        augmentation: the augmentations to apply.
        seed: the run's seed.
        epoch: from 0.
    """
    draws: Draws = {}
    if not augmentation.draws:
        return draws
    key = stream_key(seed, AUGMENT_STREAM, epoch)
    bits = words(key, indices, range(_RANDAUGMENT))  # (N, 16)
    if augmentation.crop_padding or augmentation.flip:
        offsets = _below(2 * augmentation.crop_padding + 1, bits[:, _CROP : _CROP + 2]) - augmentation.crop_padding
        draws[_OFFSETS[augmentation.crop_border]] = offsets.astype(np.int32)
        sides = bits[:, _FLIP] if augmentation.flip_mode == "random" else _alternating(indices, seed, epoch)
        draws["mirrored"] = (sides >> np.uint32(31) == 1) & augmentation.flip
    if augmentation.rotation:
        draws["rotation"] = rotations(augmentation.rotation * (2 * _unit(bits[:, _ROTATION]) - 1))
    if augmentation.randaugment:
        draws["functions"], draws["parameters"] = choose(
            words(key, indices, range(_RANDAUGMENT, _RANDAUGMENT + 2 * augmentation.randaugment)), image_shape,
            magnitude=augmentation.randaugment_magnitude)
    if augmentation.cutout:
        draws["cutout"] = _around(np.full((len(indices), 2), augmentation.cutout), bits[:, _CUTOUT : _CUTOUT + 2],
                                  image_shape)
    if augmentation.erasing:
        draws["erasing"] = _erased(bits[:, _ERASING : _ERASING + 5], augmentation.erasing, image_shape)
        draws["noise"] = bits[:, _ERASING + 5]
    return draws


def change(images: Images, draws: Mapping[str, Any], xp: Any = np) -> Images:
    """Returns images augmented as drawn: bit-identical with NumPy and with keras.ops on any device.

    Args:
        images: uint8, shape (N, H, W, 3); for mixing, (2 N, H, W, 3), with the partners in the second half.
        draws: from `draw` for all of them, and from `Mixing.draws`.
        xp: `numpy` or `keras.ops`.

    Returns:
        uint8 array of shape (N, H, W, 3).
    """
    for border, name in _OFFSETS.items():
        if name in draws:
            images = move(images, draws[name], draws["mirrored"], xp, border=border)
    if "rotation" in draws:
        images = transform(images, draws["rotation"], xp)
    if "functions" in draws:
        images = rand_augment(images, draws["functions"], draws["parameters"], xp)
    if "cutout" in draws:
        images = paste(images, xp.zeros_like(images), draws["cutout"], xp)
    if "erasing" in draws:
        images = erase(images, draws["erasing"], draws["noise"], xp)
    if "mixup" in draws or "cutmix" in draws:
        half = len(images) // 2
        images, partners = images[:half], images[half:]
        if "mixup" in draws:
            images = blend(images, partners, draws["mixup"], xp)
        if "cutmix" in draws:
            images = paste(images, partners, draws["cutmix"], xp)
    return images


def mixing(indices: NDArray[np.intp], size: int, image_shape: tuple[int, ...], augmentation: Augmentation, *, seed: int,
           epoch: int) -> Mixing:
    """Returns the image that each image is mixed with, and how: a pure function of (seed, epoch, index).

    Args:
        indices: indices of the images in the training set, shape (N,).
        size: number of images in the training set.
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


def _boxes(areas: NDArray[np.float64], bits: NDArray[np.uint32], image_shape: tuple[int, ...]) -> Whole:
    """Returns rectangles with these shares of the area and the image's proportions, around uniform places, clipped."""
    return _around(np.floor(np.array(image_shape[:2]) * np.sqrt(areas)[:, None]).astype(np.intp), bits, image_shape)


def _around(sides: NDArray[np.intp], bits: NDArray[np.uint32], image_shape: tuple[int, ...]) -> Whole:
    """Returns rectangles with sides (N, 2) around uniform places, clipped at the border: top, bottom, left, right."""
    edges = []
    for limit, lengths, places in zip(image_shape[:2], sides.T, bits.T, strict=True):
        first = _below(limit, places) - lengths // 2
        edges += [np.clip(first, 0, limit), np.clip(first + lengths, 0, limit)]
    return np.stack(edges, axis=1).astype(np.int32)


def _erased(bits: NDArray[np.uint32], probability: float, image_shape: tuple[int, ...]) -> Whole:
    """Returns RandomErasing's rectangles, (N, 4); zeros for unchanged images."""
    height, width = image_shape[:2]
    chance, size, shape, row, column = _unit(bits).T
    areas = (_ERASING_AREA[0] + (_ERASING_AREA[1] - _ERASING_AREA[0]) * size) * height * width
    aspects = np.exp(np.log(_ERASING_ASPECT) * (1 - 2 * shape))  # log-uniform in [0.3, 1 / 0.3]
    edges = []
    for place, limit, side in ((row, height, areas * aspects), (column, width, areas / aspects)):
        lengths = np.clip(np.rint(np.sqrt(side)), 1, limit)
        first = np.floor(place * (limit - lengths + 1))
        edges += [first, first + lengths]
    return np.where(chance[:, None] < probability, np.stack(edges, axis=1), 0).astype(np.int32)


def _alternating(indices: NDArray[np.intp], seed: int, epoch: int) -> NDArray[np.uint32]:
    """Returns words whose first bits are the sides of images: drawn once, and changed with every epoch."""
    return words(stream_key(seed, SIDE_STREAM), indices, [0])[:, 0] ^ np.uint32((epoch & 1) << 31)


def _below(limit: int, bits: NDArray[np.uint32]) -> NDArray[np.intp]:
    """Returns integers in [0, limit) from 32-bit words, to within limit / 2^32 of uniform."""
    return (bits.astype(np.uint64) * np.uint64(limit) >> np.uint64(32)).astype(np.intp)


def _unit(bits: NDArray[np.uint32]) -> NDArray[np.float64]:
    """Returns numbers in (0, 1) from 32-bit words."""
    return (bits + 0.5) / 2**32
