"""Blurs: of a Gaussian, out of focus, through glass, by motion and by zooming."""
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.robustness.corruptions.pixels import (
    Images,
    Planes,
    along_sides,
    blurred,
    images_from,
    planes,
    truncated,
    zoom_matrix,
)
from keras_fixhead.robustness.draws import Draws


def gaussian_blur(images: Images, *, sigma_px: float) -> Images:
    """Returns images blurred by a Gaussian that is cut at 4 standard deviations; the edge pixel is repeated.

    Args:
        images: uint8, shape (N, H, W, 3).
        sigma_px: standard deviation in pixels.

    Returns:
        uint8 array of the same shape.
    """
    return images_from(blurred(planes(images), sigma_px))


def defocus_blur(images: Images, *, disk_radius_px: float, antialias_sigma_px: float) -> Images:
    """Returns images blurred by a disk that is itself smoothed by a Gaussian.

    Args:
        images: uint8, shape (N, H, W, 3).
        disk_radius_px: radius of the disk in pixels.
        antialias_sigma_px: standard deviation of the Gaussian in pixels.

    Returns:
        uint8 array of the same shape.

    Example:
        >>> white = np.full((1, 8, 8, 3), 255, np.uint8)
        >>> int(defocus_blur(white, disk_radius_px=1, antialias_sigma_px=0.1).min()) >= 254
        True
    """
    from scipy.ndimage import correlate  # half a second to import

    kernel = disk_kernel(disk_radius_px, antialias_sigma_px)
    # 'mirror' is the scripts' border: the edge pixel is not repeated
    blurred = correlate(images / 255.0, kernel[None, :, :, None], mode="mirror")
    return (np.clip(blurred, 0.0, 1.0) * 255.0).astype(np.uint8)


def disk_kernel(radius: float, sigma: float) -> NDArray[np.float64]:
    """Returns the blur kernel of a disk: its indicator on an integer grid, divided by its sum, smoothed by a Gaussian.

    Radii up to 8 use a grid of 17 x 17 and a Gaussian of 3 taps, larger ones a grid that just fits them and 5 taps. The
    smoothing mirrors at the grid's edge, so the sum exceeds 1 if the disk reaches it (by 1.3 % at radius 8), as in the
    published scripts. Margins of zeros are cut off.

    Example:
        >>> disk_kernel(1, 0.01).tolist()
        [[0.0, 0.2, 0.0], [0.2, 0.2, 0.2], [0.0, 0.2, 0.0]]
    """
    from scipy.ndimage import correlate1d

    reach, taps = (8, 3) if radius <= 8 else (int(radius), 5)
    grid = np.arange(-reach, reach + 1)
    disk = (grid[:, None] ** 2 + grid[None, :] ** 2 <= radius**2).astype(np.float64)
    offsets = np.arange(taps) - taps // 2
    gaussian = np.exp(-(offsets**2) / (2 * sigma**2))
    gaussian /= gaussian.sum()
    smoothed = disk / disk.sum()
    for axis in (0, 1):
        smoothed = correlate1d(smoothed, gaussian, axis=axis, mode="mirror")
    used = np.flatnonzero(smoothed.max(axis=0) > 1e-12)
    margin = int(used[0]) if len(used) else 0
    return smoothed[margin : len(grid) - margin, margin : len(grid) - margin]


def glass_blur(images: Images, draws: Draws, *, sigma_px: float, max_shift_px: int, passes: int) -> Images:
    """Returns images as through frosted glass: blurred, neighbouring pixels copied at random, and blurred again.

    A pixel takes the value of one up to `max_shift_px` up or left, or `max_shift_px - 1` down or right. As in the
    published scripts, the other pixel keeps its value: their swap is a copy. Pixels are visited from the bottom right,
    so later ones see what earlier ones have become.

    Args:
        images: uint8, shape (N, H, W, 3).
        draws: draws of these images.
        sigma_px: standard deviation of both blurs in pixels.
        max_shift_px: d; pixels from d + 1 to side - d are replaced.
        passes: how often all pixels are visited.

    Returns:
        uint8 array of the same shape.
    """
    count, height, width, _ = images.shape
    packed = np.zeros((height * width, count, 4), np.uint8)  # a pixel of all images next to each other
    packed[..., :3] = gaussian_blur(images, sigma_px=sigma_px).reshape(count, -1, 3).transpose(1, 0, 2)
    pixels = packed.view(np.uint32)[..., 0]
    _copy_neighbours(pixels, draws, height, width, max_shift_px, passes)
    shuffled = packed[..., :3].transpose(1, 0, 2).reshape(images.shape)
    return gaussian_blur(np.ascontiguousarray(shuffled), sigma_px=sigma_px)


def _copy_neighbours(pixels: NDArray[np.uint32], draws: Draws, height: int, width: int, reach: int,
                     passes: int) -> None:
    targets = [row * width + column for row in range(height - reach, reach, -1)
               for column in range(width - reach, reach, -1)]
    count = pixels.shape[1]
    numbers = np.arange(count)
    every = pixels.ravel()
    for turn in range(passes):
        shifts = draws.integers(2 * len(targets), -reach, reach, first=turn * 2 * len(targets))
        across, down = shifts[:, : len(targets)], shifts[:, len(targets) :]
        sources = (np.array(targets) + down * width + across).T * count + numbers  # (targets, N)
        for target, source in zip(targets, np.ascontiguousarray(sources), strict=True):
            every.take(source, out=pixels[target], mode="clip")  # 'clip' writes without a buffer; all are inside


def motion_blur(images: Images, draws: Draws, *, radius_px: int, sigma_px: float) -> Images:
    """Returns images blurred along a line from each pixel, at an angle between -45 and 45 degrees.

    Args:
        images: uint8, shape (N, H, W, 3).
        draws: draws of these images.
        radius_px: the line has 2 * radius_px + 1 taps.
        sigma_px: the taps are half of a Gaussian of this standard deviation.

    Returns:
        uint8 array of the same shape.
    """
    angles = draws.uniforms(1, low=-45, high=45)[:, 0]
    return truncated(moved(images, angles, radius_px, sigma_px))


def moved(images: Images, angles: NDArray[np.float32], radius: int, sigma: float) -> Planes:
    """Returns images (N, H, W, C) blurred along lines at angles in degrees, float32, in the units of the images.

    Tap i reads from the pixel `ceil(i sin(angle) - 0.5)` rows down and `ceil(i cos(angle) - 0.5)` columns right, with
    weight `exp(-i^2 / (2 sigma^2))` over the sum of weights; beyond the edge, the edge pixel.
    """
    taps = np.arange(2 * radius + 1)
    weights = np.exp(-(taps**2) / (2 * sigma**2))
    weights = (weights / weights.sum()).astype(np.float32)
    height, width = images.shape[1:3]
    turns = np.deg2rad(angles.astype(np.float64))[:, None]
    down = np.clip(np.ceil(taps * np.sin(turns) - 0.5), 1 - height, height - 1).astype(int)
    right = np.clip(np.ceil(taps * np.cos(turns) - 0.5), 1 - width, width - 1).astype(int)
    above, left = max(0, -down.min()), max(0, -right.min())
    margins = ((0, 0), (above, max(0, down.max())), (left, max(0, right.max())), (0, 0))
    padded = np.pad(images, margins, mode="edge").astype(np.float32)
    made = np.zeros(images.shape, np.float32)
    shifted = np.empty(images.shape[1:], np.float32)
    for image, out, rows, columns in zip(padded, made, (down + above).tolist(), (right + left).tolist(), strict=True):
        for row, column, weight in zip(rows, columns, weights, strict=True):
            np.multiply(image[row : row + height, column : column + width], weight, out=shifted)
            out += shifted
    return made


def zoom_blur(images: Images, *, zoom_factors: Sequence[float]) -> Images:
    """Returns the mean of images and of their middles enlarged by each factor.

    Args:
        images: uint8, shape (N, H, W, 3).
        zoom_factors: factors of at least 1. As in the published scripts, 1 is one of them: the image counts twice.

    Returns:
        uint8 array of the same shape.
    """
    values = planes(images)
    height, width = values.shape[-2:]
    total = values.copy()
    for factor in zoom_factors:
        total += along_sides(zoom_matrix(height, factor), zoom_matrix(width, factor), values)
    total /= len(zoom_factors) + 1
    return images_from(total)
